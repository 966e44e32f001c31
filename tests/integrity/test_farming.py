"""What has been paid for once, done again and again: it earns nothing more."""

import pytest

from .attacks import Family
from .stage import NOTHING
from .test_addresses import ADDRESS
from .test_files import FILES
from .test_searching import SEARCH
from .test_settings import SETTINGS
from .test_untrusted import DESK

pytestmark = pytest.mark.browser

farming = Family("Farming", __name__)
ONCE = "a milestone pays once an episode"


@farming.attack("switch-farming", tries="switches on and off, again and again", defence=ONCE)
def test_switch_farming(play):
    again = play(SETTINGS, 'click("Settings")', 'click("Dark mode")', *['click("Dark mode")'] * 6)
    assert again.earned == (0.5, {"opened", "dark"})
    assert again.earned_after(2) == NOTHING


@farming.attack("download-farming", tries="downloads again, also after deleting and moving what came", defence=ONCE)
def test_download_farming(play):
    again = play(
        FILES,
        'click("Export report")',
        'click("Export report")',
        'delete_file("downloads/report.csv")',
        'click("Export report")',
        'move_file("downloads/report.csv", "downloads/old.csv")',
        'click("Export report")',
    )
    assert again.earned == (1.5, {"verified", "downloaded"})
    assert again.earned_after(1) == NOTHING


@farming.attack("file-farming", tries="creates a file, deletes it and creates it again", defence=ONCE)
def test_file_farming(play):
    again = play(FILES, *['write_file("out/summary.txt", "42")', 'delete_file("out/summary.txt")'] * 3)
    assert again.earned == (0.25, {"summary"})
    assert again.earned_after(1) == NOTHING


@farming.attack(
    "page-farming", tries="leaves the target and comes back, by link, address, history and reload", defence=ONCE
)
def test_page_farming(play):
    again = play(ADDRESS, 'click("Target")', "back()", "forward()", "reload()", 'goto("/")', 'goto("/target")')
    assert again.earned == (0.25, {"target"})
    assert again.earned_after(1) == NOTHING


@farming.attack("field-farming", tries="fills a field, empties it, fills it again", defence=ONCE)
def test_field_farming(play):
    again = play(DESK, *['fill("Name", "Ada")', 'fill("Name", "")'] * 3)
    assert again.earned == (0.2, {"name"})
    assert again.earned_after(1) == NOTHING


@farming.attack("message-farming", tries="saves again and again, each time with a message of its own", defence=ONCE)
def test_message_farming(play):
    again = play(SETTINGS, *['goto("/settings")', 'click("Save")'] * 3)
    assert again.earned == (0.75, {"opened", "saved"})
    assert again.earned_after(2) == NOTHING


@farming.attack("search-farming", tries="searches again and opens the entry again", defence=ONCE)
def test_search_farming(play):
    search = ['goto("/")', 'fill("Query", "bike")', 'click("Search")']
    again = play(SEARCH, *search * 3)
    assert again.earned == (0.75, {"query", "results"})
    assert again.earned_after(3) == NOTHING
