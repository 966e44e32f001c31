"""Milestones that a judge or the learned model answers for: how they are written, and that no rule pays for them."""

from __future__ import annotations

import pytest
import yaml

from milepost.envs import Task, load_tasks
from milepost.envs.explain import explain
from milepost.rewards.records_json import milestone_from_json, milestone_to_json
from milepost.rewards.scorer import Scorer
from milepost.rewards.semantic import Rubric
from milepost.rewards.spec import BoundDetector
from milepost.rewards.types import Source
from milepost.sandbox.errors import TaskError

from ..rewards.scenes import moments, page

TASK = """
name: sum-up
family: writing
description: Write down what an article says.
app: library
start: /
goal: 'Write into "note.txt" what the article about {topic} says.'
max_steps: 6
parameters: {topic: {choice: [bikes, boats]}}
milestones:
  - {id: written, detector: file_created, reward: 0.5, path: note.txt}
  - id: faithful
    source: judge
    reward: 1.0
    rubric: 'The note says what the article about {topic} says.'
    truth: '{topic}'
    after: [written]
oracle: ['write_file("note.txt", "About {topic}.")', 'done("")']
"""


def load(text: str, tmp_path) -> Task:
    path = tmp_path / "task.yaml"
    path.write_text(text)
    (task,) = load_tasks(path)
    return task


def changed(**changes: object) -> str:
    data = yaml.safe_load(TASK)
    data["milestones"][1].update(changes)
    data["milestones"][1] = {k: v for k, v in data["milestones"][1].items() if v is not None}
    return yaml.safe_dump(data, sort_keys=False)


def test_it_is_written_without_a_detector_and_filled(tmp_path):
    task = load(TASK, tmp_path)
    instance = task.instantiate(0)
    judged = instance.milestones[1]
    assert judged.source is Source.JUDGE
    assert isinstance(judged.detector, BoundDetector)
    assert isinstance(judged.detector.spec, Rubric)
    assert judged.detector.spec.rubric == f"The note says what the article about {instance.parameters['topic']} says."
    assert judged.detector.spec.truth == instance.parameters["topic"]
    assert instance.judged == {"faithful"}
    assert (instance.max_reward, instance.rule_reward) == (1.5, 0.5)
    assert instance.rule_success == {"written"}
    again = Task.model_validate(task.model_dump(mode="json"))
    assert again == task


def test_no_rule_pays_for_it():
    milestones = Task.model_validate(yaml.safe_load(TASK)).instantiate(0).milestones
    scorer = Scorer([m for m in milestones if m.source is not Source.RULE and not m.after] or milestones)
    total = sum(scorer.update(moment).total or 0.0 for moment in moments(([], page("/")), ([], page("/a"))))
    assert total == 0.0
    assert not scorer.succeeded


def test_a_ledger_keeps_it():
    milestone = Task.model_validate(yaml.safe_load(TASK)).instantiate(1).milestones[1]
    assert milestone_from_json(milestone_to_json(milestone)) == milestone


def test_it_is_explained(tmp_path):
    (_, row) = explain(load(TASK, tmp_path), 0).milestones
    assert "judged to be so when the episode is over" in row.sentence
    assert "An LLM judge answers for it." in row.sentence


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (changed(source=None), "beside a `rubric`"),
        (changed(source="oracle"), "source.*'rule', 'model' or 'judge'"),
        (changed(rubric=None), "rubric is missing"),
        (changed(ends_episode=True), "can neither end it nor expire"),
        (changed(expires_after=3), "can neither end it nor expire"),
        (changed(detector="title_matches", title="A", rubric=None, truth=None), "a detector is a rule's"),
        (TASK.replace("path: note.txt}", "path: note.txt, after: [faithful]}").replace("    after: [written]\n", ""),
         "cannot come after 'faithful'"),
        (TASK + "reward: {mode: milestones, shaping: none}\n", "pay one by one"),
        (TASK.replace("{id: written, detector: file_created, reward: 0.5, path: note.txt}",
                      "{id: written, detector: all, reward: 0.5, of: [{detector: rubric, rubric: So.}]}"),
         "no part of a detector"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(text, words, tmp_path):
    with pytest.raises(TaskError, match=words):
        load(text, tmp_path)
