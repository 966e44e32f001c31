import pytest

from milepost.envs.apps.library.app import RESULTS_PER_PAGE, THINGS

from .site import Site, heading, links

TARGET = {"task": "Resetting", "color": "blue", "thing": "router", "decoy_color": "red"}
TITLE = "Resetting a blue router"


@pytest.fixture
def site():
    return Site("library", TARGET)


def articles(response):
    return {text: href for text, href in links(response) if href.startswith("/articles/")}


def test_the_way_to_the_article(site):
    assert '<input id="q" name="q" type="search" value="">' in site.get("/").text
    results = site.get("/search?q=router")
    assert heading(results) == "Results for router"
    found = articles(results)
    assert len(found) == RESULTS_PER_PAGE
    assert all(title.endswith("router") for title in found)
    article = site.get(found[TITLE])
    assert article.url.path == "/articles/Resetting-a-blue-router"
    assert heading(article) == TITLE
    assert site.state == {"searches": ["router"], "opened": [TITLE]}


def test_opening_is_recorded_in_order_and_only_when_served(site):
    site.get("/articles/Resetting-a-red-router")
    site.get("/articles/Resetting-a-mauve-router")
    site.get("/articles/Resetting-a-blue-router")
    assert site.state["opened"] == ["Resetting a red router", TITLE]


@pytest.mark.parametrize("query", ["router", "ROUTER", "  router ", "blue router", "router blue", TITLE])
def test_search_takes_every_word_in_any_order_and_case(site, query):
    response = site.client.get("/search", params={"q": query})
    assert TITLE in articles(response)


@pytest.mark.parametrize("query", ["", "   "])
def test_an_empty_search_is_the_start_page(site, query):
    response = site.client.get("/search", params={"q": query})
    assert heading(response) == "Library"
    assert site.state["searches"] == []


@pytest.mark.parametrize("query", ["dragon", "%", "_", "' OR 1=1 --", "<b>x</b>", "x" * 500])
def test_a_search_without_results_says_so(site, query):
    response = site.client.get("/search", params={"q": query})
    assert response.status_code == 200
    assert articles(response) == {}
    assert "No articles found" in response.text
    assert "<b>x" not in response.text


def test_no_page_lists_more_than_a_page_of_results(site):
    assert len(articles(site.get("/search?q=a"))) == RESULTS_PER_PAGE


@pytest.mark.parametrize("thing", THINGS)
def test_every_thing_finds_exactly_its_articles(thing):
    for seed in range(5):
        found = articles(Site("library", {**TARGET, "thing": thing}, seed).get(f"/search?q={thing}"))
        assert len(found) == RESULTS_PER_PAGE
        assert all(title.endswith(f" {thing}") for title in found)


def test_the_targets_place_in_the_results_varies_with_the_seed():
    places = {list(articles(Site("library", TARGET, seed).get("/search?q=router"))).index(TITLE) for seed in range(40)}
    assert places == set(range(RESULTS_PER_PAGE))
