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
    """Return a click at the message's foot, a share of its width from the left: Reply and Forward are one thing there."""
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


def _names(look: Look) -> list[str]:
    """Return the capitalised words of the goal that begin no sentence, or are a sender's: whom it is about."""
    words = re.findall(r"[A-Z][\w-]+", look.goal)
    return [word for word in words if word in _NAMED(look)]


def _NAMED(look: Look) -> set[str]:
    return set(_senders(look))


_FROM_FIRST = re.compile(
    r"(?:from|by|of|message|mail|email) (?P<sender>[A-Z][\w-]+)|(?P<owner>[A-Z][\w-]+)(?:'s| sent| wants)", re.UNICODE
)


def _freely_forward(look: Look) -> Script:
    sender, to = _whom(look)
    yield from _forward(look, sender, to)


def _whom(look: Look) -> tuple[str, str]:
    """Tell who has written, and who is to have it, from a sentence in anybody's words."""
    names = [word for word in re.findall(r"[A-Z][\w-]+", look.goal) if word in _senders(look) or _is_person(look, word)]
    names = list(dict.fromkeys(names))
    sender = _sender_in(look, names)
    others = [name for name in names if name != sender]
    return sender, others[0]


def _is_person(look: Look, word: str) -> bool:
    return re.search(rf"(?<![.?!] )(?<!^)\b{word}\b", look.goal) is not None and word not in ("I", "Email", "Mail", "Please")


def _sender_in(look: Look, names: list[str]) -> str:
    for name in names:
        if re.search(rf"(?:from|by|written by|of|got from) {name}\b|\b{name}'s\b|\b{name} (?:has )?(?:just )?sent\b|NAME wants", look.goal):
            return name
    return names[0]


ORACLES: dict[str, Oracle] = {
    "email-inbox": _as_told,
    "email-inbox-delete": _as_told,
    "email-inbox-forward": _as_told,
    "email-inbox-forward-nl": _freely_forward,
    "email-inbox-forward-nl-turk": _freely_forward,
    "email-inbox-important": _as_told,
    "email-inbox-noscroll": _as_told,
    "email-inbox-reply": _as_told,
    "email-inbox-star-reply": _as_told,
}
