"""`milepost serve` as people start and stop it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import httpx
import pytest

from tests.serving.served import ask

from .conftest import Run

pytestmark = pytest.mark.browser


def test_it_serves_until_it_is_interrupted():
    environ = {**os.environ, "PYTHONWARNINGS": "error", "MILEPOST_SERVE_TOKEN": "s3cret"}
    command = [
        sys.executable,
        "-m",
        "milepost",
        "serve",
        "expense-form",
        "--port",
        "0",
        "--max-sessions",
        "2",
        "--json",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        while lines[-1].rstrip() != "}":
            lines.append(process.stdout.readline())
            assert lines[-1], "it ended before it said where it listens"
        document = json.loads("".join(lines))
        assert (document["name"], document["tasks"]) == ("expense-form", ["milepost/expense-form-v0"])
        assert httpx.get(document["url"] + "/health", trust_env=False).json() == {"status": "healthy"}
        assert httpx.get(document["url"] + "/state", trust_env=False).status_code == 401

        from websockets.sync.client import connect

        headers = {"Authorization": "Bearer s3cret"}
        address = document["url"].replace("http", "ws", 1) + "/ws"
        with connect(address, proxy=None, additional_headers=headers) as socket:
            assert ask(socket, "reset", seed=1)[0] == "observation"
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out == ""
    assert "at most 2 sessions; Ctrl-C ends it" in err
    assert "Traceback" not in err


def test_what_cannot_be_served_is_said(milepost: Run):
    done = milepost("serve", "expense-fork", "--port", "0")
    assert done.code == 2
    assert "did you mean" in done.err
    done = milepost("serve", "expense-form", "--host", "203.0.113.7", "--port", "0")
    assert done.code == 2
    assert "Choose another --host or --port" in done.err
