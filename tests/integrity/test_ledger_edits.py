"""Ledgers of real episodes, edited so as to claim what was not earned: re-scoring refuses each, and says where."""

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from milepost.rewards.detectors import DETECTOR_ADAPTER
from milepost.rewards.ledger import LedgerWriter, read_ledger, rescore
from milepost.rewards.spec import BoundDetector
from milepost.rewards.tracker import Tracker
from milepost.rewards.types import Moment
from milepost.sandbox.errors import RewardError
from milepost.sandbox.events import Event
from milepost.sandbox.snapshot import Snapshot

from .attacks import Family
from .stage import Stage, play_on

pytestmark = pytest.mark.browser  # the episodes that they record are real

ledgers = Family("Edited ledgers", __name__)
REPLAYED = "every reward is computed again from the recorded events and snapshots, and compared"
WITH_TASK = "`rescore` is given the task's own milestones, not those that the file brings"
EDITED = "re-scored 0\\.0|re-score to|expected step|hash|chain"  # what a line, or the chain of lines, is refused for
CHAIN = "each record's hash holds the one before (needs a ledger with a hash chain, and its last hash kept elsewhere)"

WHO = ("Ada", "Alan", "Grace", "Kurt", "Emmy")
NAMING = Stage(
    name="naming",
    parameters={"person": {"choice": list(WHO)}},
    milestones=[
        {"id": "named", "catalogue": "field_filled", "name": "Name", "value": "{person}"},
        {"id": "wiped", "detector": "clicked", "reward": -0.5, "forbidden": True, "name": "Wipe"},
        {"id": "sent", "detector": "clicked", "reward": 0.25, "name": "Send", "after": ["named"]},
    ],
    honest=['fill("Name", "{person}")', 'click("Send")'],
    success=["sent"],
    pages={"/": "<title>Naming</title><label>Name <input></label><button>Send</button><button>Wipe</button>"},
)
SEED = 3
TASK = NAMING.task().instantiate(SEED)
OTHER_SEED = next(seed for seed in range(99) if NAMING.task().instantiate(seed).parameters != TASK.parameters)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Ledgers by name: of the honest way, of a wrong name, of a fault, and of another seed."""
    env = NAMING.make(ledger_dir=tmp_path_factory.mktemp("ledgers"))
    plays = {
        "honest": (SEED, TASK.oracle),
        "wrong": (SEED, ['fill("Name", "Nobody")', 'click("Send")', 'done("success")']),
        "fault": (SEED, [TASK.oracle[0], 'click("Wipe")', "noop()", 'done("")']),
        "other": (OTHER_SEED, NAMING.task().instantiate(OTHER_SEED).oracle),
    }
    found = {}
    for name, (seed, actions) in plays.items():
        played = play_on(env, actions, seed=seed)
        found[name] = (Path(played.info["ledger_path"]), played.earned[0])
    env.close()
    return found


@pytest.fixture
def copy(recorded, tmp_path):
    """Return a function that gives a copy of a recorded ledger to edit."""

    def of(name):
        path = tmp_path / f"{name}.jsonl"
        path.write_bytes(recorded[name][0].read_bytes())
        return path

    return of


@pytest.fixture
def chained(recorded):
    """Skip what only a hash chain can notice where the ledger's format has none."""
    if records(recorded["honest"][0])[0]["format"] < 2:
        pytest.skip("the ledger of this version has no hash chain")


def records(path):
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def write(path, changed):
    path.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in changed))


def steps_of(changed):
    return [record for record in changed if record["record"] == "step"]


def forge(path, target, milestones):
    """Write an episode anew, whole and consistent in itself, as if these milestones had been the task's."""
    ledger = read_ledger(path)
    tracker = Tracker(milestones)
    writer = LedgerWriter(
        target, task=ledger.header.task, version=ledger.header.version, seed=ledger.header.seed,
        parameters=ledger.header.parameters, milestones=milestones,
    )  # fmt: skip
    history: list[Event] = []
    previous: Snapshot | None = None
    for step in ledger.steps:
        history += step.events
        moment = Moment(
            step=step.step, events=step.events, history=tuple(history), snapshot=step.snapshot, previous=previous,
            parameters=ledger.header.parameters,
        )  # fmt: skip
        writer.write_step(moment, tracker.update(moment), action=step.action, error=step.error)
        previous = step.snapshot
    writer.finish(stop_reason="success", success=True)
    return target


def test_the_honest_ledger_rescores_to_what_was_paid(recorded):
    assert {name: round(paid, 9) for name, (_, paid) in recorded.items()} == {
        "honest": 0.45,
        "wrong": 0.0,
        "fault": -0.3,
        "other": 0.45,
    }
    for name, (path, paid) in recorded.items():
        milestones = NAMING.task().instantiate(OTHER_SEED if name == "other" else SEED).milestones
        assert sum(reward.total or 0 for reward in rescore(path, milestones)) == pytest.approx(paid)


@ledgers.attack("raised-total", tries="raises what a step was paid", defence=REPLAYED)
def test_raised_total(copy):
    path = copy("wrong")
    changed = records(path)
    steps_of(changed)[1]["reward"]["total"] = 0.2
    write(path, changed)
    with pytest.raises(RewardError, match=EDITED):
        rescore(path)


@ledgers.attack(
    "added-milestone", tries="adds a milestone to a step, with the evidence of an honest episode", defence=REPLAYED
)
def test_added_milestone(copy):
    path = copy("wrong")
    changed, honest = records(path), records(copy("honest"))
    steps_of(changed)[1]["reward"] = steps_of(honest)[1]["reward"]
    changed[-1].update(total=0.2, success=True, stop_reason="success")
    write(path, changed)
    with pytest.raises(RewardError, match=EDITED):
        rescore(path)


@ledgers.attack(
    "raised-footer", tries="raises the episode's total", defence="the total is the sum of what is re-scored"
)
def test_raised_footer(copy):
    path = copy("wrong")
    changed = records(path)
    changed[-1].update(total=0.45, success=True)
    write(path, changed)
    with pytest.raises(RewardError, match=EDITED):
        rescore(path)


@ledgers.attack(
    "repeated-step", tries="records the step that paid a second time", defence=f"{REPLAYED}, latching included"
)
def test_repeated_step(copy):
    path = copy("fault")
    changed = records(path)
    paid = orjson.loads(orjson.dumps(steps_of(changed)[1]))
    paid["step"] = 2
    for event in paid["events"]:
        event["step"] = 2
    changed[3] = paid  # in place of the fault
    changed[-1]["total"] = 0.4
    write(path, changed)
    with pytest.raises(RewardError, match=EDITED):
        rescore(path)


@ledgers.attack(
    "removed-fault", tries="takes out the step of a fault, and counts the others anew",
    defence="the steps that followed no longer fit what was before them, or the chain is broken",
)  # fmt: skip
def test_removed_fault(copy):
    path = copy("fault")
    changed = records(path)
    del changed[3]
    changed[-1]["total"] = 0.2
    write(path, changed)
    with pytest.raises(RewardError, match=EDITED):
        rescore(path)


@ledgers.attack("raised-reward", tries="writes a higher reward into the file's own task, and into every step",
                defence=WITH_TASK)  # fmt: skip
def test_raised_reward(copy, tmp_path):
    generous = [replace(m, reward=10 * m.reward if m.reward > 0 else 0.0) for m in TASK.milestones]
    path = forge(copy("honest"), tmp_path / "forged", generous)
    assert sum(reward.total or 0 for reward in rescore(path)) == pytest.approx(4.5)  # by its own account
    with pytest.raises(RewardError, match=r"step 1: recorded reward 2\.0, re-scored 0\.2"):
        rescore(path, TASK.milestones)


@ledgers.attack("loosened-detector", tries="loosens a detector in the file, so that the wrong value is right",
                defence=WITH_TASK)  # fmt: skip
def test_loosened_detector(copy, tmp_path):
    anything = {"kind": "field_filled", "name": "Name", "value_pattern": ".+"}
    loose = BoundDetector(spec=DETECTOR_ADAPTER.validate_python(anything))
    milestones = [replace(m, detector=loose) if m.id == "named" else m for m in TASK.milestones]
    path = forge(copy("wrong"), tmp_path / "forged", milestones)
    assert sum(reward.total or 0 for reward in rescore(path)) == pytest.approx(0.45)
    with pytest.raises(RewardError, match=r"step 1: recorded reward 0\.2, re-scored 0\.0"):
        rescore(path, TASK.milestones)


@ledgers.attack(
    "dropped-prerequisites", tries="takes away what a milestone comes after, and the fault", defence=WITH_TASK
)
def test_dropped_prerequisites(copy, tmp_path):
    free = [replace(m, after=()) for m in TASK.milestones if not m.forbidden]
    path = forge(copy("wrong"), tmp_path / "forged", free)
    assert sum(reward.total or 0 for reward in rescore(path)) == pytest.approx(0.25)
    with pytest.raises(RewardError, match=r"step 2: recorded reward 0\.25, re-scored 0\.0"):
        rescore(path, TASK.milestones)


@ledgers.attack("another-instance", tries="hands in the honest ledger of another seed", defence=WITH_TASK)
def test_another_instance(copy):
    with pytest.raises(RewardError, match=r"step 1: recorded reward 0\.2, re-scored 0\.0"):
        rescore(copy("other"), TASK.milestones)


@ledgers.attack(
    "no-number", tries="records rewards that are no numbers, or none that can be compared",
    defence="a record that does not fit the format is refused; a step without a reward is none",
)  # fmt: skip
def test_no_number(copy):
    for value in ("Infinity", "NaN", '"0.45"', "[0.45]", "true", "1e999", "null"):
        path = copy("wrong")
        path.write_bytes(
            path.read_bytes().replace(b'"total":0.0,"milestones"', b'"total":%s,"milestones"' % value.encode())
        )
        with pytest.raises(RewardError):
            rescore(path)


def consistently(changed, honest):
    """Change what happened, what was seen and what was paid, together, line by line."""
    for step in (1, 2):
        for key in ("events", "snapshot", "reward"):
            steps_of(changed)[step][key] = steps_of(honest)[step][key]
    changed[-1].update(total=0.45, success=True, stop_reason="success")
    return changed


@pytest.mark.usefixtures("chained")
@ledgers.attack(
    "rewritten-history",
    tries="changes events, snapshot and reward together, so that they fit each other",
    defence=CHAIN,
)
def test_rewritten_history(copy):
    path = copy("wrong")
    write(path, consistently(records(path), records(copy("honest"))))
    with pytest.raises(RewardError):
        rescore(path)


@pytest.mark.usefixtures("chained")
@ledgers.attack("spliced-episodes", tries="puts the steps of an honest episode under another's header", defence=CHAIN)
def test_spliced_episodes(copy):
    path = copy("wrong")
    honest = records(copy("honest"))
    write(path, [*records(path)[:2], *honest[2:]])
    with pytest.raises(RewardError):
        rescore(path)


@pytest.mark.usefixtures("chained")
@ledgers.attack("cut-before-the-fault", tries="cuts the ledger off before a fault, and writes a new end", defence=CHAIN)
def test_cut_before_the_fault(copy):
    path = copy("fault")
    changed = records(path)
    footer = changed[-1] | {"total": 0.2, "success": False}
    write(path, [*changed[:3], footer])
    with pytest.raises(RewardError):
        rescore(path)
