"""Every detector, as one discriminated union on `kind`.

Each is a pure function of a `Moment`, so that a recorded episode re-scores to the same numbers. Texts may hold
`{parameter}`; see `templates`.
"""

from __future__ import annotations

from typing import Annotated, get_args

from pydantic import Field, TypeAdapter

from .change_detectors import DialogClosed, ElementChanged, ElementGone, Focused
from .file_detectors import DirectoryUpdated, FileCreated, FileMatches
from .form_detectors import Clicked, FieldFilled, FieldsFilled, QueryFilled, SubmitDialog, ToggleChanged
from .page_detectors import Banner, ElementPresent, TitleMatches, UrlLoaded
from .request_detectors import ProcessRan, RequestSent
from .search_detectors import EntryOpened, ResultsRendered
from .spec import BoundDetector, Spec, StateSpec
from .state_detectors import Answer, ServerState
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
    | TabOpened,
    Field(discriminator="kind"),
]

DETECTORS: dict[str, type[Spec]] = {
    cls.model_fields["kind"].default: cls for cls in get_args(get_args(DetectorSpec)[0])
}
"""Detector classes by kind."""

DETECTOR_ADAPTER: TypeAdapter[Spec] = TypeAdapter(DetectorSpec)
"""Validates plain data, `kind` included, into a detector's description."""

__all__ = ["DETECTORS", "DETECTOR_ADAPTER", "BoundDetector", "DetectorSpec", "Spec", "StateSpec"]
