"""The pages of the mail box."""

from __future__ import annotations

import re

from .reading import Line, Look, Oracle, Part, Script, act, click, fill


def _message(look: Look, sender: str) -> Line:
    """Return the list's entry of a message by this sender."""
    return next(line for line in look.of("clickable") if line.name.split(" ")[0] == sender)


def _open(look: Look, sender: str) -> Part:
    look = yield click(_message(look, sender))
    return look


def _icons(look: Look) -> tuple[Line, Line]:
    """Return the waste basket and the star of an open message; what closes it comes first."""
    _, basket, star = [line for line in look.of("clickable") if not line.name][:3]
    return basket, star


def _foot(look: Look, share: float) -> str:
    """Return a click at a message's foot, a share of its width from the left: Reply and Forward are one thing there."""
    x, y, width, height = look.boxes[look.one("Reply Forward").ref or 0]
    return act("mouse_click", x + share * width, y + 0.4 * height)


def _delete(look: Look, sender: str) -> Script:
    look = yield from _open(look, sender)
    yield click(_icons(look)[0])


def _star(look: Look, sender: str) -> Script:
    look = yield from _open(look, sender)
    yield click(_icons(look)[1])


def _reply(look: Look, sender: str, text: str) -> Script:
    look = yield from _open(look, sender)
    look = yield _foot(look, 0.33)
    look = yield fill(look.of("textbox")[0], text)
    yield click([line for line in look.of("clickable") if not line.name][1])


def _forward(look: Look, sender: str, to: str) -> Script:
    look = yield from _open(look, sender)
    look = yield _foot(look, 0.67)
    look = yield fill(look.of("textbox")[0], to)
    yield click([line for line in look.of("clickable") if not line.name][1])


def _as_told(look: Look) -> Script:
    (sender,) = look.told(r"email by (\w+)")
    if "trash" in look.goal:
        yield from _delete(look, sender)
    elif "star" in look.goal:
        yield from _star(look, sender)
    elif "reply" in look.goal:
        yield from _reply(look, sender, look.told(r'text "(.*)"')[0])
    else:
        yield from _forward(look, sender, look.told(r"forward that email to (\w+)")[0])


def _senders(look: Look) -> list[str]:
    return [line.name.split(" ")[0] for line in look.of("clickable") if line.name]


def _people(look: Look) -> list[str]:
    """Return whom a sentence in anybody's words names: senders, and whatever else is capitalised within it."""
    words = [(found[0], found.start()) for found in re.finditer(r"[A-Z][\w-]+", look.goal)]
    senders = _senders(look)
    people = [word for word, at in words if word in senders or not re.search(r"(^|[.?!:;,] |\")$", look.goal[:at])]
    return list(dict.fromkeys(people))


def _writer(look: Look, people: list[str]) -> str:
    """Return who of them has written the message that a sentence is about."""
    for name in people:
        if re.search(
            rf"\b(from|by|of) {name}\b|\b{name}'s\b|\b{name} (\w+ )?sent\b|\b{name} wants (his|her)", look.goal
        ):
            return name
    return people[0]


def _freely_forwarded(look: Look) -> Script:
    people = _people(look)
    writer = _writer(look, people)
    yield from _forward(look, writer, next(name for name in people if name != writer))


def _freely_told(look: Look) -> Script:
    sender = next(name for name in _people(look) if name in _senders(look))
    message = re.search(r'"+([^"]+?)"', look.goal)
    if message is not None:
        yield from _reply(look, sender, message[1])
    elif len([name for name in _people(look) if name in _senders(look)]) > 1:
        yield from _freely_forwarded(look)
    elif re.search(r"delete|trash|\brid\b|remove|erase|don't want|throw", look.goal, re.IGNORECASE):
        yield from _delete(look, sender)
    else:
        yield from _star(look, sender)


ORACLES: dict[str, Oracle] = {
    "email-inbox": _as_told,
    "email-inbox-delete": _as_told,
    "email-inbox-forward": _as_told,
    "email-inbox-forward-nl": _freely_forwarded,
    "email-inbox-forward-nl-turk": _freely_forwarded,
    "email-inbox-important": _as_told,
    "email-inbox-nl-turk": _freely_told,
    "email-inbox-noscroll": _as_told,
    "email-inbox-reply": _as_told,
    "email-inbox-star-reply": _as_told,
}
