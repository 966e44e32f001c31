"""Applications of one's own, by name beside the bundled ones."""

import pytest

from milepost.envs.apps import get_app, register_app
from milepost.envs.apps.website import Website
from milepost.errors import TaskError


class Shop(Website):
    name = "test-shop"

    def __init__(self):
        pass

    def create_schema(self, db):
        pass

    def seed(self, db, rng, parameters):
        pass

    def state(self, db):
        return {}

    def routes(self):
        return []


def test_a_registered_app_is_found_by_its_name_and_replaced_by_a_later_one():
    with pytest.raises(TaskError, match=r"unknown application 'test-shop'.*register_app"):
        get_app("test-shop")
    first, second = Shop(), Shop()
    register_app(first)
    assert get_app("test-shop") is first
    register_app(second)
    assert get_app("test-shop") is second
    with pytest.raises(TaskError, match=r"'bank'; known are claims, .*, expenses, .*, shop, .*test-shop"):
        get_app("bank")


def test_the_bundled_names_are_taken():
    shop = Shop()
    shop.name = "reports"
    with pytest.raises(TaskError, match="bundled"):
        register_app(shop)
    assert get_app("reports").name == "reports"
    assert get_app("reports") is not shop
