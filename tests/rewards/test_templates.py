"""Values cannot break out of where they are written."""

import json
import re

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from milepost.rewards.templates import Style, fill, fill_value, glob_regex, jmespath_literal, placeholders
from milepost.sandbox.errors import TaskError

texts = st.text() | st.text(alphabet="`'\"\\{}[]*.u0")


@given(texts | st.integers(-(2**53), 2**53) | st.booleans() | st.lists(texts))
def test_a_jmespath_literal_means_the_value(value):
    assert jmespath.search(jmespath_literal(value), {}) == value
    assert jmespath.search("[?name == " + jmespath_literal(value) + "]", [{"name": value}]) == [{"name": value}]


@given(texts)
def test_regexes_globs_and_actions_take_values_literally(value):
    assert re.fullmatch(fill("a{x}b", {"x": value}, Style.REGEX), f"a{value}b")
    assert glob_regex(fill("d/{x}.csv", {"x": value}, Style.GLOB)).fullmatch(f"d/{value}.csv")
    assert json.loads(fill('"{x}"', {"x": value}, Style.ACTION)) == value


@given(texts)
def test_filling_is_one_pass(value):
    assert fill("{a}-{b}", {"a": value, "b": "{a}"}) == f"{value}-{{a}}"


def test_only_names_are_placeholders():
    assert fill(r"\d{3} {a.b} {a[0]} {a!r} {{a}} {a}", {"a": 1}) == r"\d{3} {a.b} {a[0]} {a!r} {a} 1"
    assert fill("[*].{id: id, name: {who}}", {"who": "x"}, Style.JMESPATH) == '[*].{id: id, name: `"x"`}'
    assert placeholders("{a} {{b}} {c} {a}") == ("a", "c")
    assert fill("/x/{a}", {"a": "ü /?"}, Style.URL) == "/x/%C3%BC%20%2F%3F"


def test_values_keep_their_type_where_they_stand_alone():
    assert fill_value({"a": ["{n}", "{n}!"], "b": None}, {"n": 3}) == {"a": [3, "3!"], "b": None}
    assert fill("{t} {b}", {"t": ("a", 1), "b": True}) == "a, 1 true"


def test_an_unknown_parameter_is_named():
    with pytest.raises(TaskError, match=r"'nam'; expected one of: name"):
        fill("{nam}", {"name": 1})


@pytest.mark.parametrize(
    ("glob", "path", "matches"),
    [
        ("*.csv", "a.csv", True),
        ("*.csv", "d/a.csv", False),
        ("**/*.csv", "a.csv", True),
        ("**/*.csv", "d/e/a.csv", True),
        ("**", "d/e", True),
        ("d/**", "d/e/f", True),
        ("a?c", "abc", False),
        ("a[b]", "a[b]", True),
        ("a\\*", "a*", True),
    ],
)
def test_globs(glob, path, matches):
    assert (glob_regex(glob).fullmatch(path) is not None) == matches
