"""What an element says, the quick way and the plain way."""

from hypothesis import given
from hypothesis import strategies as st

from milepost.rewards.page_view import element_text, may_say, subtree
from milepost.rewards.spec import collapse, text_matches
from milepost.sandbox.snapshot import Element, Snapshot

words = st.sampled_from(["", " ", "a", "b", "a b", "ab", " b\n", "a  b", "\u00a0", "c"])
elements = st.builds(
    Element,
    ref=st.just(1),
    role=st.just("text"),
    name=words,
    value=st.none() | words,
    depth=st.integers(0, 2),
    frame=st.integers(0, 1),
)
pages = st.builds(Snapshot, url=st.just(""), title=st.just(""), elements=st.lists(elements, max_size=8).map(tuple))


def plainly(page: Snapshot, index: int) -> str:
    parts = [page.elements[index].name]
    for element in subtree(page, index):
        for piece in (element.name, element.value or ""):
            if piece and collapse(piece) not in collapse(" ".join(parts)):
                parts.append(piece)
    return collapse(" ".join(parts))


@given(pages)
def test_what_an_element_says_is_its_name_and_what_is_new_below_it(page):
    for index in range(len(page.elements)):
        assert element_text(page, index) == plainly(page, index)


@given(pages, words, st.none() | words)
def test_where_a_text_may_not_be_said_no_element_says_it(page, exact, contains):
    if not may_say(page, exact, contains):
        for index, element in enumerate(page.elements):
            for said in (element.name, element_text(page, index)):
                assert not text_matches(said, exact, contains)


def test_a_text_over_several_elements_may_be_said():
    names = ("Order", "42 was", "sent")
    elements = tuple(Element(ref=i, role="text", name=name, depth=min(i, 1)) for i, name in enumerate(names))
    page = Snapshot(url="", title="", elements=elements)
    assert element_text(page, 0) == "Order 42 was sent"
    assert may_say(page, None, "Order 42", "was sent")
    assert not may_say(page, "Order 43")
