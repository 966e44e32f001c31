from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Run


@pytest.mark.parametrize("kind", ["dpo", "sft", "rest"])
def test_a_missing_configuration_names_the_example(milepost: Run, kind: str):
    assert f"examples/offline/{kind}.yaml" in milepost("train", kind, "absent.yaml").one_paragraph()


def test_a_policy_that_is_none_is_told(milepost: Run, tmp_path: Path):
    told = milepost("record", "search-open", "--policy", "nowhere", "--out", tmp_path / "out").one_paragraph()
    assert "nowhere" in told
    assert not (tmp_path / "out").exists()
