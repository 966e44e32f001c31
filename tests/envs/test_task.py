"""Tasks as data: parameters, instances, the JSON Schema."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from milepost.envs.actions import Fill, parse_action
from milepost.envs.milestone_spec import MilestoneSpec
from milepost.envs.task import Task, load_tasks
from milepost.rewards.catalogue import CATALOGUE
from milepost.rewards.detectors import DETECTORS
from milepost.rewards.file_detectors import FileCreated
from milepost.sandbox.errors import TaskError

SOURCE = """
name: file-claim
version: 2
family: form
description: File a claim.
app: expenses
start: "/new?for={person}"
goal: 'Claim {amount} for {person} at {merchant}, {nights} nights, tags {tags}.'
max_steps: 9
parameters:
  merchant: {choice: ["Café Luna", 'O"Neill \\ Sons', "Metro, {x}"]}
  nights: {integer: [1, 3]}
  amount: {decimal: [0.5, 2, 1]}
  first: {choice: [Ada, Alan]}
  person: {template: "{first} Byron"}
  decoy: {sample: {from: [Metro, "Café Luna", Lidl], distinct_from: [merchant]}}
  tags: {sample: {from: [a, b, c], count: 2}}
milestones:
  - {id: filled, catalogue: field_filled, name: Merchant, value: "{merchant}"}
  - {id: sent, catalogue: success_banner, text_contains: Saved, after: [filled]}
  - id: stored
    detector: server_state
    reward: 0.75
    query: "claims[?m == {merchant}]"
    after: [sent]
    ends_episode: true
  - {id: deleted, detector: clicked, name: Delete, reward: -0.5, forbidden: true}
oracle:
  - fill("Merchant", "{merchant}")
  - click("Submit")
near_miss:
  - {name: wrong, actions: ['fill("Merchant", "{decoy}")', click("Submit")], not_reached: [filled, stored]}
"""


@pytest.fixture
def task(tmp_path: Path) -> Task:
    (tmp_path / "t.yaml").write_text(SOURCE)
    return load_tasks(tmp_path / "t.yaml")[0]


def test_an_instance_is_filled(task: Task):
    for seed in range(30):
        instance = task.instantiate(seed)
        p = instance.parameters
        assert p["person"] == f"{p['first']} Byron"
        assert instance.start == f"/new?for={p['first']}%20Byron"
        tags = ", ".join(p["tags"])
        assert (
            instance.goal
            == f"Claim {p['amount']} for {p['person']} at {p['merchant']}, {p['nights']} nights, tags {tags}."
        )
        assert [m.id for m in instance.milestones] == ["filled", "sent", "stored", "deleted"]
        assert [m.reward for m in instance.milestones] == [0.2, 0.5, 0.75, -0.5]
        assert instance.success == {"filled", "sent", "stored"}
        assert instance.max_reward == pytest.approx(1.45)
        assert p["decoy"] != p["merchant"]
        action = parse_action(instance.oracle[0])
        assert isinstance(action, Fill)
        assert action.text == p["merchant"]
        assert instance.near_misses[0].not_reached == {"filled", "stored"}
        assert p["decoy"] in instance.near_misses[0].actions[0]


def test_a_seed_names_an_instance(task: Task):
    assert task.instantiate(5) == task.instantiate(5)
    drawn = {tuple(map(str, task.instantiate(seed).parameters.values())) for seed in range(200)}
    assert len(drawn) > 100


def test_a_seed_draws_the_same_values_for_ever(task: Task):
    assert dict(task.instantiate(7).parameters) == GOLDEN_SEED_7


GOLDEN_SEED_7 = {
    "merchant": "Metro, {x}",
    "nights": 2,
    "amount": "1.5",
    "first": "Alan",
    "person": "Alan Byron",
    "decoy": "Café Luna",
    "tags": ("c", "b"),
}


def test_a_parameter_added_at_the_end_leaves_the_others(task: Task):
    data = task.model_dump(by_alias=True)
    data["parameters"]["more"] = {"integer": [0, 9]}
    longer = Task.model_validate(data)
    for seed in range(20):
        assert {**longer.instantiate(seed).parameters, "more": 0} == {**task.instantiate(seed).parameters, "more": 0}


def test_every_value_is_within_its_bounds_and_all_occur(task: Task):
    drawn = [task.draw_parameters(seed) for seed in range(300)]
    assert {p["nights"] for p in drawn} == {1, 2, 3}
    assert {p["amount"] for p in drawn} == {f"{n / 10:.1f}" for n in range(5, 21)}
    assert {p["merchant"] for p in drawn} == {"Café Luna", 'O"Neill \\ Sons', "Metro, {x}"}
    assert {p["tags"] for p in drawn} == set(itertools.permutations("abc", 2))


def test_the_number_of_instances(task: Task):
    assert task.instance_count == 3 * 3 * 16 * 2 * 1 * 2 * 6


@given(low=st.integers(-1000, 1000), size=st.integers(0, 50), places=st.integers(0, 4), seed=st.integers(0, 2**32))
def test_decimals_are_exact(low, size, places, seed):
    from milepost.envs.parameters import Parameter

    scale = 10**places
    parameter = Parameter.model_validate({"decimal": [str(low / scale), str((low + size) / scale), places]})
    value = parameter.draw(np.random.default_rng(seed), {})
    assert low <= round(float(value) * scale) <= low + size
    assert len(value.partition(".")[2]) == places
    assert parameter.instance_count({}) == size + 1


def test_success_may_be_named(task: Task):
    data = task.model_dump(by_alias=True) | {"success": ["stored"]}
    assert Task.model_validate(data).instantiate(0).success == {"stored"}


def test_a_task_written_in_python_round_trips(task: Task):
    assert Task.model_validate(json.loads(task.model_dump_json(by_alias=True))) == task


def test_an_oracle_value_cannot_leave_its_quotes(task: Task):
    data = task.model_dump(by_alias=True)
    data["parameters"] = {
        "merchant": {"choice": ['"); goto("/evil']},
        "person": {"template": "x"},
        "decoy": {"template": "y"},
    }
    data["goal"] = "x"
    action = parse_action(Task.model_validate(data).instantiate(0).oracle[0])
    assert isinstance(action, Fill)
    assert (action.kind, action.text) == ("fill", '"); goto("/evil')


def test_too_few_values_left_is_a_task_error(task: Task):
    data = task.model_dump(by_alias=True)
    data["parameters"]["decoy"] = {"sample": {"from": ["Metro, {x}"], "distinct_from": ["merchant"]}}
    unlucky = Task.model_validate(data)
    with pytest.raises(TaskError, match=r"parameter 'decoy', seed 7: .*leaves 0 values.*add more"):
        unlucky.instantiate(7)
    with pytest.raises(TaskError, match="seed of zero or more, got -1"):
        task.instantiate(-1)


def test_the_schema_describes_milestones_as_they_are_written(task: Task):
    jsonschema = pytest.importorskip("jsonschema")
    schema = Task.model_json_schema()
    check = jsonschema.Draft202012Validator(schema)
    written = yaml.safe_load(SOURCE)
    check.validate(written)
    for change in ({"catalogue": "field_fild"}, {"valu": "x"}, {"reward": "much"}):
        broken = json.loads(json.dumps(written))
        broken["milestones"][0].update(change)
        assert list(check.iter_errors(broken)), change


def test_the_schema_names_every_catalogue_entry_and_detector():
    text = json.dumps(Task.model_json_schema())
    assert all(f'"catalogue: {name}"' in text for name in CATALOGUE)
    assert all(f'"detector: {kind}"' in text for kind in DETECTORS)
    assert all(kind in DETECTORS for entry in CATALOGUE.values() for kind in entry.kinds)


EXAMPLES: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    ({"detector": "url_loaded", "path": "/a", "load_state": "domcontentloaded"}, {"load_state": "networkidle"}),
    ({"detector": "element_gone", "role": "row", "same_document": False, "after_input": True}, {"reloaded": True}),
    ({"detector": "element_changed", "name": "a", "to_text": "b", "gained": ["invalid"]}, {"gained": "invalid"}),
    ({"detector": "dialog_closed", "text": "a", "accepted": True}, {"accepted": "maybe"}),
    ({"detector": "focused", "role": "textbox", "name_pattern": "a"}, {"nam": "a"}),
    (
        {"detector": "request_sent", "path": "/a/*", "status": "2xx", "body_query": "a", "equals": [1, {"b": None}]},
        {"status": "ok"},
    ),
    ({"detector": "process_ran", "command": "ls", "exit_code": "any"}, {"exit_code": 256}),
    ({"detector": "region_changed", "region": [0, 0, 9, 9], "since": "reset"}, {"region": [0, 0, 9]}),
    ({"detector": "tab_opened", "title_contains": "a"}, {"title_contains": ""}),
)


@pytest.mark.parametrize(("written", "mistake"), EXAMPLES, ids=[str(written["detector"]) for written, _ in EXAMPLES])
def test_a_detector_is_written_described_and_read_back_alike(written: dict[str, Any], mistake: dict[str, Any]):
    jsonschema = pytest.importorskip("jsonschema")
    check = jsonschema.Draft202012Validator(MilestoneSpec.model_json_schema())
    milestone = {"id": "m", "reward": 0.5, **written}
    check.validate(milestone)
    spec = MilestoneSpec.model_validate(milestone)
    fields = {key: value for key, value in written.items() if key != "detector"}
    assert spec.spec == DETECTORS[written["detector"]].model_validate(fields)
    assert MilestoneSpec.model_validate(json.loads(spec.model_dump_json())) == spec
    broken = {**milestone, **mistake}
    assert list(check.iter_errors(broken))
    with pytest.raises(ValidationError):
        MilestoneSpec.model_validate(broken)


def test_a_wrong_task_in_python_is_refused(task: Task):
    with pytest.raises(ValidationError, match="did you mean 'merchant'"):
        Task.model_validate(task.model_dump(by_alias=True) | {"goal": "{merchnt}"})


def test_presets_of_the_catalogue_can_be_overridden(task: Task):
    data = task.model_dump(by_alias=True)
    data["milestones"] = [
        {"id": "a", "catalogue": "file_downloaded", "path": "*"},
        {"id": "b", "catalogue": "file_downloaded", "path": "*", "download_only": False, "reward": 0.1},
    ]
    data["near_miss"] = []
    first, second = Task.model_validate(data).milestones
    assert isinstance(first.spec, FileCreated)
    assert isinstance(second.spec, FileCreated)
    assert (first.spec.download_only, first.reward, first.description) == (
        True,
        1.0,
        CATALOGUE["file_downloaded"].description,
    )
    assert (second.spec.download_only, second.reward) == (False, 0.1)


def test_several_tasks_in_a_file_and_in_a_folder(tmp_path: Path):
    (tmp_path / "a.yaml").write_text(SOURCE + "---" + SOURCE.replace("version: 2", "version: 3"))
    (tmp_path / "b.yml").write_text(SOURCE.replace("file-claim", "other"))
    assert [(t.name, t.version) for t in load_tasks(tmp_path)] == [("file-claim", 2), ("file-claim", 3), ("other", 2)]
    assert len(load_tasks(str(tmp_path / "*.yaml"))) == 2
