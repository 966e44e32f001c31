from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from milepost.rewards.label_files import append_label, read_labels
from milepost.rewards.labels import Choice, Purpose, pair_key, standing
from milepost.rewards.preferences import preference_line, read_all, read_preferences, write_preferences
from milepost.sandbox.errors import RewardError
from tests.labelling.choices import choice


def write(path: Path, *choices) -> Path:
    for one in choices:
        append_label(path, one)
    return path


def test_a_choice_comes_back_as_written_and_in_the_schema_of_preferences(tmp_path: Path):
    chosen = choice(Choice.RIGHT, left=1, reason="it saved", run=tmp_path / "run")
    path = write(tmp_path / "labels.jsonl", chosen)
    assert read_all(path) == read_labels([path]) == read_preferences(path) == [chosen]
    line = json.loads(path.read_text())
    assert (line["source"], line["annotator"], line["reason"]) == ("person", "kim", "it saved")
    assert [item["rank"] for item in line["items"]] == [0, 1]
    assert line["label"] == {"choice": "right", "left": 1, "purpose": "new", "seconds": 5.0, "expected": None}


def test_preferences_without_a_label_are_written_as_before(tmp_path: Path):
    from tests.rewards.test_preferences import ranking

    assert "label" not in json.loads(preference_line(ranking(tmp_path), tmp_path))


def test_what_prefers_nothing_and_what_checks_the_annotator_is_not_learned_from(tmp_path: Path):
    kept = choice(Choice.LEFT, pair=5)
    path = write(
        tmp_path / "labels.jsonl",
        choice(Choice.TIE, pair=1),
        choice(Choice.SKIP, pair=2),
        choice(Choice.LEFT, pair=3, purpose=Purpose.CALIBRATION, expected=0),
        choice(Choice.LEFT, pair=5, purpose=Purpose.SWAPPED, left=1),
        kept,
    )
    assert read_preferences(path) == [kept]
    assert len(read_labels([path])) == 5


def test_the_last_word_on_a_pair_stands():
    first, undone = choice(Choice.LEFT), choice(Choice.UNDO)
    other = choice(Choice.LEFT, annotator="lee")
    assert standing([first, other, undone]) == [other]
    again = choice(Choice.RIGHT)
    assert standing([first, other, undone, again]) == [other, again]
    assert standing([first, again]) == [again]


def test_a_pair_is_the_same_whatever_the_order_of_its_items(tmp_path: Path):
    import dataclasses

    one = choice(Choice.LEFT)
    other = dataclasses.replace(one, items=one.items[::-1])
    moved = choice(Choice.LEFT, run=tmp_path)
    assert pair_key(one) == pair_key(other) == pair_key(moved)


def test_the_latest_choice_of_several_files_stands(tmp_path: Path):
    late = write(tmp_path / "late.jsonl", choice(Choice.RIGHT, minute=9))
    early = write(tmp_path / "early.jsonl", choice(Choice.LEFT, minute=1), choice(Choice.LEFT, pair=1, minute=10))
    assert [r.label.choice for r in read_labels([late, early]) if r.label] == [Choice.RIGHT, Choice.LEFT]


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"choice": "right"}, "means ranks"),
        ({"left": 2}, "label.left"),
        ({"purpose": "fun"}, "label.purpose"),
        ({"seconds": -1}, "label.seconds"),
        ({"colour": "red"}, "label.colour"),
    ],
)
def test_a_wrong_label_is_named(tmp_path: Path, changed: dict[str, object], named: str):
    line = json.loads(preference_line(choice(Choice.LEFT), tmp_path))
    (tmp_path / "labels.jsonl").write_text(json.dumps(line | {"label": line["label"] | changed}) + "\n")
    with pytest.raises(RewardError, match=rf"labels\.jsonl:1: (?s:.*){named}"):
        read_preferences(tmp_path / "labels.jsonl")


def test_a_reason_with_every_kind_of_line_break_keeps_to_its_line(tmp_path: Path):
    chosen = choice(Choice.LEFT, reason="a\u2028b\u0085c\x0bd\ne\rf")
    path = write(tmp_path / "labels.jsonl", chosen, choice(Choice.TIE, pair=1))
    assert read_labels([path])[0] == chosen
    assert read_preferences(path) == [chosen]


def test_a_torn_last_line_is_left_out_and_removed_by_the_next(tmp_path: Path):
    path = write(tmp_path / "labels.jsonl", choice(Choice.LEFT))
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])
    assert len(read_labels([path])) == 1
    write(path, choice(Choice.LEFT, pair=1))
    assert [r.seed for r in read_all(path)] == [0, 1]


def test_a_last_line_that_only_lacks_its_newline_is_kept(tmp_path: Path):
    path = write(tmp_path / "labels.jsonl", choice(Choice.LEFT))
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert len(read_labels([path])) == 1
    write(path, choice(Choice.LEFT, pair=1))
    assert [r.seed for r in read_all(path)] == [0, 1]


def test_a_damaged_line_within_is_named(tmp_path: Path):
    path = write(tmp_path / "labels.jsonl", choice(Choice.LEFT))
    path.write_bytes(b'{"task"\n' + path.read_bytes())
    with pytest.raises(RewardError, match=r"labels\.jsonl:1"):
        read_labels([path])


def test_a_file_of_rules_only_is_refused(tmp_path: Path):
    from tests.rewards.test_preferences import ranking

    write_preferences(tmp_path / "p.jsonl", [ranking(tmp_path / "run")])
    with pytest.raises(RewardError, match="milepost label RUN"):
        read_labels([tmp_path / "p.jsonl"])


APPENDS = """
import sys
from pathlib import Path
from milepost.rewards.label_files import append_label
from milepost.rewards.labels import Choice
from tests.labelling.choices import choice
path, annotator, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
for pair in range(count):
    append_label(path, choice(Choice.LEFT, pair=pair, annotator=annotator, reason="x" * 3000))
    print(pair, flush=True)
"""


def appending(path: Path, annotator: str, count: int) -> subprocess.Popen[str]:
    root = Path(__file__).resolve().parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", APPENDS, str(path), annotator, str(count)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": f"{root}/src:{root}"},
    )


def test_two_processes_append_to_one_file(tmp_path: Path):
    path = tmp_path / "labels.jsonl"
    both = [appending(path, name, 40) for name in ("kim", "lee")]
    for process in both:
        process.communicate(timeout=60)
        assert process.returncode == 0
    found = read_all(path)
    for name in ("kim", "lee"):
        assert [r.seed for r in found if r.annotator == name] == list(range(40))


def test_a_kill_loses_nothing_that_was_told_to_be_written(tmp_path: Path):
    path = tmp_path / "labels.jsonl"
    process = appending(path, "kim", 100_000)
    assert process.stdout is not None
    told = [int(process.stdout.readline()) for _ in range(20)]
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate(timeout=60)
    told += [int(line) for line in rest.splitlines() if line]
    found = [r.seed for r in read_labels([path])]
    assert found[: len(told)] == told
    assert len(found) <= len(told) + 1
    write(path, choice(Choice.TIE, pair=999_999))
    assert [r.seed for r in read_all(path)] == [*found, 999_999]


LIMITED = """
import resource, sys
from pathlib import Path
from milepost.rewards.label_files import append_label
from milepost.rewards.labels import Choice
from milepost.sandbox.errors import RewardError
from tests.labelling.choices import choice
path = Path(sys.argv[1])
append_label(path, choice(Choice.LEFT))
before = path.read_bytes()
resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, len(before) + 100))
try:
    append_label(path, choice(Choice.LEFT, pair=1))
except RewardError as error:
    assert "choose again" in str(error), error
    assert path.read_bytes() == before
    print("refused")
"""


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path):
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "labels.jsonl")],
        capture_output=True,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": f"{root}/src:{root}"},
        timeout=60,
    )
    assert done.stdout == "refused\n", done.stderr
