"""Every detector in Python says the same as in YAML; and any function of a moment is a detector."""

import pytest
import yaml
from pydantic import ValidationError

from milepost.envs.milestone_spec import MilestoneSpec
from milepost.rewards import Milestone, Tracker, detections, detectors, rescore
from milepost.rewards.detectors import DETECTORS
from milepost.rewards.ledger import LedgerWriter
from milepost.rewards.types import Evidence, Moment
from milepost.sandbox.errors import RewardError, TaskError

from .scenes import answered, changed, click, downloaded, el, file, loaded, moments, page, sha, submit, typed, went

WORDS = {"all": "all_of", "any": "any_of", "not": "not_"}
"""Kinds whose word Python keeps for itself."""


def episode() -> list[Moment]:
    """A little of everything happens."""
    form = [el(1, "textbox", "Name", value=""), el(2, "checkbox", "Agree"), el(3, "searchbox", "Find", value="")]
    filled = [el(1, "textbox", "Name", value="Ada"), el(2, "checkbox", "Agree", states=["checked"])]
    filled.append(el(3, "searchbox", "Find", value="bike"))
    results = [el(3, "searchbox", "Find", value="bike"), el(4, "list", "Results"), el(5, "listitem", "A bike", depth=1)]
    done = [el(6, "status", "Saved"), el(7, "dialog", "Submitted"), el(8, "heading", "Saved")]
    entries = [
        typed("textbox", "Name", "Ada"),
        click("checkbox", "Agree", ref=2),
        typed("searchbox", "Find", "bike", ref=3),
    ]
    state = {"saved": 1}
    return moments(
        ([went("/"), loaded("/")], page("/", *form)),
        (entries, page("/", *filled)),
        ([submit("Find"), went("/?q=bike"), loaded("/?q=bike")], page("/?q=bike", *results)),
        (
            [click("link", "A bike"), went("/bikes"), loaded("/bikes")],
            page("/bikes", *done, title="Bikes", state=state),
        ),
        ([downloaded("a.csv"), changed("created", "a.csv")], page("/bikes", *done, files=[file("a.csv")], state=state)),
        ([answered("17.5")], page("/bikes", *done, files=[file("a.csv")], state=state)),
        parameters={"who": "Ada"},
    )


FORMS = [
    ("{detector: url_loaded, path: /bikes}", detectors.url_loaded(path="/bikes"), [3]),
    ("{detector: element_present, role: heading}", detectors.element_present(role="heading"), [3]),
    ('{detector: field_filled, name: Name, value: "{who}"}', detectors.field_filled(name="Name", value="{who}"), [1]),
    ("{detector: fields_filled, fields: {Name: Ada}}", detectors.fields_filled(fields={"Name": "Ada"}), [1]),
    ("{detector: query_filled, value: bike}", detectors.query_filled(value="bike"), [1]),
    ("{detector: clicked, name: A bike}", detectors.clicked(name="A bike"), [3]),
    ("{detector: submit_dialog, text_contains: Sub}", detectors.submit_dialog(text_contains="Sub"), [3]),
    ("{detector: banner, text: Saved}", detectors.banner(text="Saved"), [3]),
    ("{detector: file_created, path: '*.csv'}", detectors.file_created(path="*.csv"), [4]),
    ("{detector: file_changed, path: '*', change: created}", detectors.file_changed(path="*", change="created"), [4]),
    (f"{{detector: file_matches, sha256: {sha('x')}}}", detectors.file_matches(sha256=sha("x")), [4]),
    ("{detector: directory_updated}", detectors.directory_updated(), [4]),
    ("{detector: results_rendered, query: bike}", detectors.results_rendered(query="bike"), [2]),
    ("{detector: entry_opened, name: A bike, path: /b*}", detectors.entry_opened(name="A bike", path="/b*"), [3]),
    ("{detector: answer, number: 17.5}", detectors.answer(number=17.5), [5]),
    ("{detector: server_state, query: saved, equals: 1}", detectors.server_state(query="saved", equals=1), [3]),
    ("{detector: title_matches, title: Bikes}", detectors.title_matches(title="Bikes"), [3]),
    ("{detector: toggle_changed, name: Agree}", detectors.toggle_changed(name="Agree"), [1]),
    ("{detector: dialog_closed, text: Submitted}", detectors.dialog_closed(text="Submitted"), []),
    (
        "{detector: element_changed, name: Agree, to_value: x}",
        detectors.element_changed(name="Agree", to_value="x"),
        [],
    ),
    ("{detector: element_gone, role: heading, name: x}", detectors.element_gone(role="heading", name="x"), []),
    ("{detector: focused, name: Name}", detectors.focused(name="Name"), []),
    ("{detector: process_ran, command: ls}", detectors.process_ran(command="ls"), []),
    ("{detector: region_changed, region: [0, 0, 9, 9]}", detectors.region_changed(region=(0, 0, 9, 9)), []),
    ("{detector: request_sent, path: /x}", detectors.request_sent(path="/x"), []),
    ("{detector: tab_opened, path: /x}", detectors.tab_opened(path="/x"), []),
    (
        "{detector: data_transferred, source: {role: heading, pattern: Sav}, target: {file: '*'}}",
        detectors.data_transferred(
            source=detectors.transfer_source(role="heading", pattern="Sav"), target=detectors.transfer_target(file="*")
        ),
        [],
    ),
    (
        "{detector: all, of: [{detector: url_loaded, path: /bikes}, {detector: file_created, path: '*'}]}",
        detectors.all_of(detectors.url_loaded(path="/bikes"), detectors.file_created(path="*")),
        [4],
    ),
    (
        "{detector: any, of: [{detector: banner, text: Saved}, {detector: clicked, name: Agree}]}",
        detectors.any_of(detectors.banner(text="Saved"), detectors.clicked(name="Agree")),
        [1, 3],
    ),
    (
        "{detector: not, of: {detector: element_present, role: searchbox}, now: true}",
        detectors.not_(detectors.element_present(role="searchbox"), now=True),
        [3],
    ),
    (
        "{detector: then, strict: true, steps: [{detector: clicked, name: Agree}, {detector: file_created, path: a*}]}",
        detectors.then(detectors.clicked(name="Agree"), detectors.file_created(path="a*"), strict=True),
        [4],
    ),
    (
        "{detector: count, of: {detector: clicked, name_pattern: '.*'}, times: 2, distinct: name}",
        detectors.count(detectors.clicked(name_pattern=".*"), 2, distinct="name"),
        [3],
    ),
    (
        "{detector: within, of: {detector: banner, text: Saved}, steps: 1, since: {detector: clicked, role: link}}",
        detectors.within(detectors.banner(text="Saved"), 1, since=detectors.clicked(role="link")),
        [3],
    ),
    (
        "{detector: in_app, app: shop, of: {detector: at_end, of: {detector: url_loaded, path: /bikes}}}",
        detectors.in_app("shop", detectors.at_end(detectors.url_loaded(path="/bikes"))),
        [5],
    ),
    (
        "{detector: at_end, of: {detector: url_loaded, path: /bikes}}",
        detectors.at_end(detectors.url_loaded(path="/bikes")),
        [5],
    ),
]


@pytest.mark.parametrize(("written", "called", "expected"), FORMS)
def test_both_forms_give_the_same_detections(written, called, expected):
    keys = yaml.safe_load(written)
    in_yaml = MilestoneSpec.model_validate({"id": "m", "reward": 0.5, **keys}).build({"who": "Ada"})
    in_python = MilestoneSpec.of("m", called, 0.5).build({"who": "Ada"})
    assert in_yaml == in_python
    found = detections(in_yaml.detector, episode())
    assert [step for step, evidence in enumerate(found) if evidence is not None] == expected
    assert found == detections(in_python.detector, episode())
    assert called.as_written() == MilestoneSpec.model_validate({"id": "m", "reward": 1, **keys}).spec.as_written()


def test_every_detector_has_a_form_in_python_and_is_played_here():
    for kind in DETECTORS:
        assert callable(getattr(detectors, WORDS.get(kind, kind)))
    played = {yaml.safe_load(written)["detector"] for written, _, _ in FORMS}
    assert played == set(DETECTORS) - {"rubric"}  # which is judged, not played
    assert set(detectors.__all__) <= set(dir(detectors))


def loud(moment: Moment) -> Evidence | None:
    """Fire when anything is clicked."""
    clicks = [event for event in moment.events if event.kind == "click"]
    return Evidence(summary=f"{len(clicks)} clicks") if clicks else None


def test_any_function_is_a_detector_alone_and_as_a_part(tmp_path):
    milestones = [
        MilestoneSpec.of("clicked", loud, 1.0).build({}),
        Milestone(id="plain", description="", detector=loud, reward=0.25),
        Milestone(
            id="after", description="", detector=detectors.then(loud, detectors.banner(text="Saved")), reward=0.5
        ),
    ]
    tracker = Tracker(milestones)
    ledger = LedgerWriter(tmp_path / "a", task="t", version=0, seed=0, parameters={}, milestones=tracker.milestones)
    paid = []
    for moment in episode():
        reward = tracker.update(moment)
        ledger.write_step(moment, reward)
        paid.append(reward.total)
    ledger.close()
    assert paid == [0, 1.25, 0, 0.5, 0, 0]
    assert [reward.total for reward in rescore(tmp_path / "a", milestones)] == paid
    with pytest.raises(RewardError, match="code, not data"):
        rescore(tmp_path / "a")


def test_a_milestone_takes_a_detector_as_it_is():
    milestone = Milestone(id="m", description="", detector=detectors.clicked(name="Agree"), reward=1.0)
    assert [e is not None for e in detections(milestone.detector, episode())] == [
        False,
        True,
        False,
        False,
        False,
        False,
    ]
    with pytest.raises(TaskError, match="'who'"):
        Milestone(id="m", description="", detector=detectors.clicked(name="{who}"), reward=1.0)


def test_a_detector_by_itself_fills_its_texts_from_the_moment():
    field = detectors.field_filled(name="Name", value="{who}")
    assert field(episode()[1]) is not None


def test_mistakes_are_told_as_in_yaml():
    with pytest.raises(ValidationError, match="reward: NUMBER"):
        MilestoneSpec.model_validate({"id": "m", "detector": loud})
    with pytest.raises(ValidationError, match="doing nothing"):
        MilestoneSpec.of("m", detectors.not_(loud), 1.0)
    with pytest.raises(ValidationError, match="zero or less"):
        MilestoneSpec.of("m", loud, 1.0, forbidden=True)
    with pytest.raises(ValidationError, match="Extra inputs"):
        MilestoneSpec.model_validate({"id": "m", "reward": 1.0, "detector": loud, "name": "x"})
