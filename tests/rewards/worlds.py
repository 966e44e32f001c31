"""Random episodes of a small make-believe computer, and random ways to pay for them, for laws that must always hold.

An episode is drawn from a `random.Random`, so that Hypothesis need only draw a seed and thousands of them stay quick.
What happens hangs together as on a real computer (a file that is created is there, a field that is typed into shows
the value); what order it happens in is up to chance.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from milepost.rewards.components import Components
from milepost.rewards.detectors import DETECTOR_ADAPTER
from milepost.rewards.scorer import RewardScheme
from milepost.rewards.shaping import Shaping, Truncation
from milepost.rewards.types import Ending, Milestone, Moment
from milepost.sandbox.events import Download, Event, FileChange, Load, Navigation

from .scenes import (
    answered,
    changed,
    click,
    downloaded,
    el,
    file,
    js_dialog,
    loaded,
    moments,
    page,
    submit,
    typed,
    went,
)

PATHS = ("/", "/new", "/list", "/list?q=tea", "/done")
FIELDS = ("Name", "Amount")
VALUES = ("Ada", "12", "")
BUTTONS = ("Save", "Export", "Cancel")
FILES = ("a.csv", "b.csv", "sub/c.txt")
CONTENTS = ("one", "two", "")

DETECTORS: tuple[dict[str, Any], ...] = (
    {"kind": "url_loaded", "path": "/new"},
    {"kind": "url_loaded", "path": "/list", "query": {"q": "tea"}},
    {"kind": "field_filled", "name": "Name", "value": "Ada"},
    {"kind": "field_filled", "name": "Amount", "value": "12"},
    {"kind": "fields_filled", "fields": {"Name": "Ada", "Amount": "12"}},
    {"kind": "clicked", "role": "button", "name": "Save"},
    {"kind": "clicked", "name": "Cancel"},
    {"kind": "submit_dialog", "text_contains": "Sure"},
    {"kind": "banner", "text_contains": "Saved"},
    {"kind": "file_created", "path": "*.csv"},
    {"kind": "file_created", "path": "**", "download_only": True},
    {"kind": "file_matches", "extension": "csv"},
    {"kind": "directory_updated", "path": "sub"},
    {"kind": "server_state", "query": "saved"},
    {"kind": "server_state", "query": "count", "equals": 2},
    {"kind": "answer", "text": "42"},
    {"kind": "element_present", "role": "alert"},
)


@dataclass(frozen=True)
class Play:
    """One random episode: its moments, and at each how it ends for another reason than milestones, if it does."""

    moments: list[Moment]
    endings: list[Ending | None]


def random_play(rng: random.Random, *, steps: int) -> Play:
    """Draw an episode of so many steps after the reset."""
    world = _World(rng)
    scenes = [([went("/"), loaded("/")], world.snapshot())]
    for _ in range(steps):
        happened = [event for _ in range(rng.randrange(4)) for event in world.act()]
        scenes.append((happened, world.snapshot()))
    endings: list[Ending | None] = [None] * steps
    endings.append(rng.choice([None, Ending.TERMINATED, Ending.TRUNCATED]))
    return Play(moments=moments(*scenes), endings=endings)


class _World:
    """The computer. Each act returns the events that it makes, in order."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.path = "/"
        self.values = dict.fromkeys(FIELDS, rng.choice(["", "", "Ada"]))
        self.files = {"old.csv": "old"} if rng.random() < 0.5 else {}
        self.banner = False
        self.dialog = False
        self.state: dict[str, Any] = {"saved": False, "count": 0}

    def act(self) -> list[dict[str, Any]]:
        acts = (self._go, self._type, self._type, self._type, self._click)
        return self.rng.choice((*acts, self._submit, self._download, self._write, self._lose, self._answer))()

    def _go(self) -> list[dict[str, Any]]:
        self.path = self.rng.choice(PATHS)
        if self.rng.random() < 0.3:
            return [went(self.path, same_document=True)]
        self.values, self.banner, self.dialog = dict.fromkeys(FIELDS, ""), False, False
        return [went(self.path), loaded(self.path)]

    def _type(self) -> list[dict[str, Any]]:
        field, value = self.rng.choice(FIELDS), self.rng.choice(VALUES)
        self.values[field] = value
        return [typed("textbox", field, value, ref=FIELDS.index(field) + 1)]

    def _click(self) -> list[dict[str, Any]]:
        return [click("button", self.rng.choice(BUTTONS))]

    def _submit(self) -> list[dict[str, Any]]:
        self.state["count"] += 1
        self.state["saved"] = self.values["Name"] == "Ada"
        self.banner, self.dialog = self.state["saved"], self.rng.random() < 0.5
        asked = [js_dialog("Sure?")] if self.rng.random() < 0.5 else []
        return [click("button", "Save"), submit("Save"), *asked]

    def _download(self) -> list[dict[str, Any]]:
        path, content = self.rng.choice(FILES), self.rng.choice(CONTENTS)
        change = "modified" if path in self.files else "created"
        self.files[path] = content
        return [downloaded(path, content), changed(change, path, content)]

    def _write(self) -> list[dict[str, Any]]:
        return self._download()[1:]

    def _lose(self) -> list[dict[str, Any]]:
        if not self.files:
            return []
        path = self.rng.choice(sorted(self.files))
        del self.files[path]
        return [changed("deleted", path, None)]

    def _answer(self) -> list[dict[str, Any]]:
        return [answered(self.rng.choice(("42", "43")))]

    def snapshot(self) -> Any:
        elements = [el(i + 1, "textbox", name, value=self.values[name]) for i, name in enumerate(FIELDS)]
        elements += [el(8, "alert", "Saved as 1")] if self.banner else []
        elements += [el(9, "dialog", "Sure?")] if self.dialog else []
        files = [file(path, content) for path, content in sorted(self.files.items())]
        return page(self.path, *elements, files=files, state=dict(self.state))


def commute(one: Event, other: Event) -> bool:
    """Tell whether two events of a step may be swapped: whether their order says nothing that a rule could read.

    It says something in two cases only: a navigation or a load tells which document the page's events (those of the
    browser and of trusted input) belong to, and changes of one path tell what became of it.
    """
    of_page = [event.origin in ("browser", "input") and not isinstance(event, Download) for event in (one, other)]
    if isinstance(one, Navigation | Load) or isinstance(other, Navigation | Load):
        return not all(of_page)
    paths = [event.path if isinstance(event, Download | FileChange) else None for event in (one, other)]
    return paths[0] is None or paths[0] != paths[1]


def permuted(play: Play, rng: random.Random) -> list[Moment]:
    """Return the episode's moments with the events of each step in another order, as far as they commute."""
    history: list[Event] = []
    result = []
    for moment in play.moments:
        events = list(moment.events)
        for _ in range(3 * len(events)):
            i = rng.randrange(max(len(events) - 1, 1))
            if len(events) > i + 1 and commute(events[i], events[i + 1]):
                events[i], events[i + 1] = events[i + 1], events[i]
        history += events
        result.append(replace(moment, events=tuple(events), history=tuple(history)))
    return result


REWARDS = (0.1, 0.2, 0.25, 0.3, 0.7, 1.0, 0.0, -0.5)
PENALTIES = (-1.0, -0.1, 0.0)


@st.composite
def task_milestones(draw: st.DrawFn, detectors: st.SearchStrategy[Any] | None = None) -> list[Milestone]:
    """Draw one to eight milestones, their prerequisites a DAG, in shuffled order; detectors of the world by default."""
    if detectors is None:
        detectors = st.sampled_from(DETECTORS).map(lambda spec: DETECTOR_ADAPTER.validate_python(spec).build({}))
    names = [f"m{i}" for i in range(draw(st.integers(1, 8)))]
    result = []
    for i, name in enumerate(names):
        forbidden = i > 0 and draw(st.integers(0, 4)) == 0
        result.append(
            Milestone(
                id=name,
                description=name,
                detector=draw(detectors),
                reward=draw(st.sampled_from(PENALTIES if forbidden else REWARDS)),
                after=tuple(draw(st.lists(st.sampled_from(names[:i]), unique=True, max_size=2))) if i else (),
                forbidden=forbidden,
                ends_episode=draw(st.integers(0, 7)) == 0,
                expires_after=draw(st.sampled_from([None, None, None, 1, 2, 4])),
            )
        )
    return draw(st.permutations(result))


@st.composite
def components(draw: st.DrawFn) -> Components:
    """Draw a component form that the world can earn from."""
    raw = [draw(st.integers(1, 8)) for _ in range(3)]
    weights = dict(zip(("nav", "form", "ui"), raw, strict=True))
    weights["file"] = weights["ui"] + draw(st.integers(0, 4))
    weights["goal"] = weights["file"] + draw(st.integers(1, 4))
    total = sum(weights.values())
    return Components.model_validate(
        {
            "weights": {name: weight / total for name, weight in weights.items()},
            "pages": draw(st.sampled_from([["**"], ["/new", "/list", "/**"]])),
            "clicks": draw(st.sampled_from([[], [{"name": "Save"}, {"name": "Export"}]])),
            "fields": draw(st.sampled_from([{"Name": "Ada", "Amount": "12"}, {"Name": "Ada"}, {}])),
            "files": draw(st.sampled_from([[], [{"path": "*.csv"}], [{"path": "**"}, {"path": "sub/*"}]])),
        }
    )


@st.composite
def schemes(draw: st.DrawFn, milestones: list[Milestone]) -> RewardScheme:
    """Draw a way to pay for these milestones."""
    ids = sorted(milestone.id for milestone in milestones)
    by_components = draw(st.none() | components())
    allowed = [Shaping.POTENTIAL, Shaping.NONE, *([] if by_components is not None else [Shaping.RAW])]
    declared = st.fixed_dictionaries({name: st.sampled_from([0.7, 0.1, -0.3, 2.0]) for name in ids})
    return RewardScheme(
        success=frozenset(draw(st.lists(st.sampled_from(ids), min_size=1, max_size=2))),
        components=by_components,
        shaping=draw(st.sampled_from(allowed)),
        gamma=draw(st.sampled_from([1.0, 0.99, 0.5])),
        potential=draw(st.none() | declared),
        truncation=draw(st.sampled_from(list(Truncation))),
    )


__all__ = [
    "Play",
    "commute",
    "components",
    "permuted",
    "random_play",
    "schemes",
    "task_milestones",
]
