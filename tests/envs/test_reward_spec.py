"""`reward:` in a task file: what it means for an instance, and what is said when it is wrong."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import yaml

from milepost.envs.task import Task, load_tasks
from milepost.errors import TaskError, WeightOrderWarning
from milepost.rewards.scorer import RewardScheme
from milepost.rewards.shaping import Shaping, Truncation

SOURCE = """
name: file-claim
family: form
description: File a claim.
app: expenses
goal: 'Claim for {person}.'
max_steps: 9
parameters:
  person: {choice: ["A*b"]}
milestones:
  - {id: filled, catalogue: field_filled, name: Name, value: "{person}", expires_after: 3}
  - {id: stored, detector: server_state, reward: 0.75, query: "claims", after: [filled]}
  - {id: deleted, detector: clicked, name: Delete, reward: -0.5, forbidden: true}
success: [stored]
oracle: ['click("Submit")']
"""
COMPONENTS = """
reward:
  mode: components
  weights: {nav: 0.1, ui: 0.1, form: 0.2, file: 0.2, goal: 0.4}
  pages: ["/claims/{person}"]
  clicks: [{role: button, name: "For {person}"}]
  fields: {Name: "{person}"}
  files: [{path: "{person}.csv", download_only: true}]
  shaping: potential
  gamma: 0.9
  potential: {filled: 0.5}
  truncation: close
"""


@pytest.fixture
def load(tmp_path: Path):
    def loaded(more: str = "", source: str = SOURCE) -> Task:
        (tmp_path / "t.yaml").write_text(source + more)
        return load_tasks(tmp_path / "t.yaml")[0]

    return loaded


def test_without_it_each_milestone_pays_its_own(load):
    instance = load().instantiate(0)
    assert instance.scheme == RewardScheme(success=frozenset({"stored"}), shaping=Shaping.RAW)
    assert instance.max_reward == pytest.approx(0.95)
    assert [m.expires_after for m in instance.milestones] == [3, None, None]


def test_shaping_by_progress(load):
    scheme = load("reward: {shaping: potential, gamma: 0.99}").instantiate(0).scheme
    assert (scheme.shaping, scheme.gamma, scheme.potential, scheme.components) == (Shaping.POTENTIAL, 0.99, None, None)
    assert scheme.truncation is Truncation.BOOTSTRAP


def test_components_are_filled_for_the_episode(load):
    instance = load(COMPONENTS).instantiate(0)
    components = instance.scheme.components
    assert components is not None
    assert (components.pages, components.fields) == ((r"/claims/A\*b",), {"Name": "A*b"})
    assert (components.clicks[0].name, components.files[0].path) == ("For A*b", r"A\*b.csv")
    assert (instance.scheme.gamma, instance.scheme.potential) == (0.9, {"filled": 0.5})
    assert instance.scheme.truncation is Truncation.CLOSE
    assert instance.max_reward == components.max_reward == pytest.approx(1.0)


def test_components_are_not_shaped_unless_asked(load):
    scheme = load("reward: {mode: components, weights: {goal: 1.0}}").instantiate(0).scheme
    assert scheme.shaping is Shaping.NONE


@pytest.mark.parametrize("more", ["", "reward: {shaping: none}", COMPONENTS])
def test_it_round_trips(load, more):
    task = load(more)
    assert Task.model_validate(json.loads(task.model_dump_json(by_alias=True))) == task
    assert task.instantiate(3) == task.instantiate(3)


def test_a_preset_out_of_order_warns_once_and_works(load):
    text = "reward: {mode: components, weights: reference}"
    with pytest.warns(WeightOrderWarning, match="goal 0.2, file 0.3, ui 0.2") as caught:
        task = load(text)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(3):
            assert task.instantiate(seed).max_reward == pytest.approx(0.1 + 0.3 + 0.2)


@pytest.mark.parametrize(
    ("more", "below", "words"),
    [
        ("reward: {mode: component}", 0, "reward.mode: expected milestones or components"),
        ("reward: {shaping: potental}", 0, "input should be 'none', 'raw' or 'potential', got 'potental'"),
        ("reward:\n  shaping: potential\n  gamma: 1.5", 2, "reward.gamma: input should be less than or equal to 1"),
        ("reward:\n  gamma: 0.9", 0, "expected gamma only beside `shaping: potential`, got `shaping: raw`"),
        ("reward:\n  potential: {filled: 1}", 0, "expected potential only beside"),
        ("reward:\n  truncation: close", 0, "expected truncation only beside"),
        ("reward:\n  shaping: potential\n  potential:\n    filld: 1", 3, "'filld'; did you mean 'filled'?"),
        ("reward:\n  clicks: [{name: x}]", 0, "reward.clicks needs `mode: components` beside it"),
        ("reward:\n  shapng: none", 1, "unknown key 'shapng' in reward; did you mean 'shaping'?"),
        ("reward:\n  mode: components", 0, "reward.weights is missing"),
        ("reward:\n  mode: components\n  weights: refernce", 2, r"name of a preset (reference), got 'refernce'"),
        ("reward:\n  mode: components\n  weights:\n    goal: 0.9", 2, "expected weights that sum to 1"),
        ("reward:\n  mode: components\n  weights:\n    gaol: 0.9", 3, "did you mean 'goal'?"),
        ("reward:\n  mode: components\n  weights: {goal: 1}\n  shaping: raw", 3, "reward.shaping: input should be"),
        ("reward:\n  mode: components\n  weights: {goal: 1}\n  clicks:\n    - nme: x", 4, "did you mean 'name'?"),
        ("reward:\n  mode: components\n  weights: {goal: 1}\n  files:\n    - {pat: x, path: y}", 4, "mean 'path'?"),
        ("reward:\n  mode: components\n  weights: {goal: 1}\n  fields:\n    Name: '{persn}'", 4, "mean 'person'?"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(load, more, below, words):
    with pytest.raises(TaskError) as caught:
        load(more)
    assert words in str(caught.value)
    line = SOURCE.count("\n") + 1 + below
    assert f"t.yaml:{line}:" in str(caught.value)


def test_success_that_would_pay_nothing_is_refused(load):
    poor = SOURCE.replace("reward: 0.75", "reward: 0").replace('value: "{person}",', 'value: "{person}", reward: 0,')
    assert load(source=poor).instantiate(0).max_reward == 0
    with pytest.raises(TaskError, match="expected a milestone with a reward above zero"):
        load("reward: {shaping: none}", source=poor)


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "501"])
def test_expiry_is_a_number_of_steps(load, value):
    with pytest.raises(TaskError, match=r"milestones\.0\.expires_after"):
        load(source=SOURCE.replace("expires_after: 3", f"expires_after: {value}"))


def test_the_schema_knows_it():
    jsonschema = pytest.importorskip("jsonschema")
    check = jsonschema.Draft202012Validator(Task.model_json_schema())
    for more in ("", "reward: {shaping: none}", COMPONENTS, "reward: {mode: components, weights: reference}"):
        check.validate(yaml.safe_load(SOURCE + more))
    for more in ("reward: {shapng: none}", "reward: {mode: components}", "reward: {clicks: []}"):
        assert list(check.iter_errors(yaml.safe_load(SOURCE + more))), more
