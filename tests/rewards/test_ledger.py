"""A ledger replays to the same numbers, survives a kill, and shows tampering."""

import os
import stat
from typing import Any

import orjson
import pytest

from milepost.rewards.catalogue import CATALOGUE
from milepost.rewards.components import Components
from milepost.rewards.detectors import DETECTOR_ADAPTER
from milepost.rewards.ledger import LedgerWriter, read_ledger, rescore
from milepost.rewards.scorer import RewardScheme, Scorer
from milepost.rewards.shaping import Shaping, Truncation
from milepost.rewards.tracker import Tracker
from milepost.rewards.types import Ending, Evidence, Milestone, StepReward
from milepost.sandbox.errors import LedgerTamperedError, RewardError, RunError

from .scenes import click, el, file, moments, page, pictured, request, sha
from .written import PARAMETERS, WHO, as_format_1, edit, episode, milestones, remake, write


def test_a_ledger_rescored_gives_the_same_numbers(tmp_path):
    path = tmp_path / "deep" / "a.jsonl"
    paid = write(path)
    assert paid[0] == 0
    assert [round(x, 9) for x in paid[1:]] == [0.1, 1.0, 0.6]  # m0; m1, m2 and m4; m5
    again = rescore(path)
    assert [reward.total for reward in again] == paid
    assert [reward.total for reward in rescore(path, milestones())] == paid
    recorded = read_ledger(path)
    assert tuple(again) == tuple(step.reward for step in recorded.steps)
    assert [step.action for step in recorded.steps] == ["step 0", "step 1", "step 2", "step 3"]
    assert [step.snapshot for step in recorded.steps] == [moment.snapshot for moment in episode()]
    assert [step.events for step in recorded.steps] == [moment.events for moment in episode()]
    assert recorded.footer is not None
    assert recorded.footer.total == pytest.approx(sum(paid))
    assert (recorded.header.task, recorded.header.seed, recorded.torn) == ("expense-form", 7, False)


@pytest.mark.parametrize(
    ("line", "change", "message"),
    [
        (2, lambda r: r["reward"].update(total=5.0), r"step 1: recorded reward 5.0, re-scored 0.1"),
        (
            2,
            lambda r: r["snapshot"]["elements"][0].__setitem__(3, "Ada"),
            r"step 1: recorded reward 0.1, re-scored 0.0",
        ),
        (2, lambda r: r.update(events=[]), r"step 1: recorded reward 0.1, re-scored 0.0"),
        (
            3,
            lambda r: r["snapshot"]["app_state"]["set"].update(expenses=[]),
            r"step 2: recorded reward 1.0.*, re-scored 0.8",
        ),
        (2, lambda r: r["reward"]["milestones"][0].update(id="m9"), r"step 1: recorded milestones m9, re-scored m0"),
        (
            2,
            lambda r: r["reward"]["milestones"][0]["evidence"].update(summary="!"),
            r"step 1: the evidence recorded for m0",
        ),
        (5, lambda r: r.update(total=9.0), r"footer says a total of 9.0"),
        (0, lambda r: r["milestones"][0].update(reward=0.4), r"step 1: recorded reward 0.1, re-scored 0.4"),
        (3, lambda r: r.update(step=7), r":4: expected step 2, got step 7"),
        (0, lambda r: r["milestones"][0]["detector"].update(kind="magic"), r"does not fit the ledger's format"),
        (2, lambda r: r["events"][0].update(kind="magic"), r"unknown event kind 'magic'"),
        (
            0,
            lambda r: r.update(format=99),
            r"expected a ledger's header of format 2, sealed, .* got 'header' of format 99",
        ),
        (0, lambda r: r.update(format=1), r"expected a ledger's header of format 2, sealed"),
    ],
)
def test_tampering_is_named_by_its_line_and_behind_a_chain_made_anew_by_its_effect(tmp_path, line, change, message):
    path = tmp_path / "a.jsonl"
    write(path)
    edit(path, line, change)
    with pytest.raises(LedgerTamperedError, match=f"a.jsonl: line {line + 1} was edited"):
        rescore(path)
    remake(path)
    with pytest.raises(RewardError, match=message):
        rescore(path)


PICTURES = [
    {"kind": "region_changed", "region": [0, 0, 40, 40], "since": "reset"},
    {"kind": "request_sent", "path": "/save", "body_query": "name", "equals": "{who}", "status": "2xx"},
    {"kind": "element_gone", "role": "row", "name": "{who}", "after_input": True},
    {"kind": "process_ran", "command": "x", "exit_code": "any"},
]


def pictured_episode():
    row, dialog = el(1, "row", WHO), el(2, "dialog", "Sure?")
    sent = request("POST", "/save", 201, orjson.dumps({"name": WHO}).decode())
    return moments(
        ([], pictured(page("/", row), [0, 0, 40, 40], (0, 0, 0))),
        ([click("button", "Delete")], pictured(page("/", dialog), [0, 0, 40, 40], (0, 0, 0))),
        ([click("button", "Yes"), sent], pictured(page("/"), [0, 0, 40, 40], (0, 99, 0))),
        parameters=PARAMETERS,
    )


def write_pictured(path) -> list[float | None]:
    detectors = [DETECTOR_ADAPTER.validate_python(spec).build(PARAMETERS) for spec in PICTURES]
    tracker = Tracker([Milestone(id=f"p{i}", description="", detector=d, reward=1.0) for i, d in enumerate(detectors)])
    ledger = LedgerWriter(path, task="t", version=0, seed=0, parameters=PARAMETERS, milestones=tracker.milestones)
    totals = []
    for moment in pictured_episode():
        reward = tracker.update(moment)
        totals.append(reward.total)
        ledger.write_step(moment, reward)
    ledger.close()
    return totals


def test_pictures_bodies_and_what_lies_behind_dialogs_are_rescored(tmp_path):
    path = tmp_path / "a.jsonl"
    assert write_pictured(path) == [0, 0, 3]
    assert [reward.total for reward in rescore(path)] == [0, 0, 3]
    recorded = read_ledger(path)
    assert [step.snapshot for step in recorded.steps] == [moment.snapshot for moment in pictured_episode()]
    assert [step.events for step in recorded.steps] == [moment.events for moment in pictured_episode()]
    edit(path, 3, lambda r: r["snapshot"].update(regions={"set": {}, "drop": ["0,0,40,40"]}))
    remake(path)
    with pytest.raises(RewardError, match=r"step 2: recorded reward 3.0.*, re-scored 2.0"):
        rescore(path)


def test_a_ledger_from_before_pictures_and_bodies_reads(tmp_path):
    path = tmp_path / "a.jsonl"
    paid = write(path)
    as_format_1(path, episode())
    lines = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    for line in lines[1:-1]:
        del line["snapshot"]["regions"]
        for event in line["events"]:
            event.pop("body", None)
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    assert [reward.total for reward in rescore(path)] == paid
    assert [step.snapshot.regions for step in read_ledger(path).steps] == [{}] * len(paid)


def test_a_line_taken_out_is_noticed(tmp_path):
    path = tmp_path / "a.jsonl"
    write(path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2] + lines[3:]))
    with pytest.raises(LedgerTamperedError, match="taken out between lines 2 and 3"):
        rescore(path)
    remake(path)
    with pytest.raises(RewardError, match="expected step 1, got step 2"):
        rescore(path)


def test_every_prefix_of_a_killed_episode_reads_and_rescores(tmp_path):
    whole = tmp_path / "whole.jsonl"
    paid = write(whole, footer=False)
    raw = whole.read_bytes()
    ends = [i + 1 for i, byte in enumerate(raw) if byte == ord("\n")]
    for end in [ends[0], *range(ends[1], len(raw), 101), len(raw)]:
        part = tmp_path / "part.jsonl"
        part.write_bytes(raw[:end])
        ledger = read_ledger(part)
        assert ledger.torn == (end not in ends)
        assert ledger.footer is None
        assert [reward.total for reward in rescore(part)] == paid[: sum(e <= end for e in ends) - 1]


def test_each_step_is_on_disk_before_the_next(tmp_path):
    tracker = Tracker(milestones())
    ledger = LedgerWriter(tmp_path / "a", task="t", version=0, seed=0, parameters={}, milestones=tracker.milestones)
    for moment in episode():
        ledger.write_step(moment, tracker.update(moment))
        assert len(read_ledger(tmp_path / "a").steps) == moment.step + 1
    ledger.close()


def test_a_broken_line_within_is_an_error(tmp_path):
    path = tmp_path / "a.jsonl"
    write(path)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"step":1', b'"step":', 1))
    with pytest.raises(LedgerTamperedError, match="line 3 was edited"):
        read_ledger(path)
    path.write_bytes(whole)
    as_format_1(path, episode())
    path.write_bytes(path.read_bytes().replace(b'"step":1', b'"step":', 1))
    with pytest.raises(RewardError, match=r"a\.jsonl:3: expected a line of JSON"):
        read_ledger(path)


def test_format_1_still_reads_and_rescores_and_says_that_it_is_not_sealed(tmp_path):
    path = tmp_path / "a.jsonl"
    paid = write(path)
    sealed = read_ledger(path)
    as_format_1(path, episode())
    ledger = read_ledger(path)
    assert (sealed.format, sealed.sealed, ledger.format, ledger.sealed, ledger.head) == (2, True, 1, False, None)
    assert [step.snapshot for step in ledger.steps] == [step.snapshot for step in sealed.steps]
    assert [reward.total for reward in rescore(path)] == paid


def test_the_writer_knows_the_hash_that_stands_for_the_episode(tmp_path):
    tracker = Tracker(milestones())
    ledger = LedgerWriter(tmp_path / "a", task="t", version=0, seed=0, parameters={}, milestones=tracker.milestones)
    hashes = [ledger.last_hash]
    for moment in episode():
        ledger.write_step(moment, tracker.update(moment))
        hashes.append(ledger.last_hash)
    ledger.finish(stop_reason="done", success=True)
    assert len(set(hashes)) == len(hashes)
    assert read_ledger(tmp_path / "a").head == ledger.last_hash


def test_evidence_says_where_and_when_it_was_seen(tmp_path):
    write(tmp_path / "a")
    paid = read_ledger(tmp_path / "a").steps
    where = {result.id: result.evidence.where for step in paid for result in step.reward.milestones}
    assert where == {
        "m0": {"step": 1, "url": "http://shop.local/", "ref": 1, "frame": 0, "event": 0},
        "m1": {
            "step": 2,
            "url": "http://shop.local/done/1?t=12.50",
            "query": """expenses[?name == `"O'Neill \\u007bx\\u007d \\u0060\\u005c"`] | [0].amount""",
        },
        "m2": {"step": 2, "url": "http://shop.local/done/1?t=12.50", "event": 2},
        "m4": {"step": 2, "url": "http://shop.local/done/1?t=12.50", "ref": 2, "frame": 0},
        "m5": {"step": 3, "url": "http://shop.local/done/1", "event": 0},
    }


@pytest.mark.parametrize("content", [b"", b"{}\n", b"[]\n", b"half"])
def test_what_is_no_ledger_is_refused(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(RewardError, match="expected a"):
        read_ledger(tmp_path / "a")
    with pytest.raises(RewardError, match="check the path"):
        read_ledger(tmp_path / "none")


def test_a_detector_that_is_code_needs_the_milestones(tmp_path):
    coded = Milestone(id="a", description="", detector=lambda m: Evidence(summary="x") if m.step else None, reward=1.0)
    ledger = LedgerWriter(tmp_path / "a", task="t", version=0, seed=0, parameters={}, milestones=[coded])
    tracker = Tracker([coded])
    for moment in episode():
        ledger.write_step(moment, tracker.update(moment))
    ledger.finish(stop_reason=None, success=False, failure="page_hung")
    with pytest.raises(RewardError, match="give rescore the task's milestones"):
        rescore(tmp_path / "a")
    assert [reward.total for reward in rescore(tmp_path / "a", [coded])] == [0, 1, 0, 0]


def test_an_unwritable_folder_says_what_to_do(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(RunError, match=r"cannot write the ledger .*make the folder writable, or choose another one"):
        LedgerWriter(blocked / "a.jsonl", task="t", version=0, seed=0, parameters={}, milestones=[])
    if os.geteuid() != 0:
        tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
        with pytest.raises(RunError, match="Permission denied"):
            LedgerWriter(tmp_path / "a.jsonl", task="t", version=0, seed=0, parameters={}, milestones=[])


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_says_what_to_do():
    with pytest.raises(RunError, match="No space left"):
        LedgerWriter("/dev/full", task="t", version=0, seed=0, parameters={}, milestones=[])


def test_state_that_is_not_json_is_named(tmp_path):
    ledger = LedgerWriter(tmp_path / "a", task="t", version=0, seed=0, parameters={}, milestones=[])
    tracker = Tracker([])
    (moment,) = moments(([], page(state={"when": {1, 2}})))
    with pytest.raises(RewardError, match="JSON-ready"):
        ledger.write_step(moment, tracker.update(moment))
    ledger.close()


SHAPED = RewardScheme(
    success=frozenset({"m5"}), shaping=Shaping.POTENTIAL, gamma=0.9, potential={"m0": 0.5}, truncation=Truncation.CLOSE
)
COMPONENTS = Components.model_validate(
    {
        "weights": {"nav": 0.1, "ui": 0.1, "form": 0.2, "file": 0.2, "goal": 0.4},
        "pages": ["/done/*"],
        "clicks": [{"role": "button", "name": "Go"}],
        "fields": {"Name": "{who}"},
        "files": [{"path": "*.csv", "download_only": True}],
    }
).filled(PARAMETERS)
BY_COMPONENTS = RewardScheme(success=frozenset({"m5"}), components=COMPONENTS, shaping=Shaping.POTENTIAL)


def write_by(path, scheme: RewardScheme, *, last: Ending | None = None) -> list[StepReward]:
    scorer = Scorer(milestones(), scheme)
    ledger = LedgerWriter(
        path, task="t", version=0, seed=7, parameters=PARAMETERS, milestones=milestones(), scheme=scheme
    )
    rewards = []
    for moment in episode()[:3]:
        rewards.append(scorer.update(moment, last if moment.step == 2 else None))
        ledger.write_step(moment, rewards[-1])
    ledger.finish(stop_reason=None, success=scorer.succeeded)
    return rewards


@pytest.mark.parametrize("last", [None, *Ending])
@pytest.mark.parametrize("scheme", [RewardScheme(), SHAPED, BY_COMPONENTS], ids=["raw", "shaped", "components"])
def test_every_way_to_pay_replays_from_the_file_alone(tmp_path, scheme, last):
    paid = write_by(tmp_path / "a", scheme, last=last)
    assert rescore(tmp_path / "a") == paid
    assert read_ledger(tmp_path / "a").header.scheme == scheme
    assert paid[-1].ending is last
    if scheme is SHAPED:
        assert paid[-1].shaping == pytest.approx(-0.5 if last is not None else 0.9 * 0.5 - 0.5)
    if scheme is BY_COMPONENTS:
        assert [part.component.value for part in paid[2].components] == ["nav", "ui", "file"]


@pytest.mark.parametrize(
    ("scheme", "line", "change", "message"),
    [
        (SHAPED, 3, lambda r: r["reward"].update(ending=None), "step 2: recorded reward"),
        (SHAPED, 0, lambda r: r["scheme"].update(gamma=0.5), "step 1: recorded reward"),
        (SHAPED, 2, lambda r: r["reward"].update(shaping=9.0), "step 1: recorded shaping 9.0, re-scored"),
        (BY_COMPONENTS, 3, lambda r: r["reward"]["components"].pop(), "step 2: recorded components"),
        (BY_COMPONENTS, 0, lambda r: r["scheme"]["components"].update(pages=[]), "step 2: recorded reward"),
    ],
)
def test_tampering_with_the_way_to_pay_is_named(tmp_path, scheme, line, change, message):
    write_by(tmp_path / "a", scheme, last=Ending.TERMINATED)
    edit(tmp_path / "a", line, change)
    remake(tmp_path / "a")
    with pytest.raises(RewardError, match=message):
        rescore(tmp_path / "a")


def test_another_scheme_is_held_against_the_record(tmp_path):
    write_by(tmp_path / "a", SHAPED)
    with pytest.raises(RewardError, match="step 1: recorded reward"):
        rescore(tmp_path / "a", scheme=RewardScheme())


def test_a_ledger_of_before_there_were_schemes_is_read_as_raw(tmp_path):
    path = tmp_path / "a"
    paid = write(path)
    as_format_1(path, episode())

    def older(record: dict[str, Any]) -> None:
        if record["record"] == "header":
            del record["scheme"]
            for milestone in record["milestones"]:
                del milestone["expires_after"]
        if record["record"] == "step":
            for key in ("components", "goal", "ending"):
                del record["reward"][key]

    for line in range(6):
        edit(path, line, older)
    assert [reward.total for reward in rescore(path)] == paid


def test_the_catalogue_is_the_eighteen():
    rewards = [entry.reward for entry in CATALOGUE.values()]
    assert rewards == [0.25, 0.25, 0.5, 0.2, 0.3, 0.5, 1.0, 0.5, 0.25, 0.25, 0.5, 1.0, 0.25, 0.25, 0.5, 0.25, 0.5, 0.5]
    assert sha("x") == file("x").sha256
