"""What the larger applications have in common: the seed arranges them, long lists have pages, dialogs are addresses."""

import re

import pytest

from milepost.envs.apps.desk import MENU_PLACES

from .site import Site

DESKS = ("claims", "console", "drive", "insights", "post", "shop")
LISTS = {
    "claims": "/",
    "console": "/members",
    "drive": "/folders/Clients-2024",
    "insights": "/orders",
    "post": "/",
    "shop": "/products",
}
RECORDS = {
    "claims": "SELECT count(*) FROM claim",
    "console": "SELECT (SELECT count(*) FROM member) + (SELECT count(*) FROM device)",
    "drive": "SELECT count(*) FROM file",
    "insights": "SELECT count(*) FROM sale",
    "post": "SELECT count(*) FROM letter",
    "shop": "SELECT count(*) FROM product",
}


def place_of_menu(page):
    return re.findall(r'class="desk menu-(\w+)"', page.text)[0]


@pytest.mark.parametrize("name", DESKS)
def test_there_are_several_hundred_records(name):
    assert Site(name, {}).db.execute(RECORDS[name]).fetchone()[0] >= 200


@pytest.mark.parametrize("name", DESKS)
def test_the_seed_places_the_menu_and_orders_the_columns(name):
    pages = [Site(name, {}, seed).get(LISTS[name]) for seed in range(30)]
    assert {place_of_menu(page) for page in pages} == set(MENU_PLACES)
    headings = {tuple(re.findall(r"<th[^>]*>(?:<a[^>]*>)?([^<]+)", page.text)) for page in pages}
    if name != "shop":  # it shows cards, not a table
        assert len(headings) > 1


@pytest.mark.parametrize("name", DESKS)
def test_the_menu_is_there_wherever_it_stands(name):
    for seed in range(6):
        page = Site(name, {}, seed).get("/")
        assert page.text.count('aria-label="Menu"') == 1
        assert page.text.count('aria-current="page"') == 1


@pytest.mark.parametrize("name", DESKS)
def test_pages_of_a_list_show_everything_once(name):
    site = Site(name, {}, 2)
    seen, address = [], LISTS[name]
    while address:
        page = site.get(address)
        body = re.search(r'(?:<tbody>|<ul class="goods").*?(?:</tbody>|</ul>)', page.text, re.DOTALL)
        assert body is not None
        seen += re.findall(r'<a href="([^"]+)"', body[0])
        following = re.findall(r'<a href="([^"]+)">Next</a>', page.text)
        address = following[0].replace("&amp;", "&") if following else ""
    total = int(re.findall(r"of \d+, (\d+) ", page.text)[0])
    assert len(seen) == len(set(seen)) == total


@pytest.mark.parametrize("page", ["0", "-1", "x", "99999", "9999999999", "٣"])
def test_a_page_that_there_is_not_is_mended(page):
    response = Site("drive", {}).client.get("/folders/Clients-2024", params={"page": page})
    assert response.status_code == 200
    assert re.search(r"Page [12] of 2", response.text)


def test_another_order_is_the_other_way_round():
    site = Site("drive", {}, 4)
    sizes = [
        [int(s.replace(",", "")) for s in re.findall(r"<td>([\d,]+) B</td>", site.get(address).text)]
        for address in ("/folders/Board?sort=Size&way=down", "/folders/Board?sort=Size&way=up")
    ]
    assert sizes[0] == sorted(sizes[0], reverse=True) == sizes[1][::-1]
    unknown = site.get("/folders/Board?sort=size%3B&way=down")
    assert unknown.text == site.get("/folders/Board?sort=nothing&way=down").text.replace("nothing", "size%3B")


def test_a_dialog_is_there_without_its_script():
    page = Site("drive", {}).get("/files/3?act=rename")
    assert "<dialog open" in page.text
    assert "showModal" in page.text


def test_a_notice_is_shown_once():
    site = Site("drive", {})
    assert "Star added" in site.client.post("/files/3/star").text
    assert "Star added" not in site.get("/files/3").text
