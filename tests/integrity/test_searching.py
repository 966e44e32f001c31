"""Results and entries that are reached without the search and the click that are paid for."""

import pytest

from .attacks import Family
from .stage import NOTHING, Stage

pytestmark = pytest.mark.browser

searching = Family("Search and retrieval", __name__)

FIELD = "<form action=/search><input type=search name=q aria-label=Query><button>Search</button></form>"

SEARCH = Stage(
    name="search",
    milestones=[
        {"id": "query", "catalogue": "query_filled", "name": "Query", "value": "bike"},
        {"id": "results", "catalogue": "results_rendered", "query": "bike", "min_items": 2},
        {
            "id": "opened",
            "catalogue": "entry_opened",
            "name": "Red bike",
            "path": "/articles/red-bike",
            "heading": "Red bike",
        },
    ],
    honest=['fill("Query", "bike")', 'click("Search")', 'click("Red bike")'],
    pages={
        "/": f"<title>Library</title>{FIELD}",
        "/articles/red-bike": "<title>Red bike</title><h1>Red bike</h1>",
        "/articles/blue-bike": "<title>Blue bike</title><h1>Blue bike</h1>",
        "/decoys": "<title>Decoys</title><a href=/articles/blue-bike>Red bike</a>",
        "/inert": "<title>Inert</title><a href=#>Red bike</a>",
        "/prefilled": "<title>Library</title><input type=search aria-label=Query value=bike>",
    },
)


def test_the_honest_way_pays_on_the_same_page(play):
    assert play.honest(SEARCH).earned == (1.25, {"query", "results", "opened"})


@searching.attack(
    "results-by-address",
    tries="opens the results by their address",
    defence="a search is a trusted submission or click",
)
def test_results_by_address(play):
    lie = play(SEARCH, 'goto("/search?q=bike")', "noop()")
    assert "Red bike" in lie.page
    assert lie.earned == NOTHING


@searching.attack(
    "results-after-another-search", tries="searches for something else, then opens the results by their address",
    defence="an address that the agent asked for ends what its last search can bring",
)  # fmt: skip
def test_results_after_another_search(play):
    lie = play(SEARCH, 'fill("Query", "boat")', 'click("Search")', 'goto("/search?q=bike")', "noop()")
    assert "Red bike" in lie.page
    assert lie.earned == NOTHING


@searching.attack(
    "query-filled-by-the-page",
    tries="opens a page whose search field holds the term already",
    defence="nobody typed it",
)
def test_query_filled_by_the_page(play):
    lie = play(SEARCH, 'goto("/prefilled")', 'click("Query")')
    assert 'searchbox "Query" "bike"' in lie.page
    assert lie.earned == NOTHING


@searching.attack(
    "entry-by-address", tries="opens the entry's page by its address", defence="a trusted click on the entry led there"
)
def test_entry_by_address(play):
    lie = play(SEARCH, 'goto("/articles/red-bike")')
    assert 'heading "Red bike"' in lie.page
    assert lie.earned == NOTHING


@searching.attack(
    "entry-after-a-decoy", tries="clicks a link of the entry's name that leads elsewhere, then opens the address",
    defence="an address that the agent asked for ends what its last click can bring",
)  # fmt: skip
def test_entry_after_a_decoy(play):
    for page in ("/decoys", "/inert"):
        lie = play(SEARCH, f'goto("{page}")', 'click("Red bike")', 'goto("/articles/red-bike")')
        assert 'heading "Red bike"' in lie.page
        assert lie.earned == NOTHING, page
