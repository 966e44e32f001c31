"""The run folder: made whole, resumed only as itself, and never worse for a kill than by its last record."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from milepost.agents.records import StepRecord, Trajectory
from milepost.sandbox.errors import FailureKind, RunError
from milepost.trainers.run_folder import RunFolder, append_line, read_lines, write_atomically

CONFIG = {"tasks": ["milepost/expense-form-v0"], "iterations": 20, "lora": {"rank": 16, "alpha": 32.0}}


def trajectory(seed: int, failure: FailureKind | None = None) -> Trajectory:
    step = StepRecord(
        prompt_ids=(1, 2, 3),
        response_ids=(4, 5),
        behaviour_logprobs=(-0.5, -0.25),
        action='click("Submit")',
        observation="[1] button “Submit”",
        reward=None if failure else 0.25,
        milestones_before=0,
        milestones_after=1,
    )
    return Trajectory(
        task="milepost/expense-form-v0",
        seed=seed,
        steps=(step,),
        success=False,
        terminated=False,
        truncated=True,
        stop_reason="step_limit",
        failure=failure,
        policy_version=3,
        ledger_path="trajectories/iteration_001/e.jsonl",
    )


def test_a_new_folder_holds_what_a_run_needs(tmp_path: Path) -> None:
    with RunFolder.create(tmp_path / "runs" / "first", CONFIG, seed=7) as folder:
        assert not folder.resumed
        assert folder.seed == 7
        assert yaml.safe_load((folder.path / "config.yaml").read_text()) == {"seed": 7, **CONFIG}
        versions = json.loads((folder.path / "versions.json").read_text())
        assert versions["python"].startswith("3.")
        assert versions["packages"]["gymnasium"]
        assert {"chromium", "platform", "cpus", "git_commit"} <= versions.keys()
        for name in ("tensorboard", "trajectories", "checkpoints", "samples"):
            assert (folder.path / name).is_dir()
        assert os.listdir(tmp_path / "runs") == ["first"]


def test_an_empty_folder_may_be_used(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "run")
    with RunFolder.create(tmp_path / "link", CONFIG, seed=0) as folder:
        assert not folder.resumed
    assert RunFolder.open(tmp_path / "run").config == {"seed": 0, **CONFIG}
    assert sorted(os.listdir(tmp_path)) == ["link", "run"]


def test_the_same_command_resumes(tmp_path: Path) -> None:
    config = {**CONFIG, "run": Path("runs/first"), "tasks": ("milepost/expense-form-v0",)}
    with RunFolder.create(tmp_path / "run", config, seed=0) as folder:
        folder.mark("interrupted", wall_s=120.5)
    with RunFolder.create(tmp_path / "run", config, seed=0) as again:
        assert again.resumed
        assert again.wall_s == 120.5
        assert again.read_json("status.json")["state"] == "running"


def test_another_configuration_is_refused_key_by_key(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "run", CONFIG, seed=0).close()
    other = {**CONFIG, "lora": {"rank": 8, "alpha": 32.0}, "kl_coef": 0.01}
    with pytest.raises(RunError) as caught:
        RunFolder.create(tmp_path / "run", other, seed=1)
    message = str(caught.value)
    assert "seed: the run has 0, now asked for 1" in message
    assert "lora.rank: the run has 16, now asked for 8" in message
    assert "kl_coef: the run has nothing, now asked for 0.01" in message
    assert "alpha" not in message
    assert "choose another run folder" in message


def test_keys_that_may_change_are_written_down(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "run", CONFIG, seed=0).close()
    longer = {**CONFIG, "iterations": 40}
    with RunFolder.create(tmp_path / "run", longer, seed=0, may_change=["iterations"]) as folder:
        assert folder.resumed
    assert RunFolder.open(tmp_path / "run").config["iterations"] == 40


def test_a_seed_at_odds_with_the_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="seed 3 but the run was asked for seed 4"):
        RunFolder.create(tmp_path / "run", {**CONFIG, "seed": 3}, seed=4)


def test_below_a_regular_file_the_cure_is_another_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot write .*a part of this path is a file. Choose another run folder"):
        RunFolder.create(tmp_path / "file" / "run", CONFIG, seed=0)
    with pytest.raises(RunError, match=r"found a file. Choose another run folder"):
        RunFolder.create(tmp_path / "file", CONFIG, seed=0)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc as a folder that nobody may write")
def test_where_nobody_may_write_the_message_says_so() -> None:
    with pytest.raises(RunError, match=r"cannot write /proc/milepost-run.*hoose another run folder"):
        RunFolder.create("/proc/milepost-run", CONFIG, seed=0)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_without_permission_the_message_says_so(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(RunError, match="not writable: choose another run folder, or change its owner or permissions"):
        RunFolder.create(tmp_path / "locked" / "run", CONFIG, seed=0)


def test_something_else_or_half_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"")
    with pytest.raises(RunError, match=r"not a run folder: it has no config.yaml \(it holds cat.jpg\)"):
        RunFolder.create(tmp_path / "photos", CONFIG, seed=0)
    assert os.listdir(tmp_path / "photos") == ["cat.jpg"]


@pytest.mark.parametrize("text", ["[1, 2", "just text", "seed: none\n", "\0"])
def test_a_damaged_configuration_is_named(tmp_path: Path, text: str) -> None:
    RunFolder.create(tmp_path / "run", CONFIG, seed=0).close()
    (tmp_path / "run" / "config.yaml").write_text(text)
    with pytest.raises(RunError, match=r"config.yaml .*Restore it, or remove the folder"):
        RunFolder.create(tmp_path / "run", CONFIG, seed=0)


def test_open_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no run folder at"):
        RunFolder.open(tmp_path / "nothing")


def test_two_writers_are_one_too_many(tmp_path: Path) -> None:
    with RunFolder.create(tmp_path / "run", CONFIG, seed=0):
        with pytest.raises(RunError, match=rf"another process \(pid {os.getpid()}\)"):
            RunFolder.create(tmp_path / "run", CONFIG, seed=0)
        assert RunFolder.open(tmp_path / "run").seed == 0  # reading is fine
    RunFolder.create(tmp_path / "run", CONFIG, seed=0).close()


def test_trajectories_with_and_without_tokens(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", CONFIG, seed=0)
    plain = read_lines(folder.write_trajectories(1, [trajectory(1), trajectory(2, FailureKind.PAGE_HUNG)]))
    assert [t["seed"] for t in plain] == [1, 2]
    assert plain[0]["total_reward"] == 0.25
    assert plain[0]["steps"][0]["action"] == 'click("Submit")'
    assert plain[0]["steps"][0]["response_ids"] == [4, 5]
    assert "prompt_ids" not in plain[0]["steps"][0]
    assert plain[1]["failure"] == "page_hung"
    assert plain[1]["steps"][0]["reward"] is None
    full = read_lines(folder.write_trajectories(1, [trajectory(1)], with_tokens=True))
    assert full[0]["steps"][0]["prompt_ids"]


def test_trajectories_of_a_lost_iteration_are_discarded(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", CONFIG, seed=0)
    for iteration in (1, 2, 1000):
        (folder.ledger_dir(iteration) / "e.jsonl").write_text("{}\n")
        folder.write_trajectories(iteration, [trajectory(iteration)])
    folder.discard_trajectories_after(1)
    assert sorted(os.listdir(folder.path / "trajectories")) == ["iteration_001", "iteration_001.jsonl"]


def test_atomic_writing_keeps_the_old_content_and_leaves_nothing_behind(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a.json", b"old")
    (tmp_path / "b").mkdir()
    with pytest.raises(RunError, match="cannot write"):
        write_atomically(tmp_path / "b", b"new")
    assert sorted(os.listdir(tmp_path)) == ["a.json", "b"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_says_so(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").symlink_to("/dev/full")
    with pytest.raises(RunError, match="full: free some space and run the same command again"):
        append_line(tmp_path / "log.jsonl", {"a": 1})


def test_damage_within_a_log_is_named_by_line(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"a": 1}\n{"a"\n{"a": 3}\n')
    with pytest.raises(RunError, match=r"log.jsonl:2: expected a JSON object on every line"):
        read_lines(path)
    path.write_bytes(b"[1]\n")
    with pytest.raises(RunError, match=r"log\.jsonl:1: expected a JSON object"):
        read_lines(path)


@given(cut=st.integers(0, 200), texts=st.lists(st.text(max_size=8), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_a_log_cut_anywhere_loses_only_its_end(
    tmp_path_factory: pytest.TempPathFactory, cut: int, texts: list[str]
) -> None:
    path = tmp_path_factory.mktemp("cut") / "log.jsonl"
    for i, text in enumerate(texts):
        append_line(path, {"i": i, "text": text})
    data = path.read_bytes()
    path.write_bytes(data[: min(cut, len(data))])
    kept = read_lines(path)
    whole = data[:cut].count(b"\n")
    assert [r["text"] for r in kept[:whole]] == texts[:whole]
    assert len(kept) in {whole, whole + 1}  # a line that lacks only its line end is a line


WRITER = """
import sys
from milepost.trainers.run_folder import RunFolder
from milepost.trainers.metrics import MetricsWriter
folder = RunFolder.create(sys.argv[1], {"tasks": ["t"]}, seed=0)
metrics = MetricsWriter(folder, tensorboard=False)
start = metrics.last_iteration or 0
for i in range(start + 1, 100_000):
    metrics.log(i, {f"train/value_{k}": float(i) for k in range(40)})
    folder.write_json("evaluations.json", {"trained": {"t": {"i": i, "pad": "x" * 1_000_000}}})
    folder.mark("running", wall_s=float(i))
    print(i, flush=True)
"""


def test_kill_9_in_the_middle_of_writing_loses_at_most_the_last_record(tmp_path: Path) -> None:
    path = tmp_path / "run"
    said = 0
    for round_ in range(4):
        command = [sys.executable, "-c", WRITER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(3 + 5 * round_):
                said = int(process.stdout.readline())
                for _ in range(15):  # whole at any instant, while the writer goes on
                    assert RunFolder.open(path).read_json("evaluations.json")["trained"]["t"]["i"] >= said
            os.kill(process.pid, signal.SIGKILL)
            rest = process.stdout.read().split()
            said = int(rest[-1]) if rest else said
        assert process.returncode == -signal.SIGKILL
        folder = RunFolder.open(path)
        iterations = [r["iteration"] for r in read_lines(folder.metrics_path)]
        assert iterations in (list(range(1, said + 1)), list(range(1, said + 2)))
        assert folder.read_json("evaluations.json")["trained"]["t"]["i"] in {said, said + 1}
        assert folder.wall_s in {said, said + 1}
    with RunFolder.create(path, {"tasks": ["t"]}, seed=0) as again:  # the dead process holds no lock
        assert again.resumed


def test_what_a_killed_process_had_begun_to_write_is_cleared_away(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "run", CONFIG, seed=7).close()
    torn = [tmp_path / "run" / name for name in (".status.json.a1b2c3d4", "trajectories/.iteration_001.jsonl.zz_9zz00")]
    for path in torn:
        path.write_text("{", encoding="utf-8")
    kept = tmp_path / "run/.hidden"
    kept.touch()
    RunFolder.create(tmp_path / "run", CONFIG, seed=7).close()
    assert not any(path.exists() for path in torn)
    assert kept.exists()
    assert (tmp_path / "run/.lock").exists()
