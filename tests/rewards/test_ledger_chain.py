"""Every kind of tampering with a ledger's lines is found, and the right lines are named."""

import itertools
import random
from typing import Any

import orjson
import pytest

from milepost.rewards.ledger import read_ledger
from milepost.rewards.ledger_chain import START, Breach, BreachKind, hash_of, seal, verify
from milepost.sandbox.errors import LedgerTamperedError

from .written import lines_of, write

EDITED, REMOVED, INSERTED, REORDERED = BreachKind


def chain(steps: int = 6) -> list[bytes]:
    """Sealed lines without newlines: a header, `steps` steps and a footer."""
    records = [{"record": "header"}, *({"record": "step", "step": i} for i in range(steps)), {"record": "footer"}]
    lines, previous = [], START
    for record in records:
        line, previous = seal(orjson.dumps(record), previous)
        lines.append(line.rstrip(b"\n"))
    return lines


def found(lines: list[bytes]) -> list[tuple[int, BreachKind]]:
    breaches = verify(lines)
    assert all(isinstance(breach, Breach) and "line" in breach.message for breach in breaches)
    return [(breach.line, breach.kind) for breach in breaches]


def forged(record: dict[str, Any], previous: str) -> bytes:
    return seal(orjson.dumps(record), previous)[0].rstrip(b"\n")


def test_whole_chains_and_their_beginnings_are_whole():
    lines = chain()
    for end in range(1, len(lines) + 1):
        assert found(lines[:end]) == []


def test_the_hash_is_over_the_exact_bytes():
    line = chain()[1]
    assert hash_of(line) == hash_of(chain()[1])
    assert orjson.loads(line)["hash"] == hash_of(line)
    assert found([chain()[0], line.replace(b'"step":0', b'"step": 0'), *chain()[2:]]) == [(2, EDITED)]


def test_every_flipped_byte_of_every_line_is_found():
    lines = chain(2)
    for i, line in enumerate(lines):
        for at in range(len(line)):
            changed = bytearray(line)
            changed[at] ^= 1
            edited = [*lines[:i], bytes(changed), *lines[i + 1 :]]
            assert (i + 1, EDITED) in found(edited), (i, at)


def test_several_edits_are_all_named():
    lines = chain()
    lines[2], lines[5] = (lines[i].replace(b'"step"', b'"Step"', 1) for i in (2, 5))
    assert found(lines) == [(3, EDITED), (6, EDITED)]


def test_a_seal_taken_off_is_an_edit():
    lines = chain()
    lines[3] = b'{"record":"step","step":2}'
    assert found(lines) == [(4, EDITED)]


@pytest.mark.parametrize("gone", [1, 3, 6])
@pytest.mark.parametrize("many", [1, 2])
def test_lines_taken_out(gone, many):
    lines = chain()
    if gone + many == len(lines):
        many = 1
    assert found(lines[:gone] + lines[gone + many :]) == [(gone + 1, REMOVED)]


def test_the_header_taken_out():
    assert found(chain()[1:]) == [(1, REMOVED)]


def test_lines_cut_off_the_end_leave_a_whole_chain_and_another_head():
    lines = chain()
    assert found(lines[:-2]) == []
    assert hash_of(lines[-3]) != hash_of(lines[-1])


def test_a_line_doubled_is_named_once():
    lines = chain()
    assert found([*lines[:4], lines[3], *lines[4:]]) == [(5, INSERTED)]
    assert found([*lines[:6], lines[2], *lines[6:]]) == [(7, INSERTED)]
    assert found([*lines, lines[2]]) == [(9, INSERTED)]


def test_a_line_put_in():
    lines = chain()
    in_place = forged({"record": "step", "step": 3, "reward": 9}, hash_of(lines[3]))
    assert found([*lines[:4], in_place, *lines[4:]]) == [(5, INSERTED)]
    out_of_nowhere = forged({"record": "step", "step": 3}, "7" * 64)
    assert found([*lines[:4], out_of_nowhere, *lines[4:]]) == [(5, INSERTED)]
    two = [in_place, forged({"record": "step", "step": 4}, hash_of(in_place))]
    assert found([*lines[:4], *two, *lines[4:]]) == [(5, INSERTED), (6, INSERTED)]


def test_lines_put_in_after_the_footer():
    lines = chain()
    fitting = forged({"record": "step", "step": 6}, hash_of(lines[-1]))
    for more in (fitting, forged({"record": "step", "step": 6}, "7" * 64), lines[3]):
        assert found([*lines, more]) == [(9, INSERTED)]
    assert found([*lines, b'{"record":"step","step":6}']) == [(9, EDITED)]


@pytest.mark.parametrize("place", [4, 8])
def test_a_second_footer(place):
    lines = chain()
    footer = forged({"record": "footer", "total": 9}, hash_of(lines[place - 1]))
    assert found([*lines[:place], footer, *lines[place:]]) == [(place + 1, INSERTED)]


def test_a_line_edited_and_sealed_anew_is_named_by_the_one_that_follows():
    lines = chain()
    lines[3] = forged({"record": "step", "step": 2, "reward": 9}, hash_of(lines[2]))
    assert found(lines) == [(4, EDITED)]
    assert "sealed anew" in verify(lines)[0].message
    header = [forged({"record": "header", "task": "other"}, START), *chain()[1:]]
    assert found(header) == [(1, EDITED)]


def test_two_lines_swapped():
    lines = chain()
    lines[2], lines[3] = lines[3], lines[2]
    assert found(lines) == [(3, REORDERED)]


def test_a_line_moved():
    lines = chain()
    assert found([*lines[:2], lines[5], *lines[2:5], *lines[6:]]) == [(3, REORDERED)]
    assert found([lines[0], *lines[2:5], lines[1], *lines[5:]]) == [(2, REORDERED)]
    assert found([lines[1], lines[0], *lines[2:]]) == [(1, REORDERED)]


def test_no_order_but_the_written_one_is_whole():
    lines = chain(3)
    for order in itertools.permutations(range(len(lines))):
        breaches = found([lines[i] for i in order])
        assert (not breaches) == (list(order) == sorted(order)), order


def test_no_mixture_of_removals_copies_and_moves_is_whole():
    lines, rng = chain(5), random.Random(0)
    for _ in range(500):
        drawn = rng.choices(lines, k=rng.randint(1, 9))
        whole = drawn == lines[: len(drawn)]
        assert (not verify(drawn)) == whole, [lines.index(line) for line in drawn]


def test_another_episodes_lines_do_not_fit_in(tmp_path):
    write(tmp_path / "a")
    write(tmp_path / "b")
    ours, theirs = lines_of(tmp_path / "a"), lines_of(tmp_path / "b")
    theirs[2] = theirs[2].replace(b'"action":"step 1"', b'"action":"step l"')
    (tmp_path / "a").write_bytes(b"".join([*ours[:2], theirs[2], *ours[3:]]))
    with pytest.raises(LedgerTamperedError, match="line 3 was edited"):
        read_ledger(tmp_path / "a")


def test_a_chain_made_anew_is_whole_in_itself_which_is_why_the_run_keeps_its_head():
    lines, previous = [], START
    for line in chain():
        record = orjson.loads(line)
        record = {key: value for key, value in record.items() if key not in ("prev", "hash")} | {"forged": True}
        sealed, previous = seal(orjson.dumps(record), previous)
        lines.append(sealed.rstrip(b"\n"))
    assert found(lines) == []
    assert hash_of(lines[-1]) != hash_of(chain()[-1])
