"""results_rendered, entry_opened, answer, server_state."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from milepost.rewards.detectors import DETECTOR_ADAPTER
from milepost.rewards.state_detectors import same_value
from milepost.sandbox.errors import RewardError

from .scenes import Step, answered, click, el, fires, loaded, page, submit, typed, went


def listing(*titles, query="", path="/"):
    items = [el(10 + i, "link", title, depth=2) for i, title in enumerate(titles)]
    return page(path, el(1, "searchbox", "Topic", value=query), el(2, "list", "Articles", depth=1), *items)


RESET = ([went("/"), loaded("/")], listing("One", "Two"))
RESULTS = {"kind": "results_rendered", "query": "{word}"}
WORD = {"word": "bike"}


def test_results_rendered_after_a_search_even_where_a_list_was_shown_before():
    steps = [
        RESET,
        ([typed("searchbox", "Topic", "bike")], listing("One", "Two", query="bike")),
        ([submit(), went("/?q=bike"), loaded("/?q=bike")], listing("A bike", query="bike", path="/?q=bike")),
    ]
    assert fires(RESULTS, *steps, parameters=WORD) == [2]


def test_results_that_come_later_count_when_they_appear():
    searched = ([typed("searchbox", "Topic", "bike"), click("button", "Search")], listing(query="bike"))
    came: Step = ([], listing("A bike", query="bike"))
    assert fires(RESULTS, RESET, searched, came, came, parameters=WORD) == [2]


@pytest.mark.parametrize(
    ("happened", "shown"),
    [
        ([], listing("A bike", query="bike")),  # nothing searched
        ([typed("searchbox", "Topic", "bike")], listing("A bike", query="bike")),  # typed only
        ([submit()], listing(query="bike")),  # nothing found
        ([submit()], listing("A boat", query="boat", path="/?q=boat")),  # another query
        ([submit()], page("/", el(1, "searchbox", "Topic", value="bike"))),  # no list
    ],
)
def test_results_rendered_near_misses(happened, shown):
    assert fires(RESULTS, RESET, (happened, shown), parameters=WORD) == []


def test_results_opened_by_their_address_are_not_those_of_an_earlier_search():
    other = ([typed("searchbox", "Topic", "boat"), submit(), went("/?q=boat")], listing("A boat", path="/?q=boat"))
    shown = listing("A bike", path="/?q=bike")
    assert fires(RESULTS, RESET, other, ([went("/?q=bike", asked=True)], shown), parameters=WORD) == []
    pushed = went("/?q=bike", asked=True, same_document=True)
    assert fires(RESULTS, RESET, other, ([pushed], listing()), ([], shown), parameters=WORD) == []
    late = ([went("/?q=bike")], shown)  # a page that takes a step longer to lead there
    searched = ([typed("searchbox", "Topic", "bike"), submit()], listing(query="bike"))
    assert fires(RESULTS, RESET, searched, late, parameters=WORD) == [2]


def test_results_count_rows_without_the_header_and_items_after_a_heading():
    table = page("/?q=bike", el(1, "table", "Results"), el(2, "row", depth=1), el(3, "columnheader", "Name", depth=2))
    row = (el(4, "row", depth=1), el(5, "cell", "A bike", depth=2))
    full = page("/?q=bike", *table.elements, *row)
    assert fires(RESULTS | {"role": "table"}, RESET, ([submit()], table), parameters=WORD) == []
    assert fires(RESULTS | {"role": "table"}, RESET, ([submit()], full), parameters=WORD) == [1]
    heading = page("/?q=bike", el(1, "heading", "2 results"), el(2, "link", "A"), el(3, "link", "B"))
    spec = RESULTS | {"role": "heading", "name_pattern": r"\d+ results?"}
    assert fires(spec | {"min_items": 2}, RESET, ([submit()], heading), parameters=WORD) == [1]
    assert fires(spec | {"min_items": 3}, RESET, ([submit()], heading), parameters=WORD) == []


OPENED = {"kind": "entry_opened", "name": "{title}", "path": "/articles/*", "heading": "{title}"}
TITLE = {"title": "A bike"}
ARTICLE = page("/articles/7", el(1, "heading", "A bike"))
CAME = [went("/articles/7"), loaded("/articles/7")]


def test_entry_opened_by_a_click_that_led_there():
    assert fires(OPENED, RESET, ([click("link", "A bike"), *CAME], ARTICLE), ([], ARTICLE), parameters=TITLE) == [1]
    assert fires(OPENED, RESET, ([click("link", "A bike")], RESET[1]), (CAME, ARTICLE), parameters=TITLE) == [2]


@pytest.mark.parametrize(
    ("happened", "shown"),
    [
        (CAME, ARTICLE),  # by address, without the click
        ([click("link", "A boat"), *CAME], ARTICLE),
        ([click("link", "A bike")], RESET[1]),  # nothing opened
        ([click("link", "A bike"), *CAME], page("/articles/8", el(1, "heading", "A boat"))),
        ([click("link", "A bike")], page("/", el(1, "heading", "A bike"))),
    ],
)
def test_entry_opened_near_misses(happened, shown):
    assert fires(OPENED, RESET, (happened, shown), parameters=TITLE) == []


def test_entry_opened_by_its_address_after_a_click_that_led_elsewhere():
    decoy = ([click("link", "A bike"), went("/articles/8")], page("/articles/8", el(1, "heading", "A boat")))
    asked = [went("/articles/7", asked=True), loaded("/articles/7")]
    assert fires(OPENED, RESET, decoy, (asked, ARTICLE), parameters=TITLE) == []
    assert fires(OPENED, RESET, ([click("link", "A bike")], RESET[1]), (asked, ARTICLE), parameters=TITLE) == []


def test_entry_opened_is_not_paid_for_a_page_that_was_open():
    assert fires(OPENED, (CAME, ARTICLE), ([click("link", "A bike"), *CAME], ARTICLE), parameters=TITLE) == []


@pytest.mark.parametrize(
    ("spec", "said", "right"),
    [
        ({"text": "{who}"}, "  Ada  Byron ", True),
        ({"text": "{who}"}, "ada byron", False),
        ({"text": "{who}", "ignore_case": True}, "ada byron", True),
        ({"text": "{who}"}, "The answer is Ada Byron", False),
        ({"number": 1234.5}, "$1,234.50", True),
        ({"number": 1234.5}, "1234.51", False),
        ({"number": 1234.5, "tolerance": 0.01}, "1234.51", True),
        ({"number": "{total}"}, "17.5", True),
        ({"number": "{total}"}, "NaN", False),
        ({"number": 3}, "", False),
        ({"answer_from": "people[?name == {who}].age | [0]"}, "36.0", True),
        ({"answer_from": "people[?name == {who}].age | [0]"}, "37", False),
        ({"answer_from": "missing"}, "", False),
        ({"answer_from": "missing"}, "None", False),
        ({"number": 200, "relative_tolerance": 0.05}, "210", True),
        ({"number": 200, "relative_tolerance": 0.05}, "211", False),
        ({"number": -200, "relative_tolerance": 0.05}, "-190", True),
        ({"number": 2, "relative_tolerance": 0.05, "tolerance": 0.5}, "2.5", True),
        ({"number": 3, "tolerance": 1}, "1e999999999", False),
        ({"any_of": ["Ada", "{who}"]}, "Ada Byron", True),
        ({"any_of": ["Ada", "{who}"]}, "Ada, Ada Byron", False),
        ({"any_of": ["NYC", 7]}, "$7.00", True),
        ({"any_of": ["NYC"], "ignore_case": True}, "nyc", True),
        ({"items": ["Ada", "Alan"]}, "Ada, Alan", True),
        ({"items": ["Ada", "Alan"]}, "Alan; Ada", True),
        ({"items": ["Ada", "Alan"]}, "- Ada\n- Alan\n", True),
        ({"items": ["Ada", "Alan", "Eva"]}, "1. Eva\n2. Alan\n3. Ada", True),
        ({"items": ["Ada", "Alan", "Eva"]}, "Ada, Alan, and Eva", True),
        ({"items": ["Ada", "Alan", "Eva"]}, "Ada, Alan and Eva", True),
        ({"items": ["Ada", "Alan"]}, "Ada, Alan, Eva", False),
        ({"items": ["Ada", "Alan"]}, "Ada, Ada", False),
        ({"items": ["Ada", "Ada"]}, "Ada, Ada", True),
        ({"items": ["Ada", "Alan"]}, "Ada", False),
        ({"items": ["Byron, Ada", "Turing, Alan"]}, "Turing, Alan; Byron, Ada", True),
        ({"items": ["Ada", "Alan"], "ordered": True}, "Alan, Ada", False),
        ({"items": ["Ada", "Alan"], "ordered": True}, "Ada | Alan", True),
        ({"items": [1200, 3]}, "3; 1,200", True),
        ({"items": [10, 11], "tolerance": 2}, "12, 8", True),  # only one of the two ways to pair them fits
        ({"answer_from": "people[*].name"}, "Ada Byron", True),
        ({"answer_from": "people[?age > `99`].name"}, "", False),
    ],
)
def test_answer(spec, said, right):
    shown = page(state={"people": [{"name": "Ada Byron", "age": 36}]})
    steps = [([], shown), ([answered(said)], shown)]
    assert fires({"kind": "answer", **spec}, *steps, parameters={"who": "Ada Byron", "total": "17.50"}) == (
        [1] if right else []
    )


@given(st.lists(st.sampled_from(["Ada", "Alan", "Eva", "Kay"]), min_size=1), st.randoms(use_true_random=False))
def test_a_list_is_right_in_any_order_unless_ordered(names, rng):
    mixed = list(names)
    rng.shuffle(mixed)
    for separator in (", ", "; ", "\n* ", " and "):
        said = separator.join(mixed)
        assert fires({"kind": "answer", "items": names}, ([], page()), ([answered(said)], page())) == [1]
        ordered = fires({"kind": "answer", "items": names, "ordered": True}, ([], page()), ([answered(said)], page()))
        assert ordered == ([1] if mixed == names else [])
        more = said + separator + "Zoe"
        assert fires({"kind": "answer", "items": names}, ([], page()), ([answered(more)], page())) == []


def test_one_way_of_being_right_is_given():
    with pytest.raises(ValidationError, match="exactly one of text, number, any_of, items"):
        DETECTOR_ADAPTER.validate_python({"kind": "answer", "text": "a", "items": ["a"]})


def stored(*names):
    return page(state={"expenses": [{"name": name, "amount": 12.5} for name in names]})


def test_server_state_fires_when_the_state_changes_to_it():
    spec = {"kind": "server_state", "query": "length(expenses[?name == {who}])", "equals": 1}
    who = {"who": "O'Neill \\ `x`"}
    assert fires(spec, ([], stored()), ([], stored(who["who"])), ([], stored(who["who"])), parameters=who) == [1]
    assert fires(spec, ([], stored()), ([], stored("Ada")), parameters=who) == []
    assert fires(spec, ([], stored(who["who"])), ([], stored(who["who"])), parameters=who) == []
    assert fires(spec, ([], stored()), ([answered(who["who"])], stored()), parameters=who) == []


def test_server_state_compares_numbers_with_numeric_strings_and_takes_truthy_by_default():
    spec = {"kind": "server_state", "query": "expenses[0].amount", "equals": "{amount}"}
    assert fires(spec, ([], stored()), ([], stored("Ada")), parameters={"amount": "12.50"}) == [1]
    assert fires(spec, ([], stored()), ([], stored("Ada")), parameters={"amount": "12.51"}) == []
    assert fires({"kind": "server_state", "query": "expenses"}, ([], stored()), ([], stored("Ada"))) == [1]


def test_a_query_that_does_not_fit_the_state_says_so():
    with pytest.raises(RewardError, match=r"length\(bills\).*expenses"):
        fires({"kind": "server_state", "query": "length(bills)", "equals": 1}, ([], stored()), ([], stored()))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_a_value_equals_itself(value):
    assert same_value(value, value)


@pytest.mark.parametrize(("a", "b"), [(True, 1), (0, False), ("x", 1), (1, None), ([1], [1, 1]), ({"a": 1}, {"b": 1})])
def test_values_of_other_kinds_differ(a, b):
    assert not same_value(a, b)
