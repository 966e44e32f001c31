from __future__ import annotations

from pathlib import Path

from .conftest import Run


def test_a_missing_configuration_names_the_example(milepost: Run):
    assert "examples/offline/rest.yaml" in milepost("train", "rest", "absent.yaml").one_paragraph()


def test_a_policy_that_is_none_is_told(milepost: Run, tmp_path: Path):
    told = milepost("record", "search-open", "--policy", "nowhere", "--out", tmp_path / "out").one_paragraph()
    assert "nowhere" in told
    assert not (tmp_path / "out").exists()
