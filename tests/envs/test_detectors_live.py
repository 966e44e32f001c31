"""Combined detectors, files, contents and transfers on real pages and real files; the ledger re-scores to the same."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from milepost.envs import MilepostEnv, Task, task_for
from milepost.envs.milestone_spec import MilestoneSpec
from milepost.rewards import detectors
from milepost.rewards.file_formats import read_png
from milepost.rewards.ledger import read_ledger, rescore
from milepost.rewards.pdf_structure import pdf_pages
from milepost.sandbox.chromium import find_chromium
from milepost.sandbox.events import FileContent

pytestmark = pytest.mark.browser

FILE = "{area}-{topic}.csv"
CARRIED = {"page": "/reports/*", "role": "row", "pattern": r"· (\d+)"}
MILESTONES: list[dict[str, Any]] = [
    {
        "id": "archived",
        "detector": "then",
        "reward": 1.0,
        "steps": [
            {"detector": "file_created", "path": f"downloads/{FILE}", "download_only": True},
            {"detector": "not", "of": {"detector": "file_changed", "path": "downloads/*", "change": "deleted"}},
            {"detector": "file_changed", "path": "archive/*.csv", "moved_from": f"downloads/{FILE}"},
        ],
    },
    {
        "id": "table",
        "detector": "file_matches",
        "reward": 0.5,
        "path": "**/*.csv",
        "format": "csv",
        "columns": ["Month", "Total"],
        "min_rows": 3,
    },
    {"id": "noted", "detector": "data_transferred", "reward": 0.5, "source": CARRIED, "target": {"file": "notes/*"}},
    {
        "id": "copied",
        "detector": "data_transferred",
        "reward": 0.25,
        "source": {"file": "downloads/*", "pattern": r"March,(\d+)"},
        "target": {"file": "march.txt"},
    },
    {
        "id": "clean",
        "detector": "at_end",
        "reward": 0.25,
        "of": {
            "detector": "all",
            "of": [
                {
                    "detector": "count",
                    "of": {"detector": "clicked", "name_pattern": ".*"},
                    "times": 3,
                    "distinct": "name",
                },
                {"detector": "not", "of": {"detector": "url_loaded", "path": "/sections/Nowhere"}},
                {"detector": "not", "of": {"detector": "file_changed", "path": "**", "change": "deleted"}},
            ],
        },
    },
]


def task_of(milestones: list[Any]) -> Task:
    base = task_for("report-download").model_dump(mode="json", by_alias=True)
    changes = {
        "name": "report-files",
        "milestones": milestones,
        "success": [],
        "near_miss": [],
        "oracle": ['click("{section}")', 'click("{report}")', 'click("Export CSV")'],  # all months
        "actions": ["basic", "files"],
        "max_steps": 30,
        "max_idle_steps": None,
    }
    return Task.model_validate({**base, **changes})


@pytest.fixture
def env(tmp_path: Path) -> Iterator[MilepostEnv]:
    env = MilepostEnv(task_of(MILESTONES), ledger_dir=tmp_path)
    yield env
    env.close()


def play(env: MilepostEnv, actions: list[str], seed: int = 3) -> list[list[str]]:
    """Play from the reset and return what was reached at each step; the ledger must agree."""
    _, info = env.reset(seed=seed)
    reached: list[list[str]] = []
    paid = [info["reward"].total]
    for action in actions:
        _, _, over, cut, info = env.step(action)
        reached.append([result.id for result in info["reward"].milestones])
        paid.append(info["reward"].total)
        if over or cut:
            break
    path = info["ledger_path"]
    assert [reward.total for reward in rescore(path)] == paid
    return reached


def names(env: MilepostEnv, seed: int = 3) -> tuple[list[str], str]:
    """Return the actions that download the report, and the file's name."""
    env.reset(options={"instance_seed": seed})
    parameters = env.instance.parameters
    return list(env.instance.oracle), f"{parameters['area']}-{parameters['topic']}.csv"


def shown_numbers(env: MilepostEnv, download: list[str]) -> list[str]:
    env.reset(seed=3)
    for action in download[:2]:
        observation, *_ = env.step(action)
    assert "Export CSV" in observation["page"]
    return [word for word in observation["page"].replace('"', " ").split() if word.isdigit() and len(word) == 3]


def test_the_whole_way(env: MilepostEnv):
    download, name = names(env)
    numbers = shown_numbers(env, download)
    reached = play(
        env,
        [
            *download,
            f'write_file("notes/a.txt", "January {numbers[0]}")',
            f'read_file("downloads/{name}")',
            f'write_file("march.txt", "{numbers[2]}")',
            f'move_file("downloads/{name}", "archive/{name}")',
            'done("ready")',
        ],
    )
    assert reached[2:] == [["table"], ["noted"], [], ["copied"], ["archived"], ["clean"]]


def test_each_content_is_recorded_once(env: MilepostEnv, tmp_path: Path):
    env.ledger_dir = None
    download, name = names(env, seed=4)
    env.ledger_dir = tmp_path
    play(env, [*download, "noop()", f'copy_file("downloads/{name}", "b.csv")', "noop()"], seed=4)
    (path,) = tmp_path.glob("*-seed4-*.jsonl")
    ledger = read_ledger(path)
    contents = [event for step in ledger.steps for event in step.events if isinstance(event, FileContent)]
    assert [event.path for event in contents] == [f"downloads/{name}"]
    assert (contents[0].data or "").startswith("Month,Total\n")


def test_near_misses(env: MilepostEnv):
    download, name = names(env)
    numbers = shown_numbers(env, download)
    forged = play(
        env,
        [
            f'write_file("notes/a.txt", "{numbers[0]} {numbers[1]} {numbers[2]}")',  # before it was shown
            f'write_file("downloads/{name}", "Month,Total\\nJanuary\\n")',  # no download, and no table
            f'move_file("downloads/{name}", "archive/{name}")',
            *download[:2],
            f'write_file("notes/a.txt", "again {numbers[0]}")',
            f'write_file("march.txt", "{numbers[2]}")',  # shown, but the file was never read
            'done("ready")',
        ],
    )
    assert [each for step in forged for each in step] == []
    deleted = play(
        env,
        [
            *download,
            f'copy_file("downloads/{name}", "b.csv")',
            f'delete_file("downloads/{name}")',
            'move_file("b.csv", "archive/b.csv")',
            'done("ready")',
        ],
    )
    assert [each for step in deleted for each in step] == ["table"]


def test_the_same_task_in_python(tmp_path: Path):
    moved = detectors.then(
        detectors.file_created(path=f"downloads/{FILE}", download_only=True),
        detectors.not_(detectors.file_changed(path="downloads/*", change="deleted")),
        detectors.file_changed(path="archive/*.csv", moved_from=f"downloads/{FILE}"),
    )
    env = MilepostEnv(task_of([MilestoneSpec.of("archived", moved, 1.0)]), ledger_dir=tmp_path)
    try:
        download, name = names(env)
        assert play(env, [*download, f'move_file("downloads/{name}", "archive/{name}")'])[-1] == ["archived"]
    finally:
        env.close()


def test_a_real_screenshot_is_a_png():
    env = MilepostEnv("report-download", screenshots=True)
    try:
        _, info = env.reset(seed=1)
        picture = read_png(info["screenshot"])
        assert picture is not None
        assert (picture.width, picture.height) == struct.unpack(">II", info["screenshot"][16:24])
        assert read_png(info["screenshot"][:-20]) is None
    finally:
        env.close()


def test_a_pdf_that_chromium_prints_is_one(tmp_path: Path):
    page = tmp_path / "page.html"
    page.write_text("".join(f'<h1 style="break-after: page">Page {i}</h1>' for i in range(3)) + "<p>the end</p>")
    target = tmp_path / "out.pdf"
    command = [str(find_chromium().path), "--headless", "--no-sandbox", f"--user-data-dir={tmp_path / 'profile'}"]
    subprocess.run([*command, f"--print-to-pdf={target}", page.as_uri()], check=True, timeout=60, capture_output=True)
    content = target.read_bytes()
    assert pdf_pages(content) == 4
    assert pdf_pages(content[:-10]) is None
