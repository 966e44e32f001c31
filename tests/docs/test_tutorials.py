"""The tutorials are followed to the letter, and what they show is what comes out."""

import itertools
from pathlib import Path

import pytest

from milepost.envs.registration import isolated_registry
from tests.trainers.conftest import tiny_model

from .pages import ROOT, blocks
from .running import Ran, follow, missing_from, workplace

__all__ = ["tiny_model"]

TUTORIALS = sorted(path.stem for path in (ROOT / "docs" / "tutorials").glob("*.md") if path.stem != "index")


def smaller(tiny_model: Path) -> dict[str, tuple[str, ...]]:
    """Return what makes the training take seconds: a tiny model without skill, few and short episodes."""
    return {
        "milepost train grpo": (
            f"model={tiny_model}", "precision=float32", "iterations=1", "groups=1", "group_size=2",
            "max_replacements=0",
            "evaluation_seeds=1", "interim_evaluation_seeds=1", "max_new_tokens=4", "warm_start.demonstrations=1",
            "warm_start.epochs=1",
        ),
        "milepost eval search-open": ("--seeds", "1"),
    }  # fmt: skip


@pytest.mark.browser
@pytest.mark.model
@pytest.mark.parametrize("name", TUTORIALS)
def test_the_tutorial_does_what_it_says(name: str, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch):
    workplace(tmp_path / "work", monkeypatch)
    page = blocks(f"docs/tutorials/{name}.md")
    shown = {before.line: after for before, after in itertools.pairwise(page) if after.language == "text"}
    with isolated_registry():
        for block, ran in follow(page, smaller(tiny_model)):
            if block.line in shown:
                assert missing_from(shown[block.line].text, ran.out) == [], ran.out


def test_there_are_three_and_the_site_has_them():
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert len(TUTORIALS) >= 3
    for name in TUTORIALS:
        assert f"tutorials/{name}.md" in site


def test_what_is_shown_and_does_not_come_out_is_found():
    assert missing_from("a\n...\nc 3", "a\nb\nc   3\n") == []
    assert missing_from("c\na", "a\nb\nc\n") == ["a"]
    assert missing_from("done +1.00 ...", "done +1.00  because") == []
    assert missing_from("done +1.00 ...", "done +2.00  because") == ["done +1.00 ..."]
    assert Ran(code=0, out="").out == ""
