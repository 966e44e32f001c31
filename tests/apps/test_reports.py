import csv
import hashlib
import io

import pytest

from milepost.envs.apps.reports.app import MONTHS, REPORTS_PER_SECTION, SECTIONS
from milepost.errors import TaskError

from .site import Site, heading, links

TARGET = {"section": "Finance", "area": "North", "topic": "Budget", "decoy_topic": "Costs"}


@pytest.fixture
def site():
    return Site("reports", TARGET)


def test_the_way_to_the_file(site):
    sections = dict(links(site.get("/")))
    assert list(sections) == list(SECTIONS)
    section = site.get(sections["Finance"])
    assert heading(section) == "Finance reports"
    report = site.get(dict(links(section))["North Budget"])
    assert report.url.path == "/reports/North-Budget"
    assert '<table aria-label="North Budget">' in report.text
    assert '<form action="/reports/North-Budget/export"' in report.text
    assert "<option>All months</option><option>January</option>" in report.text
    export = site.get("/reports/North-Budget/export?period=All+months")
    assert export.headers["content-type"].startswith("text/csv")
    assert export.headers["content-disposition"] == 'attachment; filename="North-Budget.csv"'
    (known,) = [r for r in site.state["reports"] if r["name"] == "North Budget"]
    assert known["section"] == "Finance"
    assert known["file"] == "North-Budget.csv"
    assert known["sha256"] == hashlib.sha256(export.content).hexdigest()
    assert site.state["viewed"] == ["North Budget"]
    assert site.state["exported"] == [{"name": "North Budget", "period": "All months"}]
    rows = list(csv.reader(io.StringIO(export.text)))
    assert rows[0] == ["Month", "Total"]
    assert all(f"<td>{month}</td><td>{total}</td>" in report.text for month, total in rows[1:])


def test_another_report_is_another_file(site):
    wrong = site.get("/reports/North-Costs/export")
    (known,) = [r for r in site.state["reports"] if r["name"] == "North Budget"]
    assert hashlib.sha256(wrong.content).hexdigest() != known["sha256"]
    assert site.state["exported"] == [{"name": "North Costs", "period": "All months"}]


@pytest.mark.parametrize("month", MONTHS)
def test_one_month_is_a_file_of_its_own(site, month):
    export = site.get(f"/reports/North-Budget/export?period={month}")
    assert export.headers["content-disposition"] == f'attachment; filename="North-Budget-{month}.csv"'
    (known,) = [r for r in site.state["reports"] if r["name"] == "North Budget"]
    (total,) = [t for t in known["totals"] if t["month"] == month]
    assert export.text == f"Month,Total\n{month},{total['total']}\n"
    assert total["sha256"] == hashlib.sha256(export.content).hexdigest()
    assert site.state["exported"] == [{"name": "North Budget", "period": month}]


def test_a_period_that_is_none_is_not_exported(site):
    assert site.get("/reports/North-Budget/export?period=May").status_code == 404
    assert site.state["exported"] == []


def test_nothing_is_visited_before_the_first_visit(site):
    site.get("/")
    site.get("/sections/Finance")
    site.get("/reports/North-Nothing/export")
    assert site.state["viewed"] == site.state["exported"] == []


FIGURES = {"month": "February", "total": "437", "other_month": "March", "other_total": "537"}


def test_the_state_knows_the_totals_that_the_file_holds(site):
    for report in site.state["reports"]:
        key = report["file"].removesuffix(".csv")
        _, *rows = csv.reader(io.StringIO(site.get(f"/reports/{key}/export").text))
        assert [[each["month"], str(each["total"])] for each in report["totals"]] == rows


def test_a_task_may_say_what_the_target_says_and_nothing_else_changes(site):
    told = Site("reports", {**TARGET, **FIGURES})
    for before, after in zip(site.state["reports"], told.state["reports"], strict=True):
        if after["name"] != "North Budget":
            assert before == after
            continue
        (january, february, march) = after["totals"]
        assert january == before["totals"][0]
        assert (february["total"], march["total"]) == (437, 537)
        assert "<td>February</td><td>437</td>" in told.get("/reports/North-Budget").text


@pytest.mark.parametrize("changes", [{"month": "May"}, {"total": "many"}, {"total": "-5"}, {"other_total": "4.5"}])
def test_a_figure_that_no_report_can_have_is_the_authors_to_mend(changes):
    with pytest.raises(TaskError, match=r"January, February, March and a whole number"):
        Site("reports", {**TARGET, **FIGURES, **changes})


def test_every_section_lists_its_own_reports_and_every_name_is_unique(site):
    shown = []
    for name, address in links(site.get("/")):
        reports = [text for text, href in links(site.get(address)) if href.startswith("/reports/")]
        assert len(reports) == REPORTS_PER_SECTION
        assert reports == [r["name"] for r in site.state["reports"] if r["section"] == name]
        shown += reports
    assert len(set(shown)) == len(shown) == len(SECTIONS) * REPORTS_PER_SECTION


def test_the_targets_place_in_its_list_varies_with_the_seed():
    places = set()
    for seed in range(30):
        names = [r["name"] for r in Site("reports", TARGET, seed).state["reports"] if r["section"] == "Finance"]
        places.add(names.index("North Budget"))
    assert places == set(range(REPORTS_PER_SECTION))
