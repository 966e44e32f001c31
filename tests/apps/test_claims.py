"""Expense claims over HTTP: deciding, correcting, handing in step by step, and new people."""

import re

import pytest

from milepost.envs.apps.claims.content import CLAIMS
from milepost.errors import TaskError

from .site import Site, heading

WANTED = {"claim": "CL-4821", "person": "Ada Baker", "claim_amount": "120.50", "claim_item": "Hotel"}
HEAD = {"person": "Ben Cook", "centre": "Sales", "day": "2025-05-12"}
ITEM = {"category": "Taxi", "amount": "24.50", "note": "Client visit"}
PERSON = {
    "first": "Bruno",
    "last": "Stone",
    "email": "Bruno@Harbor.example",
    "start": "2025-07-01",
    "team": "Legal",
    "laptop": "Light 13",
    "parking": "yes",
}


@pytest.fixture
def site():
    return Site("claims", WANTED, 3)


def alerts(page):
    return re.findall(r'role="alert">(.*?)</p>', page.text)


def claims(page):
    return re.findall(r'<a href="/claims/(CL-\d+)">', page.text)


def test_the_wanted_claim_is_there_and_its_person_has_two_more():
    for seed in range(20):
        site = Site("claims", WANTED, seed)
        found = site.get("/?q=Ada+Baker")
        assert "CL-4821" in claims(found)
        assert len(claims(found)) == 3
        states = [row["state"] for row in site.db.execute("SELECT state FROM claim WHERE person = 'Ada Baker'")]
        assert sorted(states) == ["Approved", "Open", "Rejected"]
        assert site.state["wanted"]["amount"] == 120.5
        assert site.db.execute("SELECT count(*) FROM claim").fetchone()[0] == CLAIMS


@pytest.mark.parametrize("number", [1000, 1001, 1219, 5000, 9000, 9999])
def test_any_number_can_be_wanted(number):
    for seed in range(5):
        assert Site("claims", {"claim": f"CL-{number}"}, seed).get(f"/claims/CL-{number}").status_code == 200


def test_the_largest_is_the_first_of_its_order():
    for seed in range(10):
        site = Site("claims", {"claim": "CL-4821", "largest": "yes"}, seed)
        assert claims(site.get("/?state=Open&sort=Amount&way=down"))[0] == "CL-4821"


def test_approving_takes_a_confirmation(site):
    asked = site.get("/claims/CL-4821?act=approve")
    assert "120.50 will be paid to Ada Baker" in asked.text
    assert site.state["claims"] == []
    site.client.post("/claims/CL-4821/approve")
    (claim,) = site.state["claims"]
    assert (claim["claim"], claim["state"]) == ("CL-4821", "Approved")
    assert site.client.post("/claims/CL-4821/reject", data={"reason": "late"}).status_code == 404
    assert "<dialog" not in site.get("/claims/CL-4821?act=reject").text


def test_rejecting_takes_a_reason(site):
    refused = site.client.post("/claims/CL-4821/reject", data={"reason": "  "})
    assert (refused.status_code, alerts(refused)) == (422, ["Reason is missing"])
    site.client.post("/claims/CL-4821/reject", data={"reason": "Too  late"})
    assert (site.state["claims"][0]["state"], site.state["claims"][0]["reason"]) == ("Rejected", "Too late")


def test_comments(site):
    refused = site.client.post("/claims/CL-4821/comments", data={"comment": " "})
    assert (refused.status_code, alerts(refused)) == (422, ["Comment is missing"])
    assert "Comment added" in site.client.post("/claims/CL-4821/comments", data={"comment": "<b>Why?</b>"}).text
    assert "&lt;b&gt;Why?" in site.get("/claims/CL-4821").text
    assert site.state["comments"] == [{"claim": "CL-4821", "text": "<b>Why?</b>"}]
    assert site.state["claims"] == []


def test_editing(site):
    wrong = site.client.post("/claims/CL-4821/edit", data={"centre": "Moon", "day": "2025-02-30"})
    assert alerts(wrong) == ["Choose a cost centre", "Date is not a date such as 2025-06-30"]
    site.client.post("/claims/CL-4821/edit", data={"centre": "Sales", "day": "2025-02-03"})
    assert (site.state["claims"][0]["centre"], site.state["claims"][0]["date"]) == ("Sales", "2025-02-03")


def begin(site):
    return site.client.post("/claims/new", data=HEAD).url.path.removesuffix("/items")


def test_the_three_steps(site):
    address = begin(site)
    assert heading(site.get(f"{address}/review")).startswith("Items of"), "a claim without items has no review"
    site.client.post(f"{address}/items", data=ITEM)
    second = site.client.post(f"{address}/items", data={**ITEM, "amount": "1", "category": "Hotel"})
    assert "Total 25.50" in second.text
    unsure = site.client.post(f"{address}/review")
    assert (unsure.status_code, alerts(unsure)) == (422, ["Please confirm this"])
    assert site.state["claims"][0]["state"] == "Draft"
    assert "submitted" in site.client.post(f"{address}/review", data={"mine": "yes"}).text
    (claim,) = site.state["claims"]
    assert (claim["person"], claim["centre"], claim["date"], claim["state"]) == (*HEAD.values(), "Open")
    assert [(item["category"], item["amount"]) for item in claim["items"]] == [("Taxi", 24.5), ("Hotel", 1)]


def test_a_draft_is_in_no_list(site):
    address = begin(site)
    assert address.rpartition("/")[2] not in claims(site.get("/?q=Ben+Cook"))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"category": ""}, "Choose a category"),
        ({"amount": "0"}, "Amount is not a number such as 24.50"),
        ({"amount": "1,50"}, "Amount is not a number such as 24.50"),
        ({"note": " "}, "Note is missing"),
        ({"note": "x" * 61}, "Note is too long"),
    ],
)
def test_a_wrong_item_is_explained(site, changes, problem):
    response = site.client.post(f"{begin(site)}/items", data={**ITEM, **changes})
    assert (response.status_code, alerts(response)) == (422, [problem])


def test_a_wrong_head_is_explained_and_kept(site):
    response = site.client.post("/claims/new", data={"person": "", "centre": "Sales", "day": "soon"})
    assert alerts(response) == ["Person is missing", "Date is not a date such as 2025-06-30"]
    assert "<option selected>Sales</option>" in response.text
    assert site.state["claims"] == []


def test_a_returned_claim_is_corrected():
    site = Site("claims", {**WANTED, "claim_state": "Returned"}, 3)
    (remove,) = re.findall(r'formaction="(/claims/CL-4821/items/\d+/remove)"', site.get("/claims/CL-4821/items").text)
    site.client.post(remove)
    site.client.post("/claims/CL-4821/items", data=ITEM)
    site.client.post("/claims/CL-4821/review", data={"mine": "yes"})
    (claim,) = site.state["claims"]
    assert (claim["state"], [item["category"] for item in claim["items"]]) == ("Open", ["Taxi"])


def test_an_open_claims_items_are_fixed(site):
    assert site.get("/claims/CL-4821/items").status_code == 404
    assert site.client.post("/claims/CL-4821/items", data=ITEM).status_code == 404


def test_a_new_person(site):
    after = site.client.post("/people/new", data=PERSON)
    assert heading(after) == "Bruno Stone"
    assert site.state["people"] == [
        {"name": "Bruno Stone", "email": "bruno@harbor.example", "start": "2025-07-01", "team": "Legal",
         "laptop": "Light 13", "parking": True}
    ]  # fmt: skip
    again = site.client.post("/people/new", data=PERSON)
    assert alerts(again) == ["Somebody has this address already"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"first": ""}, "First name is missing"),
        ({"email": "bruno"}, "E-mail is not an address"),
        ({"start": "1 July"}, "First day is not a date such as 2025-07-01"),
        ({"team": "Moon"}, "Choose a team"),
        ({"laptop": ""}, "Choose a laptop"),
    ],
)
def test_a_wrong_person_is_explained(site, changes, problem):
    response = site.client.post("/people/new", data={**PERSON, **changes})
    assert (response.status_code, alerts(response)) == (422, [problem])
    assert site.state["people"] == []


def test_the_profile(site):
    given = {"phone": "555 4821", "room": "Room 12", "language": "English"}
    assert "Changes saved" in site.client.post("/profile", data=given).text
    assert site.state["profile"] == {**given, "saves": 1}
    assert alerts(site.client.post("/profile", data={**given, "phone": "call me"})) == [
        "Phone may hold digits and blanks, six to twenty"
    ]


@pytest.mark.parametrize("parameters", [{"claim": "4821"}, {"claim_state": "Lost"}, {"claim_amount": "much"}])
def test_a_task_that_asks_for_what_there_is_not_is_told(parameters):
    with pytest.raises(TaskError, match="'claims'"):
        Site("claims", parameters)
