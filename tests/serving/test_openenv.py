"""The `openenv` package's own client, probe and validator against our server; skipped where it is not installed.

No container is built here: the validator is given a provider that starts `milepost serve` as a process of this
machine, so what it measures is the server, and nothing of the image.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from milepost.envs.registration import task_for

pytest.importorskip("openenv", reason="needs the openenv package: pip install 'milepost[openenv]'")
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

PACKAGE = Path(__file__).parents[2] / "docker"


def serve(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    """Start `milepost serve`; return the process and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "milepost", "serve", *arguments, "--port", "0", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ,
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.rstrip() == "}":
            break
    return process, json.loads("".join(lines))["url"]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    process, address = serve("expense-form", "--max-sessions", "4")
    yield address
    process.terminate()
    assert process.wait(30) in (0, -15, 143)


def test_its_client_plays_an_episode(url: str):
    from openenv.core import GenericEnvClient

    instance = task_for("expense-form").instantiate(7)
    with GenericEnvClient(base_url=url).sync() as client:
        result = client.reset(seed=7, episode_id="mine")
        assert result.observation["goal"] == instance.goal
        earned = 0.0
        for action in instance.oracle:
            result = client.step({"action": action})
            earned += result.reward
        assert result.done
        assert result.metadata["success"]
        state = client.state()
        assert (state["episode_id"], state["step_count"]) == ("mine", len(instance.oracle))
        with pytest.raises(RuntimeError, match="EXECUTION_ERROR"):
            client.step({"action": "noop()"})
    assert earned == pytest.approx(instance.max_reward)


def test_its_client_is_told_when_the_server_is_full(url: str):
    from openenv.core import GenericEnvClient

    clients = [GenericEnvClient(base_url=url).sync() for _ in range(5)]
    try:
        for client in clients[:4]:
            client.reset(seed=1)
        with pytest.raises(RuntimeError, match="CAPACITY_REACHED"):
            clients[4].reset(seed=1)
    finally:
        for client in clients:
            client.close()


def test_its_probe_of_a_running_server_finds_nothing_amiss(url: str):
    from openenv.cli._validation import validate_running_environment

    report = validate_running_environment(url, timeout_s=30)
    assert report["passed"], report
    assert report["summary"]["failed_criteria"] == []
    assert report["mode"] == "simulation"


def test_its_models_take_what_the_server_says(url: str):
    from openenv.core.env_server.types import (
        EnvironmentMetadata,
        HealthResponse,
        ResetResponse,
        SchemaResponse,
        State,
        StepResponse,
    )

    with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
        HealthResponse.model_validate(client.get("/health").json())
        EnvironmentMetadata.model_validate(client.get("/metadata").json())
        SchemaResponse.model_validate(client.get("/schema").json())
        ResetResponse.model_validate(client.post("/reset", json={"seed": 1}).json())
        StepResponse.model_validate(client.post("/step", json={"action": {"action": "noop()"}}).json())
        State.model_validate(client.get("/state").json())


class _Running:
    """A served process as the validator sees it."""

    def __init__(self, process: subprocess.Popen[str], base_url: str) -> None:
        self.process = process
        self.base_url = base_url

    def inspect(self) -> dict[str, Any]:
        return {"pid": self.process.pid}

    def logs(self, max_bytes: int = 65536) -> str:
        return ""

    def exec(self, argv: list[str], timeout_s: float) -> Any:
        raise NotImplementedError

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


class _Processes:
    """A validation provider that starts processes instead of containers."""

    name = "process"
    supported_network_modes = frozenset({"no-network"})

    def __init__(self) -> None:
        from openenv.validation import ProviderCapability

        self.capabilities = frozenset({ProviderCapability.IMAGE_BUILD})

    def build(self, root: Path, execution: Any) -> str:
        assert (root / execution.dockerfile).is_file()
        return "sha256:" + "0" * 64

    def start(self, spec: Any) -> _Running:
        process, address = serve("expense-form")
        deadline = time.monotonic() + spec.startup_timeout_s
        while httpx.get(f"{address}/health", trust_env=False).status_code != 200:
            assert time.monotonic() < deadline
        return _Running(process, address)


def test_its_validator_reports_no_failure():
    from openenv.validation import CheckStatus, Level, Verdict, run_validation

    report = run_validation(PACKAGE, max_level=Level.SEMANTIC, provider=_Processes())
    status = {result.check_id: result.status for result in report.results}
    said = [(r.check_id, r.evidence) for r in report.results if r.status in (CheckStatus.FAIL, CheckStatus.ERROR)]
    assert not said
    assert report.verdict is not Verdict.FAIL
    measured = {"static.manifest", "runtime.startup", "runtime.reward_well_formed"}
    measured |= {"runtime.observation_schema", "runtime.state_contract"}
    assert {name for name, found in status.items() if found is CheckStatus.PASS} == measured
