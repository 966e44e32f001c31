from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.viewer.runs import record_run

from .conftest import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record_run(tmp_path_factory.mktemp("view") / "run", seeds=1, iterations=1)


def test_it_prints_an_address_serves_it_and_ends_on_an_interrupt(run: Path):
    process = subprocess.Popen(
        [sys.executable, "-m", "milepost", "view", str(run)],
        env={**os.environ, "MILEPOST_CHROMIUM": "/absent"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with urllib.request.urlopen(f"{url}run", timeout=60) as answer:
            assert b'"episodes"' in answer.read()
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0
    assert "4 episodes in" in told
    assert "no browser was found" in told
    assert "Traceback" not in told


def test_episodes_are_exported(milepost: Run, run: Path, tmp_path: Path):
    answer = milepost("view", run, "--export", tmp_path / "out.html", "--episode", "2", "--no-pictures", "--json")
    assert answer.code == 0, answer.err
    document = answer.document()
    assert document["episodes"] == [2]
    assert document["bytes"] == (tmp_path / "out.html").stat().st_size
    assert b'fill(\\"Name\\"' in (tmp_path / "out.html").read_bytes()


def test_errors_say_what_to_do(milepost: Run, run: Path, tmp_path: Path):
    assert "--episode" in milepost("view", run, "--episode", "1").one_paragraph()
    missing = milepost("view", run, "--export", "out.html", "--episode", "99").one_paragraph(after_progress=True)
    assert "from 0 to 3, got 99" in missing
    (tmp_path / "empty").mkdir()
    assert "holds no recorded episodes" in milepost("view", tmp_path / "empty").one_paragraph(after_progress=True)
