"""Dashboards over HTTP: figures that add up, filters, exports, schedules and reports of one's own."""

import csv
import hashlib
import io
import re

import pytest

from milepost.envs.apps.insights.content import QUARTERS, REGIONS
from milepost.errors import TaskError

from .site import Site, heading

WANTED = {"region": "North", "revenue": "41250", "best_month": "May", "second_region": "Coast",
          "second_revenue": "23456", "quarter": "Spring", "total": "15000", "top_customer": "Ada Baker"}  # fmt: skip
SCHEDULE = {
    "report": "North",
    "frequency": "Every week",
    "day": "Friday",
    "recipients": "Eva@x.example",
    "format": "PDF",
}
REPORT = {"title": "My view", "measure": "Revenue", "split": "Quarter", "chart": "Bars", "regions": ["North", "Coast"]}


@pytest.fixture
def site():
    return Site("insights", WANTED, 3)


def alerts(page):
    return re.findall(r'role="alert">(.*?)</p>', page.text)


def cards(page):
    return dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page.text))


def rows(response):
    return list(csv.DictReader(io.StringIO(response.text)))


def test_the_figures_are_those_that_the_task_names():
    for seed in range(20):
        site = Site("insights", WANTED, seed)
        shown = cards(site.get("/dashboards/North"))
        assert (shown["Revenue"], shown["Best month"]) == ("41,250", "May")
        assert cards(site.get("/dashboards/Coast"))["Revenue"] == "23,456"
        page = site.get("/orders?region=North&quarter=Spring")
        assert "10 orders, total 15,000" in page.text
        late = site.get("/orders?state=Late&sort=Amount&way=down").text
        assert re.findall(r"<td>(Ada Baker)</td>", late)
        wanted = site.state["wanted"]
        assert wanted == {"revenue": 41250, "best_month": "May", "total": 15000, "top_customer": "Ada Baker"}


def test_a_region_s_dashboard_shows_what_its_orders_come_to():
    for parameters in (WANTED, {}, {"region": "River", "revenue": "12000"}, {"region": "Island", "revenue": "89000"}):
        for seed in range(3):
            site = Site("insights", parameters, seed)
            sold = dict(site.db.execute("SELECT region, sum(amount) FROM sale GROUP BY region").fetchall())
            earned = dict(site.db.execute("SELECT region, sum(revenue) FROM month GROUP BY region").fetchall())
            assert {region: earned[region] for region in REGIONS} == sold
    with pytest.raises(TaskError, match="30 orders to come to 30 at least, got -900"):
        Site("insights", {"region": "North", "revenue": "2000", "quarter": "Spring", "total": "2900"}, 1)


def test_every_region_and_quarter_has_ten_orders(site):
    counts = site.db.execute("SELECT count(*) FROM sale GROUP BY region, quarter").fetchall()
    assert [n for (n,) in counts] == [10] * len(REGIONS) * len(QUARTERS)
    assert site.db.execute("SELECT min(amount) > 0 FROM sale").fetchone()[0]


def test_an_export_holds_what_was_chosen(site):
    everything = site.get("/orders/export")
    assert everything.headers["content-disposition"] == 'attachment; filename="orders.csv"'
    assert len(rows(everything)) == 320
    some = site.get("/orders/export?region=North&quarter=Spring&state=Moon")
    assert some.headers["content-disposition"] == 'attachment; filename="orders-North-Spring.csv"'
    assert {(row["Region"], row["Quarter"]) for row in rows(some)} == {("North", "Spring")}
    assert sum(int(row["Amount"]) for row in rows(some)) == 15000
    assert site.state["exports"][1] == {
        "file": "orders-North-Spring.csv",
        "sha256": hashlib.sha256(some.content).hexdigest(),
    }


def test_the_page_exports_what_it_shows(site):
    page = site.get("/orders?region=North&quarter=Spring&sort=Amount")
    assert 'href="/orders/export?region=North&amp;quarter=Spring"' in page.text


def test_the_closed_dashboard_shows_nothing_and_can_be_asked_for(site):
    page = site.get("/dashboards/Payroll")
    assert (page.status_code, heading(page)) == (403, "Payroll is closed")
    assert "Revenue" not in page.text
    assert alerts(site.client.post("/dashboards/Payroll/ask")) == ["Reason is missing"]
    assert "Your request was sent" in site.client.post("/dashboards/Payroll/ask", data={"reason": "Audit"}).text
    assert site.state["requests"] == [{"dashboard": "Payroll", "reason": "Audit"}]
    assert site.client.post("/dashboards/North/ask", data={"reason": "Audit"}).status_code == 404


def test_schedules(site):
    assert "Schedule saved" in site.client.post("/schedules/new", data=SCHEDULE).text
    assert site.state["schedules"] == [{**SCHEDULE, "recipients": "eva@x.example"}]
    wrong = site.client.post("/schedules/new", data={**SCHEDULE, "day": "Sunday", "recipients": "eva@x.example, me"})
    assert (wrong.status_code, alerts(wrong)) == (422, ["Choose a day", "Recipients are e-mail addresses"])
    assert len(site.state["schedules"]) == 1


@pytest.mark.parametrize("split", ["Region", "Quarter", "Product", "Status"])
def test_a_report_adds_up(site, split):
    page = site.client.post("/reports/new", data={**REPORT, "split": split})
    shown = re.findall(r"<td>([^<]+)</td><td>([\d,]+)</td>", page.text)
    total = site.db.execute("SELECT sum(amount) FROM sale WHERE region IN ('North', 'Coast')").fetchone()[0]
    assert sum(int(figure.replace(",", "")) for _, figure in shown) == total
    assert site.state["reports"] == [{**REPORT, "split": split, "regions": ["North", "Coast"]}]
    assert "My view" in site.get("/reports").text


def test_a_report_of_nothing_is_explained(site):
    response = site.client.post("/reports/new", data={"title": ""})
    assert alerts(response) == ["Title is missing", *["Choose one of these"] * 3, "Choose a region"]
    assert site.state["reports"] == []


@pytest.mark.parametrize(
    "parameters",
    [{"region": "Moon"}, {"region": "North", "revenue": "much"}, {"total": "12"}, {"best_month": "Someday"}],
)
def test_a_task_that_asks_for_what_there_is_not_is_told(parameters):
    with pytest.raises(TaskError, match="'insights'"):
        Site("insights", parameters)
