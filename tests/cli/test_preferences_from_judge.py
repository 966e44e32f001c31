"""`milepost preferences from-judge`, in processes of its own, against a real HTTP server."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml

from milepost.rewards.preferences import read_preferences
from tests.judge.scripted import Server, completion, serving, verdict
from tests.trainers.preferred_episodes import GOOD, record

from .conftest import Run


def fair(server: Server, number: int):
    score = (0.1, 0.6, 0.9)[str(server.asked[number]["messages"][1]["content"]).count(GOOD)]
    return completion(verdict(score >= 0.5, score, quotes=["Save"]))


def configure(folder: Path, server: Server, **changes) -> Path:
    judge = server.config(samples=3, max_retries=0).model_dump(mode="json") | changes
    (folder / "judge.yaml").write_text(yaml.safe_dump({"judge": judge}), encoding="utf-8")
    return folder / "judge.yaml"


def test_recorded_episodes_become_preferences(milepost: Run, tmp_path: Path):
    record(tmp_path / "run", range(3), pages_differ=True)
    with serving(fair) as server:
        configure(tmp_path, server)
        arguments = ("preferences", "from-judge", "run", "--config", "judge.yaml", "--out", "p.jsonl")
        made = milepost(*arguments, "--json")
        assert made.code == 0, made.err
        document = made.document()
        assert (document["groups"], document["rankings"], document["pairs"]) == (3, 3, 15)
        assert (document["asked"], document["judged"], document["abstained"]) == (12, 12, {})
        assert document["tokens"] == 120 * 36
        assert document["agreement"] == {
            "pairs": 15, "agreed": 15, "reversed": 0, "tied": 0, "rate": 1.0, "somers_d": 1.0
        }  # fmt: skip
        assert document["agreement_by_task"].keys() == {"milepost/a-v0"}
        assert len(read_preferences(tmp_path / "p.jsonl")) == 3
        again = milepost(*arguments, "most=2")
        assert again.code == 0, again.err
        assert "3 of 3 groups in p.jsonl, 3 ordered pairs" in again.out
        assert "6 known before. Cost 0, 0 tokens." in again.out
        assert "Of 3 pairs that rules tell apart, it orders 3 alike" in again.out
    assert len(server.asked) == 36


def test_a_task_file_lends_its_rubrics(milepost: Run, tmp_path: Path):
    record(tmp_path / "run", [0], tasks=["milepost/mail-latest-invoice-v0"])
    file = Path(__file__).parents[2] / "examples" / "judged" / "mail-latest-invoice.yaml"
    arguments = ("preferences", "from-judge", "run", "--config", "judge.yaml", "--out", "p.jsonl", "--json")
    with serving(fair) as server:
        configure(tmp_path, server)
        assert milepost(*arguments).document()["rubrics"] == {"goal": 4}
        assert milepost(*arguments, "--task", file).document()["rubrics"] == {"task": 4}
        asked = [body["messages"][1]["content"] for body in server.asked]
    assert ["not a reminder of an older one" in text for text in asked] == [False] * 12 + [True] * 12
    assert all("Reference answer:" in text for text in asked[12:])


def test_a_judge_worse_than_a_coin_is_warned_of(milepost: Run, tmp_path: Path):
    record(tmp_path / "run", [0])

    def unfair(server: Server, number: int):
        score = (0.9, 0.6, 0.1)[str(server.asked[number]["messages"][1]["content"]).count(GOOD)]
        return completion(verdict(score >= 0.5, score, quotes=["Save"]))

    with serving(unfair) as server:
        configure(tmp_path, server)
        made = milepost("preferences", "from-judge", "run", "--config", "judge.yaml", "--out", "p.jsonl")
    assert made.code == 0
    assert "no better than a coin" in made.err


def test_a_dead_server_leaves_the_file_as_it_was(milepost: Run, tmp_path: Path):
    record(tmp_path / "run", [0])
    (tmp_path / "p.jsonl").write_text("kept\n")
    with serving(fair) as server:
        configure(tmp_path, server)
    made = milepost("preferences", "from-judge", "run", "--config", "judge.yaml", "--out", "p.jsonl")
    assert made.code == 1
    assert "nothing to write of 1 groups, p.jsonl is left as it was" in made.out
    assert "4 abstained (4 unreachable)" in made.out
    assert (tmp_path / "p.jsonl").read_text() == "kept\n"


def test_an_interrupted_command_goes_on_from_its_answers(milepost: Run, tmp_path: Path):
    record(tmp_path / "run", range(4), pages_differ=True)

    def slow_after_nine(server: Server, number: int):
        if number >= 9 and not resumed:
            time.sleep(1)
        return fair(server, number)

    resumed: list[bool] = []
    with serving(slow_after_nine) as server:
        configure(tmp_path, server, max_concurrency=1)
        arguments = ["preferences", "from-judge", "run", "--config", "judge.yaml", "--out", "p.jsonl"]
        process = subprocess.Popen(
            [sys.executable, "-m", "milepost", *arguments],
            cwd=tmp_path, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while len(server.asked) < 10 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert "p.answers.sqlite" in "".join(err.split())
        assert out == ""
        assert not (tmp_path / "p.jsonl").exists()
        before = len(server.asked)
        resumed.append(True)
        made = milepost(*arguments, "--json")
        assert made.code == 0, made.err
        assert made.document()["judged"] == 16
        assert len(server.asked) - before <= 48 - 9, "what was answered is not asked again"
        assert made.document()["cached"] >= 3
    assert len(read_preferences(tmp_path / "p.jsonl")) == 4


def test_what_is_wrong_is_named(milepost: Run, tmp_path: Path):
    arguments = ("preferences", "from-judge", "run", "--out", "p.jsonl", "--config")
    assert "from_judge.yaml" in milepost(*arguments, "absent.yaml").one_paragraph()
    with serving(fair) as server:
        configure(tmp_path, server, samples=1)
    assert "min_confidence: 0" in milepost(*arguments, "judge.yaml").one_paragraph()
    message = milepost(*arguments, "judge.yaml", "judge.samples=3").one_paragraph(after_progress=True)
    assert "run holds no recorded episodes" in message
