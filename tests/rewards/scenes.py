"""Hand-made episodes: short names for elements, events and steps, in the plain records that the sandbox makes."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from milepost.rewards.detectors import DETECTOR_ADAPTER
from milepost.rewards.looks import Looks
from milepost.rewards.memory import detections
from milepost.rewards.types import Evidence, Moment
from milepost.sandbox import events as ev
from milepost.sandbox.snapshot import Element, FileInfo, Snapshot, TabInfo

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


def js_dialog(message: str, *, accepted: bool = True) -> dict[str, Any]:
    return {"cls": ev.Dialog, "origin": "browser", "dialog_type": "confirm", "message": message, "accepted": accepted}


def focus(role: str, name: str, ref: int = 1) -> dict[str, Any]:
    return {"cls": ev.Focus, "origin": "input", "ref": ref, "role": role, "name": name}


def request(method: str, path: str, status: int | None = 200, body: str | None = None) -> dict[str, Any]:
    return {
        "cls": ev.Request,
        "origin": "browser",
        "method": method,
        "url": HOST + path,
        "status": status,
        "body": body,
    }


def ran(command: str, exit_code: int | None = 0, *, timed_out: bool = False) -> dict[str, Any]:
    return {
        "cls": ev.Process,
        "origin": "agent",
        "command": command,
        "exit_code": exit_code,
        "timed_out": timed_out,
    }


def tabbed(snapshot: Snapshot, *paths: str, active: int = 1) -> Snapshot:
    """Return the snapshot with tabs at these paths; "" is an empty tab."""
    tabs = tuple(
        TabInfo(index=i, url=HOST + path if path else "about:blank", title=path.strip("/"), active=i == active)
        for i, path in enumerate(paths, start=1)
    )
    return replace(snapshot, tabs=tabs)


def pictured(snapshot: Snapshot, region: Sequence[int], *colours: tuple[int, int, int]) -> Snapshot:
    """Return the snapshot with a picture of a region whose 256 cells have these colours, in turn."""
    cells = b"".join(bytes(colours[i % len(colours)]) for i in range(256))
    return replace(snapshot, regions={",".join(map(str, region)): base64.b64encode(cells).decode()})


def answered(text: str) -> dict[str, Any]:
    return {"cls": ev.Answer, "origin": "agent", "text": text}


Step = tuple[Sequence[dict[str, Any]], Snapshot]


def moments(*steps: Step, parameters=None) -> list[Moment]:
    """Build an episode's moments from (events, snapshot) pairs, the reset first, as the tracker hands them on."""
    looks = Looks()
    history: list[ev.Event] = []
    result: list[Moment] = []
    for step, (happened, snapshot) in enumerate(steps):
        events = [e["cls"](step=step, t=float(step), **{k: v for k, v in e.items() if k != "cls"}) for e in happened]
        history += events
        moment = Moment(
            step=step,
            events=tuple(events),
            history=tuple(history),
            snapshot=snapshot,
            previous=result[-1].snapshot if result else None,
            parameters=parameters or {},
        )
        result.append(looks.recall(moment))
    return result


def fires(spec: dict[str, Any], *steps: Step, parameters=None) -> list[int]:
    """Return the steps at which a detector, written as a task would write it, answers with evidence."""
    detector = DETECTOR_ADAPTER.validate_python(spec).build(parameters or {})
    answers: list[Evidence | None] = detections(detector, moments(*steps, parameters=parameters))
    for answer in answers:
        assert answer is None or answer.summary
    return [step for step, answer in enumerate(answers) if answer is not None]
