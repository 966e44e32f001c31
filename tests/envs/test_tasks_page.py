"""What docs/tasks.md shows is right: its task is sound on the pages it describes, its Python builds, its keys exist."""

import re
from pathlib import Path

import pytest
import yaml

from milepost.agents.task_check import check_task
from milepost.envs.checks.static import check_file
from milepost.envs.registration import isolated_registry, task_for
from milepost.envs.scaffold import write_task
from milepost.envs.task import Task
from milepost.errors import TaskError
from milepost.trainers.config import GRPOConfig

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "tasks.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def followed(tmp_path: Path) -> Path:
    """The folder as it is after steps 1 and 2."""
    write_task("order-parts", "site", tmp_path)
    form = tmp_path / "order-parts" / "index.html"
    (field,) = blocks("html")
    text = form.read_text()
    assert text.count("  <button>Order</button>") == 1
    form.write_text(text.replace("  <button>Order</button>", f"{field}  <button>Order</button>"))
    (tmp_path / "order-parts.yaml").write_text(next(b for b in blocks("yaml") if "name: order-parts" in b))
    return tmp_path / "order-parts.yaml"


def test_the_task_has_no_faults(followed: Path):
    (report,) = check_file(followed)
    assert report.findings == ()


@pytest.mark.browser
@pytest.mark.slow
def test_the_task_passes_its_check(followed: Path):
    check = check_task(check_file(followed)[0], seeds=2)
    assert [(row.name, row.seen) for row in check.rows if row.status != "ok"] == []


def test_the_training_s_configuration_is_one():
    text = next(block for block in blocks("yaml") if "time_budget_s" in block)
    config = GRPOConfig.model_validate(yaml.safe_load(text))
    assert config.tasks == ("order-parts.yaml",)


def test_the_class_is_a_task():
    source = next(block for block in blocks("python") if "register_task" in block)
    with isolated_registry():
        exec(source.partition("env = ")[0], {"__name__": "shown"})
        assert task_for("file-invoice").success_ids == {"success"}


def test_every_key_is_explained():
    table = PAGE.partition("## Keys of a task file")[2].partition("##")[0]
    assert set(re.findall(r"`([a-z_]+)`", table)) >= set(Task.model_fields) - {"setup"}


def test_links_lead_somewhere():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
    for anchor in re.findall(r"\]\(#([^)]+)\)", PAGE):
        headings = [
            re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in re.findall(r"^#+ (.*)$", PAGE, re.M)
        ]
        assert anchor in headings


def test_the_mistakes_are_told_like_that(followed: Path):
    shown = PAGE.partition("## Mistakes")[2].partition("```\n")[2].partition("```")[0].splitlines()
    text = followed.read_text()
    for old, new in (("max_steps", "max_stepz"), ("./order-parts", "./order-part"), ("field_filled", "field_fild")):
        followed.write_text(text.replace(old, new, 1))
        with pytest.raises(TaskError) as caught:
            task_for(str(followed))
        told = str(caught.value).replace(str(followed.parent), "tasks").partition(" (")[0]
        assert told in shown
