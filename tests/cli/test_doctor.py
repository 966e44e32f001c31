from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from milepost.doctor import examine

from .conftest import Run


def by_name(document: Any) -> dict[str, Any]:
    return {check["name"].partition(" (")[0]: check for check in document["checks"]}


@pytest.mark.browser
@pytest.mark.model
def test_a_ready_machine_is_ready(milepost: Run):
    answer = milepost("doctor", "--deep", "--json")
    document = answer.document()
    assert document["ready"], document
    assert answer.code == 0
    assert all(check["cure"] == "" for check in document["checks"] if check["status"] == "ok")
    assert by_name(document)["chromium starts"]["status"] == "ok"
    checks = document["self_check"]["checks"]
    assert len(checks) >= 50
    assert len({check["name"] for check in checks}) == len(checks)
    assert [check for check in checks if check["status"] == "failed"] == []
    assert sum(check["status"] == "passed" for check in checks) >= 50
    assert by_name(document)["sandbox"]["status"] == "ok"


def test_packages_are_listed_with_versions(milepost: Run):
    import torch

    packages = [c["found"] for c in milepost("doctor", "--json").document()["checks"] if "packages" in c["name"]]
    assert any(f"torch {torch.__version__}" in found for found in packages)
    assert any("gymnasium" in found for found in packages)


def test_a_package_of_any_extra_is_not_asked_of_everybody(monkeypatch: pytest.MonkeyPatch):
    wanted = ["numpy>=1", "torch>=2; extra == 'train'", "not-installed-anywhere; extra == 'of-tomorrow'"]
    monkeypatch.setattr(metadata, "requires", lambda name: wanted)
    assert [check.status for check in examine() if "packages" in check.name] == ["ok", "ok"]


def test_missing_model_names_its_cure(milepost: Run, tmp_path: Path):
    answer = milepost("doctor", "--json", MILEPOST_CACHE=str(tmp_path))
    model = by_name(answer.document())["model"]
    assert answer.code == 1
    assert model["status"] == "missing"
    assert "make setup" in model["cure"]


def test_missing_browser_names_its_cure(milepost: Run, tmp_path: Path):
    answer = milepost("doctor", "--json", MILEPOST_CHROMIUM=str(tmp_path / "absent"), PATH="")
    chromium = by_name(answer.document())["chromium"]
    assert answer.code == 1
    assert chromium["status"] == "missing"
    assert "MILEPOST_CHROMIUM" in chromium["cure"]


def test_browser_that_does_not_start_is_found_out_by_deep(milepost: Run, tmp_path: Path):
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\necho 'libnothing.so: cannot open shared object file' >&2\nexit 127\n")
    broken.chmod(0o755)
    answer = milepost("doctor", "--deep", "--json", MILEPOST_CHROMIUM=str(broken))
    assert answer.code == 1
    assert by_name(answer.document())["chromium starts"]["status"] == "missing"
    assert "self_check" not in answer.document()  # seventy times the same failure would tell nothing


def test_unwritable_run_folder_names_its_cure(milepost: Run, tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    answer = milepost("doctor", "--json", "--runs", tmp_path / "file" / "runs")
    folder = by_name(answer.document())["run folder"]
    assert answer.code == 1
    assert folder["status"] == "missing"
    assert "writable" in folder["cure"]


def test_for_people_every_check_is_a_line(milepost: Run, tmp_path: Path):
    answer = milepost("doctor", MILEPOST_CACHE=str(tmp_path))
    assert answer.code == 1
    assert any(line.startswith("missing") and "model" in line for line in answer.out.splitlines())
    assert any(line.startswith("ok") and "python" in line for line in answer.out.splitlines())
