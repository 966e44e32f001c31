"""Every detector, as one discriminated union on `kind`, and its form in Python.

Each is a pure function of a `Moment`, so that a recorded episode re-scores to the same numbers. Texts may hold
`{parameter}`; see `templates`.

In Python a detector is called like its kind in YAML and takes the same fields. Where YAML nests, Python passes
detectors, or any function of a moment that returns evidence or None:

    from milepost.rewards import Milestone, detectors

    mailed = detectors.then(
        detectors.file_created(path="*.csv"),
        detectors.not_(detectors.clicked(name="Delete")),
        detectors.server_state(query="length(mails)", equals=1),
    )
    Milestone(id="mailed", description="exported, then mailed", detector=mailed, reward=0.5)

Words that Python keeps for itself have another form there: `all_of`, `any_of`, `not_`.
"""

from __future__ import annotations

from typing import Annotated, get_args

from pydantic import Field, TypeAdapter

from .app_detector import InApp
from .change_detectors import DialogClosed, ElementChanged, ElementGone, Focused
from .combinators import AllOf, AnyOf, Not
from .file_detectors import DirectoryUpdated, FileChanged, FileCreated
from .file_match import FileMatches
from .form_detectors import Clicked, FieldFilled, FieldsFilled, QueryFilled, SubmitDialog, ToggleChanged
from .page_detectors import Banner, ElementPresent, TitleMatches, UrlLoaded
from .parts import spec_of
from .request_detectors import ProcessRan, RequestSent
from .search_detectors import EntryOpened, ResultsRendered
from .semantic import Rubric
from .sequences import AtEnd, Count, Then, Within
from .spec import BoundDetector, Spec, StateSpec
from .state_detectors import Answer, ServerState
from .transfer_detectors import DataTransferred, TransferSource, TransferTarget
from .types import Detector
from .view_detectors import RegionChanged, TabOpened

DetectorSpec = Annotated[
    UrlLoaded
    | ElementPresent
    | FieldFilled
    | FieldsFilled
    | QueryFilled
    | Clicked
    | SubmitDialog
    | Banner
    | FileCreated
    | FileChanged
    | FileMatches
    | DirectoryUpdated
    | ResultsRendered
    | EntryOpened
    | Answer
    | ServerState
    | TitleMatches
    | ToggleChanged
    # what becomes of elements and tabs, what goes out, how it looks
    | DialogClosed
    | ElementChanged
    | ElementGone
    | Focused
    | ProcessRan
    | RegionChanged
    | RequestSent
    | TabOpened
    # data, and detectors made of others
    | DataTransferred
    | AllOf
    | AnyOf
    | Not
    | Then
    | Count
    | Within
    | AtEnd
    | InApp
    # what is judged when the episode is over
    | Rubric,
    Field(discriminator="kind"),
]

_MADE_OF_OTHERS = (AllOf, AnyOf, Not, Then, Count, Within, AtEnd, InApp)
for _combinator in _MADE_OF_OTHERS:  # the type of their parts is known only now
    _combinator.model_rebuild(_types_namespace={"DetectorSpec": DetectorSpec})

DETECTORS: dict[str, type[Spec]] = {
    cls.model_fields["kind"].default: cls for cls in get_args(get_args(DetectorSpec)[0])
}
"""Detector classes by kind."""

DETECTOR_ADAPTER: TypeAdapter[Spec] = TypeAdapter(DetectorSpec)
"""Validates plain data, `kind` included, into a detector's description."""

answer = Answer
banner = Banner
clicked = Clicked
data_transferred = DataTransferred
directory_updated = DirectoryUpdated
element_present = ElementPresent
entry_opened = EntryOpened
field_filled = FieldFilled
fields_filled = FieldsFilled
file_changed = FileChanged
file_created = FileCreated
file_matches = FileMatches
query_filled = QueryFilled
results_rendered = ResultsRendered
rubric = Rubric
server_state = ServerState
submit_dialog = SubmitDialog
dialog_closed = DialogClosed
element_changed = ElementChanged
element_gone = ElementGone
focused = Focused
process_ran = ProcessRan
region_changed = RegionChanged
request_sent = RequestSent
tab_opened = TabOpened
title_matches = TitleMatches
toggle_changed = ToggleChanged
transfer_source = TransferSource
transfer_target = TransferTarget
url_loaded = UrlLoaded


def all_of(*parts: Detector) -> AllOf:
    """Return a detector of all parts holding at the end of one step; see `AllOf`."""
    return AllOf(of=tuple(map(spec_of, parts)))


def any_of(*parts: Detector) -> AnyOf:
    """Return a detector of any part firing; see `AnyOf`."""
    return AnyOf(of=tuple(map(spec_of, parts)))


def not_(part: Detector, *, now: bool = False) -> Not:
    """Return a guard against something that must not happen; see `Not`."""
    return Not(of=spec_of(part), now=now)


def then(*steps: Detector, strict: bool = False) -> Then:
    """Return a detector of things that happen in order; see `Then`."""
    return Then(steps=tuple(map(spec_of, steps)), strict=strict)


def count(part: Detector, times: int, *, distinct: str | None = None) -> Count:
    """Return a detector of something that happens at several steps; see `Count`."""
    return Count(of=spec_of(part), times=times, distinct=distinct)


def within(part: Detector, steps: int, *, since: Detector | None = None, since_milestone: str | None = None) -> Within:
    """Return a detector of something that happens within some steps of the reset, or of another; see `Within`."""
    origin = None if since is None else spec_of(since)
    return Within(of=spec_of(part), steps=steps, since=origin, since_milestone=since_milestone)


def at_end(part: Detector) -> AtEnd:
    """Return a detector of something that holds when the agent says that it is done; see `AtEnd`."""
    return AtEnd(of=spec_of(part))


def in_app(app: str, part: Detector) -> InApp:
    """Return a detector that sees one of the task's applications only; see `InApp`."""
    return InApp(app=app, of=spec_of(part))


__all__ = [
    "DETECTORS",
    "DETECTOR_ADAPTER",
    "BoundDetector",
    "DetectorSpec",
    "Spec",
    "StateSpec",
    "all_of",
    "answer",
    "any_of",
    "at_end",
    "banner",
    "clicked",
    "count",
    "data_transferred",
    "dialog_closed",
    "directory_updated",
    "element_changed",
    "element_gone",
    "element_present",
    "entry_opened",
    "field_filled",
    "fields_filled",
    "file_changed",
    "file_created",
    "file_matches",
    "focused",
    "in_app",
    "not_",
    "process_ran",
    "query_filled",
    "region_changed",
    "request_sent",
    "results_rendered",
    "rubric",
    "server_state",
    "submit_dialog",
    "tab_opened",
    "then",
    "title_matches",
    "toggle_changed",
    "transfer_source",
    "transfer_target",
    "url_loaded",
    "within",
]
