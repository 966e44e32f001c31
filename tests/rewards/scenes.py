"""Hand-made episodes: short names for elements, events and steps, in the plain records that the sandbox makes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from milepost.rewards.detectors import DETECTOR_ADAPTER
from milepost.rewards.types import Evidence, Moment
from milepost.sandbox import events as ev
from milepost.sandbox.snapshot import Element, FileInfo, Snapshot

HOST = "http://shop.local"


def el(ref: int, role: str, name: str = "", *, value: str | None = None, states=(), depth: int = 0) -> Element:
    return Element(ref=ref, role=role, name=name, value=value, states=tuple(states), depth=depth)


def page(path: str = "/", *elements: Element, title: str = "Shop", files=(), state=None) -> Snapshot:
    return Snapshot(url=HOST + path, title=title, elements=elements, files=tuple(files), app_state=state or {})


def file(path: str, content: str = "x") -> FileInfo:
    return FileInfo(path=path, size_bytes=len(content), sha256=sha(content))


def sha(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def click(role: str, name: str, ref: int = 1) -> dict[str, Any]:
    return {"cls": ev.Click, "origin": "input", "ref": ref, "role": role, "name": name, "url": HOST}


def typed(role: str, name: str, value: str, ref: int = 1) -> dict[str, Any]:
    return {"cls": ev.Input, "origin": "input", "ref": ref, "role": role, "name": name, "value": value, "url": HOST}


def submit(name: str = "") -> dict[str, Any]:
    return {"cls": ev.Submit, "origin": "input", "ref": 9, "name": name, "url": HOST}


def went(path: str, *, same_document: bool = False, asked: bool = False) -> dict[str, Any]:
    return {
        "cls": ev.Navigation,
        "origin": "browser",
        "url": HOST + path,
        "previous_url": None,
        "same_document": same_document,
        "asked": asked,
    }


def loaded(path: str) -> dict[str, Any]:
    return {"cls": ev.Load, "origin": "browser", "url": HOST + path, "state": "load"}


def answered_with(status: int, path: str, method: str = "GET") -> dict[str, Any]:
    return {"cls": ev.Request, "origin": "browser", "method": method, "url": HOST + path, "status": status}


def downloaded(path: str, content: str = "x") -> dict[str, Any]:
    return {
        "cls": ev.Download,
        "origin": "browser",
        "url": HOST,
        "path": path,
        "size_bytes": len(content),
        "sha256": sha(content),
    }


def changed(change: str, path: str, content: str | None = "x") -> dict[str, Any]:
    return {
        "cls": ev.FileChange,
        "origin": "files",
        "change": change,
        "path": path,
        "is_directory": False,
        "size_bytes": None if content is None else len(content),
        "sha256": None if content is None else sha(content),
    }


def js_dialog(message: str) -> dict[str, Any]:
    return {"cls": ev.Dialog, "origin": "browser", "dialog_type": "confirm", "message": message, "accepted": True}


def answered(text: str) -> dict[str, Any]:
    return {"cls": ev.Answer, "origin": "agent", "text": text}


Step = tuple[Sequence[dict[str, Any]], Snapshot]


def moments(*steps: Step, parameters=None) -> list[Moment]:
    """Build an episode's moments from (events, snapshot) pairs, the reset first."""
    history: list[ev.Event] = []
    result: list[Moment] = []
    for step, (happened, snapshot) in enumerate(steps):
        events = [e["cls"](step=step, t=float(step), **{k: v for k, v in e.items() if k != "cls"}) for e in happened]
        history += events
        result.append(
            Moment(
                step=step,
                events=tuple(events),
                history=tuple(history),
                snapshot=snapshot,
                previous=result[-1].snapshot if result else None,
                parameters=parameters or {},
            )
        )
    return result


def fires(spec: dict[str, Any], *steps: Step, parameters=None) -> list[int]:
    """Return the steps at which a detector, written as a task would write it, answers with evidence."""
    detector = DETECTOR_ADAPTER.validate_python(spec).build(parameters or {})
    answers: list[Evidence | None] = [detector(moment) for moment in moments(*steps)]
    for answer in answers:
        assert answer is None or answer.summary
    return [step for step, answer in enumerate(answers) if answer is not None]
