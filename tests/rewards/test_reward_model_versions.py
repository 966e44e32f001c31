from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from milepost.rewards.reward_model import Manifest, latest_version, read_manifest, resolve_version, versions
from milepost.rewards.reward_model.versions import REFUSED, Calibration, Measured, new_version, next_version
from milepost.sandbox.errors import RewardError


def manifest(version: str, **overrides: Any) -> Manifest:
    settings: dict[str, Any] = dict(
        version=version,
        created=datetime(2026, 1, 31, tzinfo=UTC),
        backbone="tiny",
        pooling="last",
        heads=2,
        budgets={"goal_tokens": 20},
        calibration=Calibration(temperature=2.0, offset=1.0, demonstration_step=0.5),
        held_out=Measured(pairs=1, rankings=1, accuracy=1.0, ece=0.1, by_task={"t": 1.0}),
        trained_on={"p.jsonl": "00"},
        rankings=4,
        trained_tokens=100,
        wall_s=1.0,
    )
    return Manifest(**(settings | overrides))


def write(root: Path, **overrides: Any) -> str:
    version = next_version(root)
    with new_version(root, manifest(version, **overrides)) as folder:
        (folder / "weights").write_text(version)
    return version


def test_versions_are_numbered_and_the_newest_is_found(tmp_path: Path):
    assert [write(tmp_path), write(tmp_path)] == ["v001", "v002"]
    assert [f.name for f in versions(tmp_path)] == ["v001", "v002"]
    assert resolve_version(tmp_path) == tmp_path / "v002"
    assert resolve_version(tmp_path / "v001") == tmp_path / "v001"
    assert (tmp_path / "v001" / "weights").read_text() == "v001"


def test_v1000_comes_after_v999(tmp_path: Path):
    for name in ("v999", "v1000"):
        with new_version(tmp_path, manifest(name)):
            pass
    assert latest_version(tmp_path) == tmp_path / "v1000"


def test_a_refused_version_is_kept_aside_and_its_number_is_not_given_again(tmp_path: Path):
    write(tmp_path)
    assert write(tmp_path, refused="it lost accuracy") == "v002"
    assert latest_version(tmp_path) == tmp_path / "v001"
    assert read_manifest(tmp_path / REFUSED / "v002").refused == "it lost accuracy"
    assert next_version(tmp_path) == "v003"


def test_a_version_that_could_not_be_written_leaves_nothing(tmp_path: Path):
    with pytest.raises(RuntimeError, match="disk"), new_version(tmp_path, manifest("v001")):
        raise RuntimeError("disk")
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_comes_back_as_written(tmp_path: Path):
    write(tmp_path, unseen=Measured(pairs=0, rankings=0, accuracy=None, ece=None))
    read = read_manifest(tmp_path / "v001")
    assert read == manifest("v001", unseen=Measured(pairs=0, rankings=0, accuracy=None, ece=None))
    assert read.text_budgets().goal_tokens == 20


def test_errors_name_the_cure(tmp_path: Path):
    with pytest.raises(RewardError, match="milepost train rm"):
        resolve_version(tmp_path)
    write(tmp_path)
    path = tmp_path / "v001" / "manifest.json"
    path.write_text(path.read_text().replace('"heads": 2', '"heads": 0'))
    with pytest.raises(RewardError, match="heads"):
        read_manifest(tmp_path / "v001")
    path.write_text(manifest("v001", layout=99).model_dump_json())
    with pytest.raises(RewardError, match="upgrade"):
        read_manifest(tmp_path / "v001")
