"""Pages whose answer is written into fields."""

from __future__ import annotations

from .reading import Line, Look, Oracle, Script, act, click, fill


def _submit(look: Look) -> str:
    return click(look.one("Submit", "button"))


def _one_field(look: Look, text: str) -> Script:
    look = yield fill(look.of("textbox")[0], text)
    yield _submit(look)


def _quoted(look: Look) -> Script:
    (text,) = look.told(r'"(.*?)"')
    yield from _one_field(look, text)


def _in_case(look: Look) -> Script:
    text, case = look.told(r'"(.*?)" in all (upper|lower)')
    yield from _one_field(look, text.upper() if case == "upper" else text.lower())


def _shown(look: Look) -> Script:
    """Write what the page shows, for all that it is written askew."""
    yield from _one_field(look, "".join(look.texts).replace(" ", ""))


def _password(look: Look) -> Script:
    (text,) = look.told(r'"(.*?)"')
    for field in look.of("textbox"):
        look = yield fill(field, text)
    yield _submit(look)


def _date(look: Look) -> Script:
    month, day, year = look.told(r"(\d\d)/(\d\d)/(\d{4})")
    look = yield act("fill", look.of("date")[0], f"{year}-{month}-{day}")
    yield _submit(look)


def _time(look: Look) -> Script:
    hour, minute, half = look.told(r"(\d+):(\d\d)\s(AM|PM)")
    hours = int(hour) % 12 + (12 if half == "PM" else 0)
    look = yield act("fill", look.of("time")[0], f"{hours:02}:{minute}")
    yield _submit(look)


def _login(look: Look) -> Script:
    user, password = look.told(r'username "(.*?)" and the password "(.*?)"')
    look = yield fill(look.of("textbox")[0], user)
    look = yield fill(look.of("textbox")[1], password)
    yield click(look.one("Login", "button"))


def _login_past_popup(look: Look) -> Script:
    told = look.told(r'username "(.*?)" and the password "(.*?)"')
    for place, text in enumerate(told):
        look = yield fill(look.of("textbox")[place], text)
        if look.named("Cancel", "button"):
            look = yield click(look.one("Cancel", "button"))
            look = yield fill(look.of("textbox")[place], text)
    yield click(look.one("OK", "button"))


def _carried_over(look: Look, source: Line) -> Script:
    """Copy a field's text into the empty one, as it stands: the page wants its last space, too."""
    (target,) = (line for line in look.of("textbox") if not line.value)
    look = yield click(source)
    look = yield act("press", "Control+A")
    look = yield act("press", "Control+C")
    look = yield click(target)
    look = yield act("clipboard_paste")
    yield _submit(look)


def _copy(look: Look) -> Script:
    yield from _carried_over(look, next(line for line in look.of("textbox") if line.value))


def _copy_nth(look: Look) -> Script:
    (number,) = look.told(r"(\d)\w\w text area")
    yield from _carried_over(look, look.of("textbox")[int(number) - 1])


def _find_word(look: Look) -> Script:
    (number,) = look.told(r"(\d+)\w\w word")
    words = " ".join(look.texts).split()
    yield from _one_field(look, words[int(number) - 1].strip(".,"))


def _last_word(look: Look) -> Script:
    """Carry the last word over by keyboard: more text than one is shown stands before it."""
    area, field = look.of("textbox")
    for words in (1, 2, 3):  # the full stop counts as one
        look = yield click(area)
        look = yield act("press", "Control+End")
        for _ in range(words):
            look = yield act("press", "Control+Shift+ArrowLeft")
        look = yield act("press", "Control+C")
        look = yield click(field)
        look = yield act("press", "Control+A")
        look = yield act("clipboard_paste")
        if any(char.isalpha() for char in look.of("textbox")[1].value or ""):
            break
    yield _submit(look)


def _search_movie(look: Look) -> Script:
    told = dict(
        zip(
            ("genre", "director", "year"),
            look.told(r"Search for (.*) movies directed by (.*) from year (\d+)"),
            strict=True,
        )
    )
    places = _labelled(look)
    for name, text in told.items():
        look = yield fill(look.of("textbox")[places.index(name)], text)
    yield click(next(line for line in look.of("button", "clickable") if line.name in ("Submit", "Search", "Go!")))


def _labelled(look: Look) -> list[str]:
    """Return what the fields are for, in their order; some layouts have the labels behind them."""
    known = {"genre": "genre", "director": "director", "year": "year", "date": "year"}
    return [
        meant for line in look.lines for word, meant in known.items() if line.ref is None and word in line.name.lower()
    ]


ORACLES: dict[str, Oracle] = {
    "copy-paste": _copy,
    "copy-paste-2": _copy_nth,
    "enter-date": _date,
    "enter-password": _password,
    "enter-text": _quoted,
    "enter-text-2": _in_case,
    "enter-text-dynamic": _quoted,
    "enter-time": _time,
    "find-word": _find_word,
    "login-user": _login,
    "login-user-popup": _login_past_popup,
    "multi-layouts": _search_movie,
    "multi-orderings": _search_movie,
    "scroll-text": _last_word,
    "text-transform": _shown,
}
