"""The judge against a real server: vLLM with SmolLM2, a judge as poor as a judge can be.

Uses the vLLM of this environment, or of the Python that MILEPOST_VLLM_PYTHON names.
"""

import json
import os
import signal
import socket
import subprocess
import time
from collections import Counter
from contextlib import suppress

import httpx
import pytest

from milepost.agents.models import model_folder
from milepost.rewards.judge import AbstentionKind, BudgetLimits, Judge, JudgeConfig, calibrate, examples_of

from ..agents.vllm_python import MARKS, PYTHON
from .scripted import FACT, request

_START_S = 420

pytestmark = MARKS


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    log = tmp_path_factory.mktemp("vllm") / "server.log"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        PYTHON, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model_folder()),
        "--served-model-name", "smollm2", "--host", "127.0.0.1", "--port", str(port),
        "--max-model-len", "4096", "--max-num-seqs", "8", "--enforce-eager",
    ]  # fmt: skip
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environ |= {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environ, start_new_session=True, cwd=log.parent
        )
        try:
            _wait_for(f"http://127.0.0.1:{port}/health", process, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            _end(process)


def _end(process):
    for last in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, last)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=30)
            return


def _wait_for(url, process, log):
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        assert process.poll() is None, f"vllm ended: {log.read_text(errors='replace')[-3000:]}"
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(1)
    pytest.fail(f"vllm does not answer: {log.read_text(errors='replace')[-3000:]}")


PAGES = [
    (f'heading "{FACT}"' if sent else 'heading "Nothing was sent yet"') + f'\n[1] button "Order {number}"'
    for number in range(12)
    for sent in (True, False)
]
TRUTHS = [True, False] * 12


def test_a_small_judge_on_a_real_server_is_asked_read_and_not_believed(server, tmp_path, record_property):
    config = JudgeConfig(
        model="smollm2", base_url=server, samples=3, temperature=0.8, max_answer_tokens=128, timeout_s=300,
        deadline_s=900, max_concurrency=8, log=tmp_path / "log.jsonl", cache=tmp_path / "cache.sqlite",
        budget=BudgetLimits(requests=100),
    )  # fmt: skip
    judge = Judge.connect(config)
    judgements = judge.judge_blocking([request(page) for page in PAGES])
    samples = [sample for judgement in judgements for sample in judgement.samples]
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    kinds = Counter("verdict" if line["verdict"] else line["abstention"]["kind"] for line in lines)
    record_property("outcomes", dict(kinds))
    print("outcomes of the samples:", dict(kinds))

    assert len(samples) == len(lines) == 72
    assert all(line["constrained"] for line in lines), "vLLM takes the schema"
    assert all(sample.attempts == 1 and sample.prompt_tokens > 300 for sample in samples)
    # Constrained decoding leaves no other form: what fails fails by what it says, or by being cut.
    told = {AbstentionKind.QUOTES, AbstentionKind.CONTRADICTION, AbstentionKind.TRUNCATED, AbstentionKind.SCHEMA}
    assert set(kinds) <= {"verdict", *told}, kinds
    for judgement in judgements:
        assert (judgement.score is None) == (judgement.abstention is not None)

    calibration = calibrate(
        examples_of(judgements, TRUTHS),
        model="smollm2",
        prompt_version=judge.prompt_version,
        samples=3,
        temperature=0.8,
    )
    print(f"of {len(judgements)} questions:", calibration.quality)
    assert not calibration.skilled
    calibration.write(tmp_path / "calibration.json")
    believed = Judge.connect(config.model_copy(update={"calibration": tmp_path / "calibration.json"}))
    again = believed.judge_blocking([request(page) for page in PAGES])
    assert all(judgement.abstention is not None for judgement in again), calibration


def test_a_question_too_long_for_the_model_is_refused_and_abstains(server):
    config = JudgeConfig(
        model="smollm2", base_url=server, samples=1, max_answer_tokens=64, page_chars=60_000, timeout_s=100
    )
    (judgement,) = Judge.connect(config).judge_blocking([request("word " * 10_000)])
    assert judgement.abstention is not None
    assert judgement.abstention.kind == "refused"


def test_a_model_that_the_server_does_not_have_is_refused(server):
    config = JudgeConfig(model="another", base_url=server, samples=1)
    (judgement,) = Judge.connect(config).judge_blocking([request()])
    assert judgement.abstention is not None
    assert judgement.abstention.kind == "refused"
