from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from milepost.rewards.label_files import append_label, read_labels
from milepost.rewards.labels import Choice, Purpose
from milepost.rewards.preferences import read_preferences
from tests.labelling.choices import choice, record_seeds
from tests.trainers.preferred_episodes import record, tiny_backbone

from .conftest import Run


@contextmanager
def labelling(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`milepost label` with these arguments, and the address that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "milepost", "label", *arguments],
        cwd=folder,
        env={**os.environ, "MILEPOST_CHROMIUM": "/absent"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate(timeout=30)


def ask(url: str, data: dict[str, Any] | None = None) -> Any:
    origin = re.match(r"http://[^/]+", url)
    assert origin is not None
    headers = {"Origin": origin[0], "Content-Type": "application/json"}
    body = None if data is None else json.dumps(data).encode()
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as answer:
        return json.load(answer)


def test_kill_9_loses_nothing_and_the_same_command_goes_on(tmp_path: Path):
    record_seeds(tmp_path / "run", range(4))
    command = ("run", "--annotator", "kim", "--out", "labels.jsonl", "--pairs", "8")
    with labelling(tmp_path, *command) as (process, url):
        state = ask(url + "pair")
        for n in range(3):
            state = ask(url + "choice", {"slot": state["pair"]["slot"], "choice": "left", "reason": f"number {n}"})
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    assert [r.reason for r in read_labels([tmp_path / "labels.jsonl"])] == ["number 0", "number 1", "number 2"]
    with labelling(tmp_path, *command) as (process, url):
        state = ask(url + "pair")
        assert state["done"] == 3
        ask(url + "undo", {})
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert out == ""
    assert "2 of 10 answered" in err
    assert "Traceback" not in err


def test_two_annotators_in_one_file(tmp_path: Path):
    record_seeds(tmp_path / "run", range(4))
    with (
        labelling(tmp_path, "run", "--annotator", "kim") as (_, kim),
        labelling(tmp_path, "--annotator", "lee", "run") as (_, lee),
    ):
        for url in (kim, lee, kim):
            state = ask(url + "pair")
            ask(url + "choice", {"slot": state["pair"]["slot"], "choice": "tie"})
    labels = read_labels([tmp_path / "run" / "labels.jsonl"])
    assert [r.annotator for r in labels] == ["kim", "lee", "kim"]


@pytest.mark.slow
def test_from_choices_to_a_reward_model(milepost: Run, tmp_path: Path):
    """Two annotators answer by what they see, one by nothing; a reward model learns from what two of them say."""
    record(tmp_path / "run", range(12))
    out = tmp_path / "labels.jsonl"
    for annotator in ("kim", "lee", "max"):
        with labelling(
            tmp_path, "run", "--annotator", annotator, "--out", "labels.jsonl", "--pairs", "40", "--calibration", "0.2"
        ) as (_, url):
            state = ask(url + "pair")
            while state["pair"] is not None:
                good = {
                    side: sum("Save" in (f["action"] or "") for f in state["pair"][side]["frames"])
                    for side in ("left", "right")
                }
                answer = "left" if good["left"] > good["right"] else "right" if good["left"] < good["right"] else "tie"
                if annotator == "max":
                    answer = "left"
                state = ask(url + "choice", {"slot": state["pair"]["slot"], "choice": answer, "seconds": 2.5})

    report = milepost("label", "report", out, "--json").document()
    assert report["annotators"]["kim"]["calibration_accuracy"] == 1.0
    assert report["annotators"]["kim"]["swapped"]["share"] == 1.0
    assert report["annotators"]["max"]["side"]["share"] == 1.0
    assert report["annotators"]["max"]["side"]["p_value"] < 1e-6
    assert report["annotators"]["max"]["swapped"]["same"] == 0
    assert report["annotators"]["max"]["seconds"] == 2.5
    kappas = {(two["first"], two["second"]): two["kappa"] for two in report["agreement"]}
    assert kappas["kim", "lee"] == 1.0
    assert kappas["kim", "max"] < 0.5

    merged = milepost("label", "consensus", out, "--out", "consensus.jsonl", "--json")
    assert merged.code == 0, merged.err
    document = merged.document()
    assert list(document["excluded"]) == ["max"]
    assert document["rankings"] + document["tied"] == 40
    assert document["calibration_pairs"] == 8
    assert len(read_preferences(tmp_path / "consensus.jsonl")) == document["rankings"] > 20

    tiny_backbone(tmp_path / "tiny")
    (tmp_path / "rm.yaml").write_text("out: models\nbackbone: tiny\nprecision: float32\n")
    for preferences in ("consensus.jsonl", "labels.jsonl"):
        trained = milepost(
            "train", "rm", "rm.yaml", f"preferences=[{preferences}]", "start=fresh", "epochs=0", "heads=2", "--json"
        )
        assert trained.code == 0, trained.err
        if preferences == "consensus.jsonl":
            assert trained.document()["held_out"]["accuracy"] > 0.9


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.jsonl"
    for n in range(6):
        append_label(path, choice(Choice.LEFT, pair=n, run=tmp_path / "run"))
        append_label(path, choice(Choice.LEFT if n else Choice.TIE, pair=n, annotator="lee", run=tmp_path / "run"))
    append_label(path, choice(Choice.LEFT, pair=9, purpose=Purpose.CALIBRATION, expected=0, run=tmp_path / "run"))
    return path


def test_the_report_for_people(milepost: Run, labels: Path):
    said = milepost("label", "report", labels, COLUMNS="160")
    assert said.code == 0, said.err
    assert "kim and lee: same answer on 0.83 of 6 pairs" in said.out
    assert "left was chosen 12 times of 12" in said.out
    assert "1 of 1" in said.out


def test_the_consensus_for_people(milepost: Run, labels: Path):
    said = milepost("label", "consensus", labels, "--out", "c.jsonl")
    assert said.code == 0, said.err
    assert "5 preferences of 7 pairs in c.jsonl (5 unanimous)" in said.out
    assert "1 without a majority" in said.out
    assert "kept unchecked: kim, who answered 1 pairs" in said.out


def test_no_consensus_exits_with_1_and_leaves_the_file_as_it_was(milepost: Run, labels: Path, tmp_path: Path):
    (tmp_path / "c.jsonl").write_text("earlier\n")
    done = milepost("label", "consensus", labels, "--out", "c.jsonl", "--min-votes", "3")
    assert (done.code, (tmp_path / "c.jsonl").read_text()) == (1, "earlier\n")
    assert "nothing to write" in done.out


def test_a_consensus_does_not_replace_what_it_is_made_of(milepost: Run, labels: Path):
    before = labels.read_bytes()
    assert "another file" in milepost("label", "consensus", labels, "--out", f"./{labels.name}").one_paragraph()
    assert labels.read_bytes() == before


def test_wrong_input_is_named(milepost: Run, tmp_path: Path):
    assert "absent" in milepost("label", "report", "absent.jsonl").one_paragraph()
    assert "label RUN" in milepost("label", "consensus", "absent.jsonl", "--out", "c.jsonl").one_paragraph()
    assert "iteration_" in milepost("label", tmp_path / "nothing").one_paragraph(after_progress=True)
    record_seeds(tmp_path / "run", range(1))
    assert "--annotator" in milepost("label", "run", "--annotator", " ").one_paragraph(after_progress=True)


def test_a_task_of_ones_own_is_registered_for_pictures(milepost: Run, tmp_path: Path):
    record_seeds(tmp_path / "run", range(1))
    (tmp_path / "mine.yaml").write_text("name: mine\n")
    assert "mine.yaml" in milepost("label", "run", "--tasks", "mine.yaml").one_paragraph()


def test_help_names_the_commands(milepost: Run):
    for arguments in (("label",), ("label", "--help")):
        shown = milepost(*arguments)
        for command in ("serve", "consensus", "report"):
            assert command in shown.out + shown.err
