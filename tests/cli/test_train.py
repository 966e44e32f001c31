from pathlib import Path

import pytest

from .conftest import Run

TINY = "tasks: [search-open]\nrun: run\niterations: 1\ngroups: 1\ngroup_size: 2\nevaluation_seeds: 1\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(TINY, encoding="utf-8")
    return path


def test_missing_configuration_is_named(milepost: Run, tmp_path: Path):
    assert "absent.yaml" in milepost("train", "grpo", tmp_path / "absent.yaml").one_paragraph()


@pytest.mark.parametrize("trainer", ["grpo", "ppo"])
def test_misspelt_setting_is_named_with_the_nearest(milepost: Run, config: Path, trainer: str):
    assert "the nearest setting is groups" in milepost("train", trainer, config, "grups=3").one_paragraph()


def test_setting_out_of_range_says_what_it_may_be(milepost: Run, config: Path):
    message = milepost("train", "grpo", config, "group_size=1").one_paragraph()
    assert "group_size" in message
    assert "2" in message


def test_unknown_task_names_a_close_one(milepost: Run, config: Path):
    assert "search-open" in milepost("train", "grpo", config, "tasks=[serch-open]").one_paragraph()


def test_missing_model_names_its_cure(milepost: Run, config: Path, tmp_path: Path):
    answer = milepost("train", "grpo", config, MILEPOST_CACHE=str(tmp_path / "empty"))
    assert "make setup" in answer.one_paragraph(after_progress=True)


def test_missing_browser_names_its_cure(milepost: Run, config: Path, tmp_path: Path):
    message = milepost("train", "grpo", config, MILEPOST_CHROMIUM=str(tmp_path / "absent")).one_paragraph()
    assert "MILEPOST_CHROMIUM" in message
    assert not (tmp_path / "run").exists()


def test_unwritable_run_folder_names_its_cure(milepost: Run, config: Path, tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    message = milepost("train", "grpo", config, f"run={tmp_path / 'file' / 'run'}").one_paragraph()
    assert "Choose another run folder" in message


@pytest.mark.browser
@pytest.mark.model
@pytest.mark.slow
def test_a_tiny_run_answers_with_one_document_and_can_be_evaluated(milepost: Run, config: Path, tmp_path: Path):
    tiny = ("warm_start.demonstrations=2", "warm_start.epochs=1")
    answer = milepost("train", "grpo", config, *tiny, "--json", OMP_NUM_THREADS=None)
    assert answer.code == 0, answer.err
    document = answer.document()
    assert document["iterations"] == 1
    assert set(document["success"]) == {"untrained", "warm_start", "trained"}
    assert (tmp_path / document["report"]).is_file()

    evaluated = milepost("eval", "search-open", "--policy", tmp_path / "run", "--seeds", "2", "--json")
    assert evaluated.code == 0, evaluated.err
    assert evaluated.document()["tasks"]["milepost/search-open-v0"]["episodes"] == 2
