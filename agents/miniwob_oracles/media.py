"""Pages of posts, and of things with style: an editor, a colour."""

from __future__ import annotations

from .reading import Line, Look, Oracle, Part, Script, act, click

_BUTTONS = ("Reply", "Retweet", "Like")
_ALL_BUTTONS = (*_BUTTONS, "Share")


def _posts(look: Look) -> list[tuple[str, list[Line]]]:
    """Return each post's user and its buttons, which have no names but an order."""
    found: list[tuple[str, list[Line]]] = []
    for line in look.lines:
        if line.ref is None and "@" in line.name:
            found.append((line.name.rpartition("@")[2], []))
        elif line.role == "clickable" and not line.name and found:
            found[-1][1].append(line)
    return found


def _press(button: Line) -> Part:
    """Rest on a button, then click it: its picture changes under the pointer, and a click meanwhile is lost."""
    look = yield act("hover", button)
    look = yield click(button)
    return look


def _one_post(look: Look) -> Script:
    user, action = look.told(r'user @(.*?), click on the "(.*?)" button')
    buttons = next(buttons for name, buttons in _posts(look) if name == user)
    if action in _BUTTONS:
        yield from _press(buttons[_BUTTONS.index(action)])
    else:
        look = yield from _press(buttons[3])
        yield act("click", f"{action} @{user}" if action in ("Mute", "Block") else action)


def _several_posts(look: Look) -> Script:
    action, count, user = look.told(r'the "(\w+)" button on (all|\d+) posts? by @(\S+) and')
    posts = [buttons for name, buttons in _posts(look) if name == user]
    for buttons in posts if count == "all" else posts[: int(count)]:
        look = yield from _press(buttons[_ALL_BUTTONS.index(action)])
    yield click(look.one("Submit", "button"))


_STYLES = ("bold", "italics", "underlined")
_COLOURS = ("black", "red", "orange", "yellow", "green", "blue", "purple")


def _editor(look: Look) -> Script:
    field = look.of("textbox")[0]
    look = yield click(field)
    if "everything" in look.goal:
        look = yield act("press", "Control+A")
    else:
        word = look.told(r"give the text (.*) the (?:style|color)")[0]
        look = yield from _mark_word(look, (field.value or "").split(), word)
    if "color" in look.goal:
        colour = look.told(r"color (\w+)")[0]
        look = yield click(look.of("clickable")[0])
        look = yield click(look.of("clickable")[1 + _COLOURS.index(colour)])
    else:
        style = look.told(r"style (\w+)")[0]
        look = yield click(look.of("button")[_STYLES.index(style)])
    yield click(look.one("Submit", "button"))


def _mark_word(look: Look, words: list[str], word: str) -> Part:
    """Go to a word letter by letter, since a full stop counts as a word to the keyboard, and mark it."""
    before = sum(len(other) + 1 for other in words[: words.index(word)])
    look = yield act("press", "Control+Home")
    for _ in range(before):
        look = yield act("press", "ArrowRight")
    for _ in word:
        look = yield act("press", "Shift+ArrowRight")
    return look


_CODES = {
    "black": "000000", "white": "FFFFFF", "aqua": "00FFFF", "blue": "0000FF", "gray": "808080", "green": "008000",
    "lime": "00FF00", "maroon": "800000", "navy": "000080", "olive": "808000", "purple": "800080", "red": "FF0000",
    "silver": "C0C0C0", "teal": "008080", "yellow": "FFFF00", "pink": "FFC0CB", "magenta": "FF00FF", "gold": "FFD700",
    "orange": "FFA500",
}  # fmt: skip


def _colour(look: Look) -> Script:
    (name,) = look.told(r"Select (\w+) with")
    look = yield act("fill", look.of("textbox")[0], _CODES[name])
    look = yield act("mouse_click", 600, 500)  # away from the wheel, which lies over the button
    yield click(look.one("Submit", "button"))


ORACLES: dict[str, Oracle] = {
    "social-media": _one_post,
    "social-media-all": _several_posts,
    "social-media-some": _several_posts,
    "text-editor": _editor,
    "use-colorwheel": _colour,
}
