"""The document and the suite name the same attacks."""

import importlib
import inspect
import re

from .attacks import BEGIN, DOCUMENT, END, listed, with_tables


def test_the_document_lists_the_attacks_that_are_played():
    document = DOCUMENT.read_text(encoding="utf-8")
    assert document == with_tables(document, listed()), (
        "docs/integrity.md does not list the attacks of tests/integrity; "
        "run python -m tests.integrity.attacks docs/integrity.md"
    )
    between = document.partition(BEGIN)[2].partition(END)[0]
    assert re.findall(r"^\| `([a-z0-9-]+)` \|", between, re.MULTILINE) == [attack.id for attack in listed()]


def test_there_are_enough_of_them_and_each_says_its_defence():
    attacks = listed()
    assert len(attacks) >= 40
    for attack in attacks:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", attack.id)
        assert attack.tries
        assert attack.defence
        assert "|" not in attack.tries + attack.defence, f"{attack.id}: a bar would end the table's cell"


def test_every_family_has_a_test_of_the_honest_way():
    for module in {attack.module for attack in listed()} - {"test_farming"}:  # which earns before it repeats
        tests = [name for name, _ in inspect.getmembers(importlib.import_module(f"{__package__}.{module}"))]
        assert any(name.startswith("test_the_honest_") for name in tests), module
