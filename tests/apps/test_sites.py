"""What holds for every bundled application: lookup, error pages, headers, determinism, no outside resources."""

import re
import subprocess
import sys

import pytest

from milepost.envs.apps import APP_NAMES, get_app
from milepost.sandbox.errors import TaskError

from .site import Site, heading, links

PARAMETERS = {
    "expenses": {},
    "reports": {"section": "Finance", "area": "North", "topic": "Budget", "decoy_topic": "Costs"},
    "library": {"task": "Resetting", "color": "blue", "thing": "router", "decoy_color": "red"},
    "mail": {},
    "settings": {"section": "Privacy", "switch": "Photos", "decoy_switch": "Trips", "device": "Tablet"},
    "claims": {},
    "console": {},
    "drive": {},
    "insights": {},
    "post": {},
    "shop": {"cart_first": "Oak Lamp"},
}
SMALL = ("expenses", "library", "mail", "reports", "settings")
"""Applications whose pages are short enough for a very small model."""
PAGES = {
    "claims": ["/", "/?q=a&state=Open&sort=Amount", "/claims/new", "/people", "/people/1", "/people/new", "/profile"],
    "console": ["/", "/settings/General", "/members", "/members/1?act=remove", "/members/invite", "/keys", "/keys/new"],
    "drive": [
        "/",
        "/folders/Clients-2024?page=2",
        "/files/3?act=move",
        "/folders/Board?act=new",
        "/search?q=budget",
        "/bin",
    ],
    "insights": ["/", "/dashboards/North", "/orders?region=North", "/schedules/new", "/reports/new"],
    "post": ["/", "/folders/Spam", "/letters/3?act=spam", "/compose?pass=3", "/contacts", "/rules", "/search?q=ada"],
    "shop": ["/", "/products?q=kettle&sort=Rating", "/products/Oak-Kettle", "/cart", "/checkout", "/wishes", "/login"],
    "expenses": ["/new"],
    "reports": ["/", "/sections/Finance", "/reports/North-Budget"],
    "library": ["/", "/search?q=router", "/search?q=nothing", "/articles/Resetting-a-blue-router"],
    "mail": ["/", "/sent", "/messages/1", "/compose", "/compose?reply=1"],
    "settings": ["/", "/sections/Privacy", "/sections/Display"],
}
EVERY_PAGE = [(name, path) for name in APP_NAMES for path in [*PAGES[name], "/nowhere"]]


def site(name, seed=0):
    return Site(name, PARAMETERS[name], seed)


def test_apps_are_found_by_name_and_built_once():
    assert sorted(APP_NAMES) == sorted(PAGES)
    for name in APP_NAMES:
        assert get_app(name).name == name
        assert get_app(name) is get_app(name)
        assert get_app(name).asgi() is get_app(name).asgi()


def test_unknown_app_names_the_bundled_ones():
    with pytest.raises(TaskError, match=r"'bank'.*expenses, insights, library, mail, post, reports, settings"):
        get_app("bank")


def test_importing_the_apps_package_loads_no_web_framework():
    code = "import milepost.envs.apps, sys; assert not {'starlette', 'jinja2', 'uvicorn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("expenses", "/expenses/EX-1"),
        ("expenses", "/expenses/EX-99999999999999999999999"),
        ("expenses", "/expenses/1"),
        ("reports", "/sections/Secret"),
        ("reports", "/reports/North-Nothing"),
        ("reports", "/reports/North-Nothing/export"),
        ("library", "/articles/Eating-a-blue-router"),
        ("library", "/articles/'%20OR%201=1--"),
        ("mail", "/messages/6"),
        ("mail", "/messages/-1"),
        ("mail", "/messages/99999999999999999999999"),
        ("mail", "/messages/٣"),
        ("mail", "/drafts/1"),
        ("settings", "/sections/Secret"),
        ("claims", "/claims/CL-1"),
        ("claims", "/claims/99999999999"),
        ("console", "/settings/Secret"),
        ("console", "/members/0"),
        ("drive", "/files/99999"),
        ("drive", "/folders/Secret"),
        ("insights", "/dashboards/Secret"),
        ("insights", "/orders/OR-1"),
        ("post", "/letters/x"),
        ("post", "/folders/Draft"),
        ("shop", "/products/Oak-Ocean"),
        ("shop", "/orders/HM-1"),
        *((name, "/nowhere") for name in APP_NAMES),
    ],
)
def test_wrong_address_is_a_friendly_404(name, path):
    response = site(name).get(path)
    assert response.status_code == 404
    assert heading(response) == "Page not found"
    assert ("Start page", "/") in links(response)


@pytest.mark.parametrize(("name", "path"), EVERY_PAGE)
def test_pages_load_nothing_from_anywhere_else(name, path):
    response = site(name).get(path)
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert not re.search(r"https?:|//[a-z]|url\(|@import|\bsrc=", response.text)


@pytest.mark.parametrize(("name", "path"), [(name, path) for name, path in EVERY_PAGE if name in SMALL])
def test_pages_stay_short(name, path):
    response = site(name).get(path)
    spoken = re.sub(r'<div class="band".*?</div>', "", response.text)
    assert len(re.findall(r"<(?:a|button|input|h1|h2|p)[ >]", spoken)) <= 10


@pytest.mark.parametrize("name", APP_NAMES)
def test_same_seed_same_site(name):
    one, two, other = site(name, 7), site(name, 7), site(name, 8)
    assert one.dump() == two.dump()
    assert one.dump() != other.dump()
    for path in PAGES[name]:
        assert one.get(path).text == two.get(path).text


@pytest.mark.parametrize("name", ["reports", "library", "settings"])
def test_missing_parameter_is_the_task_authors_to_mend(name):
    for missing in PARAMETERS[name]:
        with pytest.raises(TaskError, match=f"{name}.*{missing}"):
            Site(name, {key: value for key, value in PARAMETERS[name].items() if key != missing})


def test_unknown_section_names_the_sections():
    with pytest.raises(TaskError, match=r"'Secret'.*Sales, Finance"):
        Site("reports", {**PARAMETERS["reports"], "section": "Secret"})


def test_only_the_state_knows_the_hashes():
    reports = site("reports")
    hashes = {report["sha256"] for report in reports.state["reports"]}
    assert len(hashes) == 20
    for path in PAGES["reports"]:
        assert not any(sha256 in reports.get(path).text for sha256 in hashes)
