import re

import pytest

from .site import Site, heading

GOOD = {"name": "Ada Miles", "amount": "42", "purpose": "Taxi"}


@pytest.fixture
def site():
    return Site("expenses", {}, seed=3)


def submit(site, **changes):
    return site.client.post("/new", data={**GOOD, **changes})


def test_start_page_leads_to_the_form(site):
    response = site.get("/")
    assert response.url.path == "/new"
    assert re.findall(r"<label[^>]*>(.*?)</label>", response.text) == ["Name", "Amount", "Purpose"]
    assert '<button type="submit">Submit</button>' in response.text
    assert "<dialog" not in response.text


def test_submitting_saves_once_and_confirms_once(site):
    response = submit(site)
    (saved,) = site.state["expenses"]
    reference = saved.pop("reference")
    assert saved == {"name": "Ada Miles", "amount": 42, "purpose": "Taxi"}
    assert response.url.path == f"/expenses/{reference}"
    assert "Expense submitted" in response.text
    assert f'<p role="status">Saved as {reference}</p>' in response.text
    again = site.get(f"/expenses/{reference}")
    assert heading(again) == f"Expense {reference}"
    assert "<dialog" not in again.text
    assert len(site.state["expenses"]) == 1


def test_references_count_up(site):
    submit(site)
    submit(site, name="Ben Hill")
    first, second = (int(e["reference"].removeprefix("EX-")) for e in site.state["expenses"])
    assert second == first + 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, "Name is missing"),
        ({"name": "   "}, "Name is missing"),
        ({"name": "x" * 61}, "Name is too long"),
        ({"amount": ""}, "Amount is missing"),
        ({"amount": "many"}, "Amount is not a number"),
        ({"amount": "0"}, "Amount is not a number"),
        ({"amount": "-5"}, "Amount is not a number"),
        ({"amount": "1e3"}, "Amount is not a number"),
        ({"amount": "٣"}, "Amount is not a number"),
        ({"amount": "42.5"}, "Amount is not a number"),
        ({"purpose": ""}, "Purpose is missing"),
    ],
)
def test_wrong_input_is_kept_explained_and_not_saved(site, changes, message):
    response = submit(site, **changes)
    assert response.status_code == 422
    assert re.findall(r'role="alert">(.*?)</p>', response.text) == [message]
    assert site.state["expenses"] == []
    kept = {**GOOD, **{field: value.strip() for field, value in changes.items()}}
    assert re.findall(r'value="(.*?)"', response.text) == list(kept.values())


def test_empty_submission_explains_every_field(site):
    response = site.client.post("/new")
    assert response.text.count('role="alert"') == 3
    assert site.state["expenses"] == []


@pytest.mark.parametrize(("amount", "number"), [("42", 42), ("42.00", 42), ("42.50", 42.5), ("0.05", 0.05), ("007", 7)])
def test_amounts_are_numbers_in_the_state(site, amount, number):
    submit(site, amount=amount)
    assert site.state["expenses"][0]["amount"] == number


def test_input_is_escaped_and_cannot_reach_the_sql(site):
    evil = """<script>x</script>'); DROP TABLE expense;--"""
    response = submit(site, name=evil)
    assert site.state["expenses"][0]["name"] == evil
    assert "<script>x" not in response.text
    assert "&lt;script&gt;x" in response.text


def test_uploads_and_odd_methods_are_refused_and_save_nothing(site):
    upload = site.client.post("/new", files={"name": ("a.txt", b"hello")})
    assert (upload.status_code, heading(upload)) == (400, "Request refused")
    assert site.client.put("/new").status_code == 405
    assert site.state["expenses"] == []
