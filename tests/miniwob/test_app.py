"""The server of the pages, asked as a browser would: what it adds to a page, and which outcomes it believes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from milepost.envs.apps import get_app
from milepost.sandbox.app_server import AppInstance, AppServer


@pytest.fixture
def episode() -> Iterator[AppInstance]:
    instance = AppServer.shared().open(get_app("miniwob"), rng=np.random.default_rng(0), parameters={})
    yield instance
    instance.close()


def get(episode: AppInstance, path: str) -> httpx.Response:
    port = episode.host.rpartition(":")[2]
    return httpx.get(f"http://127.0.0.1:{port}{path}", headers={"host": episode.host}, timeout=30)


def report(episode: AppInstance, **said: Any) -> int:
    port = episode.host.rpartition(":")[2]
    outcome = {"raw": 1.0, "timed": 1.0, "reason": ""} | said
    answer = httpx.post(f"http://127.0.0.1:{port}/outcome", headers={"host": episode.host}, json=outcome, timeout=30)
    return answer.status_code


def secret_of(episode: AppInstance) -> str:
    script = episode.opening(7)
    assert script is not None
    given = json.loads(script.partition("(")[2].rpartition(")")[0])
    assert given["seed"] == 7
    return str(given["secret"])


def test_every_script_of_a_page_carries_the_nonce_of_its_answer(episode: AppInstance):
    answer = get(episode, "/miniwob/click-test.html")
    (nonce,) = re.findall(r"script-src 'nonce-([\w-]+)'", answer.headers["content-security-policy"])
    scripts = re.findall(r"<script[^>]*>", answer.text)
    assert len(scripts) > 3
    assert all(f'nonce="{nonce}"' in script for script in scripts)
    assert nonce not in get(episode, "/miniwob/click-test.html").text, "each answer has its own"


def test_files_are_served_by_their_exact_paths_only(episode: AppInstance):
    assert get(episode, "/core/core.js").status_code == 200
    assert get(episode, "/core/core.js").headers["content-type"].startswith("text/javascript")
    for path in (
        "/",
        "/core/",
        "/miniwob/nothing.html",
        "/core/../core/core.js/..",
        "/%2e%2e/registration.py",
        "/outcome",
    ):
        assert get(episode, path).status_code in (404, 405), path


def test_an_outcome_counts_with_the_secret_only(episode: AppInstance):
    assert report(episode, secret="0" * 32) == 204
    assert report(episode, secret="") == 204
    assert episode.state()["over"] is False
    assert report(episode, secret=secret_of(episode), raw=0.25) == 204
    assert {k: episode.state()[k] for k in ("over", "raw", "strict", "compatible")} == {
        "over": True, "raw": 0.25, "strict": False, "compatible": True,
    }  # fmt: skip


def test_the_first_outcome_counts(episode: AppInstance):
    secret = secret_of(episode)
    report(episode, secret=secret, raw=-1)
    report(episode, secret=secret, raw=1)
    assert episode.state()["raw"] == -1
    assert episode.state()["compatible"] is False


@pytest.mark.parametrize("said", [{"raw": "much"}, {"raw": []}, {"timed": "inf"}, {"raw": 1e999}])
def test_what_is_no_outcome_is_refused(episode: AppInstance, said: dict[str, Any]):
    secret = secret_of(episode)
    if said == {"raw": 1e999}:
        said = {"raw": "inf"}
    assert report(episode, secret=secret, **said) == 400
    assert episode.state()["over"] is False


def test_an_end_without_a_score_is_a_zero(episode: AppInstance):
    report(episode, secret=secret_of(episode), raw=None)
    assert episode.state()["raw"] == 0
    assert episode.state()["over"] is True


def test_the_next_episode_has_another_secret_and_no_score(episode: AppInstance):
    old = secret_of(episode)
    report(episode, secret=old)
    assert episode.state()["strict"] is True
    episode.renew(rng=np.random.default_rng(1), parameters={})
    assert episode.state()["over"] is False
    assert secret_of(episode) != old
    report(episode, secret=old)
    assert episode.state()["over"] is False, "what the last problem still says is not of this one"
