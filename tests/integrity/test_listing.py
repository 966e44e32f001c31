"""The document and the suite name the same attacks."""

import importlib
import inspect
import re

from ..judge.test_judge_injection import INJECTIONS
from ..judge.test_judge_server import BODIES, HOSTILE
from .attacks import BEGIN, DOCUMENT, END, listed, players, with_tables


def test_the_document_lists_the_attacks_that_are_played():
    document = DOCUMENT.read_text(encoding="utf-8")
    assert document == with_tables(document, listed()), (
        "docs/integrity.md does not list the attacks of tests/integrity and tests/judge; "
        "run python -m tests.integrity.attacks docs/integrity.md"
    )
    between = document.partition(BEGIN)[2].partition(END)[0]
    cells = re.findall(r"^\| (`[^|]+`) \|", between, re.MULTILINE)
    assert re.findall(r"`([a-z0-9-]+)`", " ".join(cells)) == [attack.id for attack in listed()]


def test_the_document_counts_them():
    said = re.search(r"(\d+) attacks", DOCUMENT.read_text(encoding="utf-8"))
    assert said is not None
    assert int(said[1]) == len(listed())


def test_each_attack_is_played_by_a_test():
    assert [attack.id for attack in listed() if not players(attack)] == []


def test_all_that_is_tried_on_a_judge_is_listed():
    names = {attack.id for attack in listed()}
    assert names >= INJECTIONS.keys()
    assert names >= HOSTILE.keys()
    assert names >= BODIES.keys()


def test_there_are_enough_of_them_and_each_says_its_defence():
    attacks = listed()
    assert len(attacks) >= 40
    for attack in attacks:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", attack.id)
        assert attack.tries
        assert attack.defence
        assert "|" not in attack.tries + attack.defence, f"{attack.id}: a bar would end the table's cell"


def test_every_family_has_a_test_of_the_honest_way():
    farming = "tests.integrity.test_farming"  # which earns before it repeats
    for module in {attack.module for attack in listed()} - {farming}:
        tests = [name for name, _ in inspect.getmembers(importlib.import_module(module))]
        assert any(name.startswith("test_the_honest_") for name in tests), module
