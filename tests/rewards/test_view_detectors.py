"""region_changed and tab_opened."""

from dataclasses import replace
from io import BytesIO

import pytest
from pydantic import ValidationError

from milepost.rewards.detectors import DETECTOR_ADAPTER
from milepost.sandbox.snapshot import Element

from .scenes import Step, click, el, fires, page, pictured, tabbed, typed, went

REGION = [100, 50, 200, 80]
CHART = {"kind": "region_changed", "region": REGION}
WHITE, RED, GREEN = (255, 255, 255), (255, 0, 0), (0, 128, 0)


def chart(*colours, path="/", elements=()):
    return pictured(page(path, *elements), REGION, *colours)


def test_a_region_looks_different_once():
    assert fires(CHART, ([], chart(WHITE)), ([], chart(RED)), ([], chart(RED))) == [1]
    assert fires(CHART, ([], chart(RED)), ([], chart(GREEN))) == [1]  # equally bright


@pytest.mark.parametrize("shown", [WHITE, (250, 250, 250), (247, 255, 255)])
def test_what_looks_the_same(shown):
    assert fires(CHART, ([], chart(WHITE)), ([], chart(shown))) == []


def test_the_share_that_must_change():
    half: Step = ([], chart(WHITE, RED))
    assert fires(CHART | {"percent": 50}, ([], chart(WHITE)), half) == [1]
    assert fires(CHART | {"percent": 50.1}, ([], chart(WHITE)), half) == []
    one_of_thirty_two: Step = ([], chart(*[WHITE] * 31, RED))
    assert fires(CHART, ([], chart(WHITE)), one_of_thirty_two) == []
    assert fires(CHART | {"percent": 3}, ([], chart(WHITE)), one_of_thirty_two) == [1]


def test_compared_with_the_reset():
    spec = CHART | {"since": "reset", "percent": 60}
    half: Step = ([], chart(WHITE, RED))
    full: Step = ([], chart(RED))
    assert fires(spec, ([], chart(WHITE)), half, full, full, half, full) == [2, 5]
    assert fires(CHART | {"percent": 60}, ([], chart(WHITE)), half, full) == []  # never so much in one step
    assert fires(spec, ([], chart(WHITE)), ([went("/"), went("/")], chart(WHITE)), full) == []
    assert fires(spec | {"same_document": False}, ([], chart(WHITE)), ([went("/")], chart(WHITE)), full) == [2]


def test_another_document_tab_or_place_is_no_change():
    away = ([went("/b")], chart(RED, path="/b"))
    assert fires(CHART, ([], chart(WHITE)), away) == []
    assert fires(CHART | {"same_document": False}, ([], chart(WHITE)), away) == []
    assert fires(CHART | {"same_document": False}, ([], chart(WHITE)), ([went("/")], chart(RED))) == [1]
    one, two = tabbed(chart(WHITE), "/", "/"), tabbed(chart(RED), "/", "/", active=2)
    assert fires(CHART | {"same_document": False}, ([], one), ([], two)) == []

    def at(y: float) -> list[Element]:
        return [replace(el(i, "text", "x"), box=(0.0, 20.0 * i + y, 50.0, 10.0)) for i in range(1, 5)]

    fixed = replace(el(9, "button", "Top"), box=(0.0, 0.0, 50.0, 10.0))
    still, moved = chart(WHITE, elements=[*at(0), fixed]), chart(RED, elements=[*at(-300), fixed])
    assert fires(CHART, ([], still), ([], moved)) == []
    assert fires(CHART, ([], still), ([], replace(moved, elements=still.elements))) == [1]


def test_a_region_without_a_picture_says_nothing():
    assert fires(CHART, ([], page()), ([], chart(RED))) == []
    assert fires(CHART, ([], chart(RED)), ([], page())) == []
    other = pictured(page(), [0, 0, 5, 5], RED)
    assert fires(CHART, ([], pictured(page(), [0, 0, 5, 5], WHITE)), ([], other)) == []


def test_after_input_for_regions():
    spec = CHART | {"after_input": True}
    assert fires(spec, ([], chart(WHITE)), ([], chart(RED))) == []
    assert fires(spec, ([], chart(WHITE)), ([click("button", "Draw")], chart(RED))) == [1]


@pytest.mark.parametrize("region", [[0, 0, 0, 10], [1200, 0, 100, 10], [0, 700, 10, 30], [-1, 0, 5, 5], [0, 0, 5]])
def test_regions_that_are_none(region):
    with pytest.raises(ValidationError):
        DETECTOR_ADAPTER.validate_python(CHART | {"region": region})


def test_pictures_of_regions():
    image = pytest.importorskip("PIL.Image")
    from milepost.envs.frames import region_digests

    picture = image.new("RGB", (1280, 720), WHITE)
    picture.paste(RED, (100, 50, 200, 130))  # the left half of the region
    png = BytesIO()
    picture.save(png, "PNG")
    found = region_digests(png.getvalue(), [(REGION[0], REGION[1], REGION[2], REGION[3]), (1270, 710, 10, 10)])
    half = pictured(page(), REGION, *[RED] * 8, *[WHITE] * 8)
    assert found == {**half.regions, **pictured(page(), [1270, 710, 10, 10], WHITE).regions}
    assert fires(CHART | {"percent": 50}, ([], chart(WHITE)), ([], replace(page(), regions=found))) == [1]


OPENED = {"kind": "tab_opened", "path": "/reports/*"}
HOME = page("/")
ONE: Step = ([], tabbed(HOME, "/"))


def test_a_tab_opens():
    there = tabbed(HOME, "/", "/reports/7", active=2)
    assert fires(OPENED, ONE, ([click("link", "Report")], there), ([], there)) == [1]
    assert fires({"kind": "tab_opened", "title_pattern": r"reports/\d"}, ONE, ([], there)) == [1]
    third = tabbed(HOME, "/", "/reports/7", "/reports/8", active=3)
    assert fires(OPENED, ONE, ([], there), ([], third)) == [1, 2]


def test_a_tab_opened_empty_counts_when_it_shows_a_page():
    empty: Step = ([], tabbed(HOME, "/", "", active=2))
    assert fires(OPENED, ONE, empty, ([], tabbed(HOME, "/", "/reports/7", active=2))) == [2]
    assert fires(OPENED, ONE, empty, ([], tabbed(HOME, "/", "/other", active=2))) == []
    assert fires({"kind": "tab_opened", "path": "*"}, ONE, empty) == []


def test_near_misses_of_tabs():
    for shown in (
        tabbed(HOME, "/reports/7"),  # the present one went there
        tabbed(HOME, "/", "/reports", active=2),
        tabbed(HOME, "/", "/x/reports/7", active=2),
    ):
        assert fires(OPENED, ONE, ([], shown)) == []
    two: Step = ([], tabbed(HOME, "/", "/other", active=2))
    assert fires(OPENED, ONE, two, ([], tabbed(HOME, "/", "/reports/7", active=2))) == []
    shifted: Step = ([], tabbed(HOME, "", "/reports/7"))  # the first of three was closed
    assert fires(OPENED, ([], tabbed(HOME, "/", "", "/reports/7")), shifted) == []
    said = typed("textbox", "Note", "opened /reports/7")
    assert fires(OPENED, ONE, ([said], tabbed(HOME, "/"))) == []
    spec = OPENED | {"after_input": True}
    assert fires(spec, ONE, ([], tabbed(HOME, "/", "/reports/7", active=2))) == []


def test_a_tab_needs_a_description():
    with pytest.raises(ValidationError, match="say which tab"):
        DETECTOR_ADAPTER.validate_python({"kind": "tab_opened"})
