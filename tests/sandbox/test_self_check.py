"""The self-check finds what is broken, says so, and goes on; that it passes here is tests/cli/test_doctor.py's."""

import asyncio
import os

import pytest

from milepost.sandbox import self_check
from milepost.sandbox.fleet import Fleet
from milepost.sandbox.self_check import CHECKS, run_self_check

pytestmark = pytest.mark.browser


def test_there_are_many_checks_each_with_a_name_and_a_reason():
    assert len(CHECKS) >= 50
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    for check in CHECKS:
        group, _, what = check.name.partition(": ")
        assert group in ("page", "time", "files", "closed")
        assert what
        assert check.reason
        assert 0 < check.deadline_s <= 60


def test_a_choice_of_checks_is_run_in_order_and_reported():
    heard = []
    report = run_self_check(
        only=["no path leads out", "quota"], on_result=lambda r, done, total: heard.append((r, done, total))
    )
    assert report.ok
    assert [h[0] for h in heard] == list(report.results)
    assert [h[1:] for h in heard] == [(n + 1, len(heard)) for n in range(len(heard))]
    assert {r.status for r in report.results} == {"passed"}
    assert report.to_json()["ok"] is True
    with pytest.raises(ValueError, match="nonsense"):
        run_self_check(only=["nonsense"])


class Careless(Fleet):
    """A backend whose pages lie: it gives every episode another page's title, and cannot scroll."""

    async def acquire(self):
        page = await super().acquire()
        look = page.look

        async def another():
            import dataclasses

            return dataclasses.replace(await look(), title="another page")

        page.look = another  # type: ignore[method-assign]
        return page


def test_a_backend_that_does_wrong_is_found_out():
    report = run_self_check(backend=Careless, only=["clock starts", "seed", "text comes back"])
    assert not report.ok
    status = {r.name: r.status for r in report.results}
    assert status["time: the clock starts at its fixed date"] == "failed"
    assert status["files: text comes back as it was written"] == "passed"
    assert "another page" in report.failed[0].detail


class Stuck(Fleet):
    """A backend that never answers."""

    async def acquire(self):
        await asyncio.Event().wait()


def test_a_check_that_hangs_ends_with_its_deadline(monkeypatch):
    import dataclasses

    short = tuple(
        dataclasses.replace(check, deadline_s=0.5)
        for check in CHECKS
        if "no path" in check.name or "goto" in check.name
    )
    monkeypatch.setattr(self_check, "CHECKS", short)
    report = run_self_check(backend=Stuck)
    assert {r.name.partition(":")[0]: r.status for r in report.results} == {
        "page": "failed", "closed": "skipped", "files": "skipped",
    }  # fmt: skip
    assert "0.5 s" in report.failed[0].detail


def test_without_a_browser_one_check_fails_and_the_rest_are_skipped(tmp_path):
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    before = os.environ.get("MILEPOST_CHROMIUM")
    report = run_self_check(chromium=broken)
    assert [r.name for r in report.failed] == [CHECKS[0].name]
    assert report.count("skipped") == len(CHECKS) - 1
    assert "does not start" in report.failed[0].detail
    assert os.environ.get("MILEPOST_CHROMIUM") == before
