"""The shop over HTTP: finding, buying, and what only staff may do."""

import re

import pytest

from milepost.envs.apps.shop.content import MAKERS, ROWS_PER_PAGE, all_things
from milepost.envs.apps.shop.store import SORTS
from milepost.errors import TaskError

from .site import Site, heading

ADDRESS = {
    "name": "Ada Baker",
    "street": "Mill Lane 7",
    "city": "Ashford",
    "postcode": "12345",
    "delivery": "Express",
    "payment": "Invoice",
    "terms": "yes",
}
STAFF = {"staff": "ada", "code": "4821"}


@pytest.fixture
def site():
    return Site("shop", {"thing": "Kettle", "maker": "Oak", "coupon": "SPRING20", "cart_first": "Elm Tent", **STAFF}, 3)


def goods(page):
    return re.findall(r'<a href="/products/[^"?]+">(.*?)</a>', page.text)


def prices(page):
    return [float(p) for p in re.findall(r'<p class="price">(.*?)</p>', page.text)]


def alerts(page):
    return re.findall(r'role="alert">(.*?)</p>', page.text)


def test_every_maker_makes_everything(site):
    names = {name for (name,) in site.db.execute("SELECT name FROM product")}
    assert names == {f"{maker} {thing}" for maker in MAKERS for thing in all_things()}


def test_a_search_shows_the_wanted_one_where_it_is_wanted():
    for seed in range(20):
        for page in ("1", "2"):
            site = Site("shop", {"thing": "Tent", "maker": "Elm", "on_page": page}, seed)
            found = goods(site.get(f"/products?q=tent&page={page}"))
            assert "Elm Tent" in found
            assert len(found) <= ROWS_PER_PAGE


def test_the_cheapest_and_the_best_are_those_that_the_task_names():
    for seed in range(20):
        site = Site("shop", {"thing": "Lamp", "cheapest_maker": "Oak", "best_maker": "Elm", "colour": "Blue"}, seed)
        assert (site.state["wanted"]["cheapest"], site.state["wanted"]["best"]) == ("Oak Lamp", "Elm Lamp")
        cheapest = site.client.get("/products", params={"q": "lamp", "sort": "Price: low to high", "stock": "yes"})
        assert goods(cheapest)[0] == "Oak Lamp"
        assert prices(cheapest) == sorted(prices(cheapest))
        assert goods(site.client.get("/products", params={"q": "lamp", "sort": "Rating"}))[0] == "Elm Lamp"
        assert "<option>Blue</option>" in site.get("/products/Oak-Lamp").text


def test_the_price_and_the_stock_are_those_that_the_task_names():
    site = Site("shop", {"thing": "Lamp", "maker": "Oak", "price": "45.37", "in_stock": "63"}, 8)
    page = site.get("/products/Oak-Lamp").text
    assert "45.37" in page
    assert "63 in stock" in page
    assert (site.state["wanted"]["price"], site.state["wanted"]["stock"]) == (45.37, 63)


def test_filters_add_up(site):
    assert set(goods(site.get("/products?category=Kitchen&maker=Oak"))) == {
        f"Oak {thing}" for thing in ("Kettle", "Toaster", "Pan", "Teapot", "Scale")
    }
    everything = site.db.execute("SELECT count(*) FROM product WHERE stock").fetchone()[0]
    assert f", {everything} products" in site.get("/products?stock=yes").text
    assert "No products found" in site.get("/products?q=kettle&category=Music").text


@pytest.mark.parametrize("sort", [*SORTS, "cents; DROP TABLE product"])
def test_every_order_shows_the_same_goods(site, sort):
    pages = [site.client.get("/products", params={"q": "kettle", "sort": sort, "page": n}) for n in (1, 2)]
    assert sorted(goods(pages[0]) + goods(pages[1])) == sorted(f"{maker} Kettle" for maker in MAKERS)


def add(site, product="Oak-Kettle", quantity="1", colour=None):
    page = site.get(f"/products/{product}")
    colour = colour or re.findall(r"<option>(.*?)</option>", page.text)[0]
    return site.client.post(f"/products/{product}/cart", data={"quantity": quantity, "colour": colour})


def test_adding_twice_is_one_line(site):
    add(site)
    assert "Added to cart" in add(site, quantity="2").text
    assert [(line["product"], line["quantity"]) for line in site.state["cart"]] == [("Elm Tent", 1), ("Oak Kettle", 3)]


@pytest.mark.parametrize(
    ("quantity", "problem"),
    [
        ("0", "Quantity must be a whole number from 1 to 99"),
        ("-1", "Quantity must be a whole number from 1 to 99"),
        ("two", "Quantity must be a whole number from 1 to 99"),
        ("9" * 30, "Quantity must be a whole number from 1 to 99"),
        ("99", "Only "),
    ],
)
def test_a_wrong_quantity_is_explained(site, quantity, problem):
    response = add(site, quantity=quantity)
    assert response.status_code == 422
    assert alerts(response)[0].startswith(problem)
    assert len(site.state["cart"]) == 1


def test_a_colour_that_there_is_not_is_refused(site):
    assert add(site, colour="Invisible").status_code == 422


def test_the_cart_can_be_amended(site):
    assert "Cart updated" in site.client.post("/cart", data={"quantity-1": "3"}).text
    assert site.state["cart"][0]["quantity"] == 3
    assert alerts(site.client.post("/cart", data={"quantity-1": "0"})) == [
        "Quantity must be a whole number from 1 to 99"
    ]
    site.client.post("/cart", data={"remove": "1"})
    assert "Your cart is empty" in site.get("/cart").text
    assert heading(site.get("/checkout")) == "Cart"


def test_the_coupon_takes_a_fifth_off(site):
    before = site.db.execute("SELECT cents FROM product WHERE name = 'Elm Tent'").fetchone()[0]
    assert alerts(site.client.post("/cart/coupon", data={"coupon": "WINTER"})) == ["There is no such coupon"]
    site.client.post("/cart/coupon", data={"coupon": "spring20"})
    site.client.post("/checkout", data=ADDRESS)
    (order,) = site.state["orders"]
    assert (order["coupon"], order["total"]) == ("SPRING20", (before - before // 5) / 100)


def test_ordering_empties_the_cart_and_takes_from_the_stock(site):
    stock = site.db.execute("SELECT stock FROM product WHERE name = 'Elm Tent'").fetchone()[0]
    after = site.client.post("/checkout", data=ADDRESS)
    assert "Thank you, your order is placed" in after.text
    assert heading(after).startswith("Order HM-")
    (order,) = site.state["orders"]
    assert {key: order[key] for key in ("name", "street", "city", "postcode", "delivery", "payment")} == {
        key: ADDRESS[key] for key in ADDRESS if key != "terms"
    }
    assert [line["product"] for line in order["lines"]] == ["Elm Tent"]
    assert site.state["cart"] == site.state["changed"] == []
    assert f"{stock - 1} in stock" in site.get("/products/Elm-Tent").text
    assert len(re.findall(r"Order HM-\d+", site.get("/orders").text)) == 1


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"name": ""}, ["Name is missing"]),
        ({"street": "x" * 81}, ["Street is too long"]),
        ({"postcode": "1234"}, ["Postcode must have five digits"]),
        ({"delivery": "Pigeon", "payment": ""}, ["Choose a delivery", "Choose a payment"]),
        ({"terms": ""}, ["The terms must be accepted"]),
    ],
)
def test_a_wrong_address_is_explained_and_kept(site, changes, problems):
    response = site.client.post("/checkout", data={**ADDRESS, **changes})
    assert (response.status_code, alerts(response)) == (422, problems)
    assert 'value="Ashford"' in response.text
    assert site.state["orders"] == []


def test_the_wish_list(site):
    assert "On your wish list" in site.client.post("/products/Oak-Kettle/wish").text
    assert site.state["wishes"] == ["Oak Kettle"]
    assert goods(site.get("/wishes")) == ["Oak Kettle"]
    site.client.post("/products/Oak-Kettle/wish")
    assert site.state["wishes"] == []


def test_the_staff_page_is_for_staff(site):
    assert heading(site.get("/staff")) == "Sign in"
    refused = site.get("/staff/products/Oak-Kettle")
    assert (refused.status_code, heading(refused)) == (403, "No access")
    wrong = site.client.post("/login", data={"name": "ada", "code": "1234"})
    assert (wrong.status_code, alerts(wrong)) == (422, ["Name or code is wrong"])
    assert site.client.post("/login", data={"name": "guest", "code": "guest"}).status_code == 403
    assert site.get("/staff/products/Oak-Kettle").status_code == 403
    assert site.state["signed_in"] == "guest"
    assert heading(site.client.post("/login", data={"name": "Ada", "code": "4821"})) == "Stock"
    site.client.post("/logout")
    assert heading(site.get("/staff")) == "Sign in"


def test_staff_change_a_product(site):
    site.client.post("/login", data={"name": "ada", "code": "4821"})
    form = {"price": "12.50", "stock": "7", "shown": "yes"}
    assert "Changes saved" in site.client.post("/staff/products/Oak-Kettle", data=form).text
    assert site.state["changed"] == [{"product": "Oak Kettle", "price": 12.5, "stock": 7, "shown": True}]
    wrong = site.client.post("/staff/products/Oak-Kettle", data={"price": "12,5", "stock": "many"})
    assert alerts(wrong) == ["Price is not an amount such as 24.50", "Stock is not a whole number"]
    site.client.post("/staff/products/Oak-Kettle", data={"price": "12.50", "stock": "7"})
    assert site.get("/products/Oak-Kettle").status_code == 404
    assert "Oak Kettle" not in goods(site.get("/products?q=oak+kettle"))


@pytest.mark.parametrize(
    "parameters", [{"maker": "Oak"}, {"thing": "Dragon"}, {"thing": "Lamp", "maker": "Me"}, {"price": "dear"}]
)
def test_a_task_that_asks_for_what_there_is_not_is_told(parameters):
    with pytest.raises(TaskError, match="'shop'"):
        Site("shop", parameters)
