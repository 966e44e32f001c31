from pathlib import Path

from tests.trainers.preferred_episodes import record, tiny_backbone

from .conftest import Run


def test_from_a_recorded_run_to_a_version(milepost: Run, tmp_path: Path):
    record(tmp_path / "run", range(12))
    made = milepost("preferences", "from-rules", "run", "--out", "p.jsonl", "--json")
    assert made.code == 0, made.err
    assert made.document() == {
        "out": "p.jsonl",
        "rankings": 12,
        "pairs": 60,
        "episodes": 48,
        "unscored": 0,
        "repeated": 0,
        "tied_groups": 0,
    }
    tiny_backbone(tmp_path / "tiny")
    (tmp_path / "rm.yaml").write_text("preferences: [p.jsonl]\nout: models\nbackbone: tiny\nprecision: float32\n")
    trained = milepost("train", "rm", "rm.yaml", "epochs=0", "heads=2", "--json")
    assert trained.code == 0, trained.err
    document = trained.document()
    assert (document["version"], document["refused"], document["unseen"]) == ("v001", None, None)
    assert document["held_out"]["accuracy"] == 1.0
    assert (tmp_path / "models" / "v001" / "manifest.json").is_file()


def test_a_run_without_episodes_is_named(milepost: Run, tmp_path: Path):
    assert "empty" in milepost("preferences", "from-rules", tmp_path / "empty", "--out", "p.jsonl").one_paragraph()


def test_a_missing_configuration_names_the_example(milepost: Run):
    assert "examples/reward_model/config.yaml" in milepost("train", "rm", "absent.yaml").one_paragraph()


def test_a_misspelt_setting_is_named(milepost: Run, tmp_path: Path):
    (tmp_path / "rm.yaml").write_text("preferences: [p.jsonl]\nout: models\nheds: 3\n")
    assert "heds" in milepost("train", "rm", "rm.yaml").one_paragraph()


def test_missing_preferences_name_the_command_that_makes_them(milepost: Run, tmp_path: Path):
    (tmp_path / "rm.yaml").write_text("preferences: [p.jsonl]\nout: models\n")
    assert "from-rules" in milepost("train", "rm", "rm.yaml").one_paragraph(after_progress=True)
