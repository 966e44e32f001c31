"""Pages of checkboxes and radio buttons."""

from __future__ import annotations

from .reading import Look, Oracle, Script, act, click

_WORDS_ALIKE = (
    ("big", "large", "huge", "enormous", "gigantic"),
    ("small", "tiny", "little", "mini", "petite"),
    ("red", "scarlet", "crimson", "vermillion"),
    ("happy", "cheerful", "joyful", "gleeful", "delighted"),
    ("sad", "unhappy", "sorrowful", "miserable", "tragic"),
    ("angry", "mad", "furious", "irritated"),
    ("evil", "wicked", "immoral", "sinful", "corrupt", "depraved"),
    ("wrong", "incorrect", "mistaken", "erroneous"),
    ("real", "genuine", "actual"),
    ("strange", "odd", "peculiar", "unusual", "weird"),
    ("stop", "cease", "halt", "end", "finish"),
    ("scared", "terrified", "panicked", "fearful", "frightened", "afraid"),
    ("quiet", "calm", "peaceful", "serene", "mild"),
    ("old", "aged", "archaic"),
    ("love", "like", "adore", "favor"),
    ("kill", "murder", "assassinate"),
    ("keep", "retain", "preserve", "sustain", "maintain"),
    ("hide", "conceal", "camouflage"),
    ("hate", "despise", "loathe", "detest", "dislike"),
    ("funny", "humorous", "amusing", "comical", "laughable"),
    ("fat", "fleshy", "plump", "chubby"),
    ("stupid", "dumb", "dull", "unwise"),
    ("delicious", "savory", "delectable", "appetizing"),
    ("cut", "slice", "carve", "chop"),
    ("brave", "courageous", "fearless"),
    ("begin", "start", "initiate", "launch"),
    ("answer", "reply", "response"),
    ("television", "televisions", "TV", "TVs"),
    ("house", "home", "houses", "homes"),
    ("fire", "flame", "fires", "flames"),
    ("pig", "pork", "swine"),
    ("rabbit", "rabbits", "bunny", "bunnies"),
    ("car", "cars", "automobile", "automobiles", "vehicle", "vehicles"),
    ("water",),
)
"""What the page takes to mean the same; one who does not know English so well has to be told."""

_DIGITS = {
    "0": "0110 1001 1001 1001 1001 1001 0110",
    "1": "0010 0110 0010 0010 0010 0010 0010",
    "2": "0110 1001 1001 0010 0100 1000 1111",
    "3": "0110 1001 0001 0110 0001 1001 0110",
    "4": "1000 1010 1010 1111 0010 0010 0010",
    "5": "1111 1000 1000 1110 0001 1001 0110",
    "6": "0110 1001 1000 1110 1001 1001 0110",
    "7": "1111 1001 0001 0010 0010 0100 0100",
    "8": "0110 1001 1001 0110 1001 1001 0110",
    "9": "0110 1001 1001 0111 0001 1001 0110",
}
"""The pictures that the page shows beside its 7 rows of 4 boxes, for those who cannot see them."""


def _tick(look: Look, names: list[str]) -> Script:
    for name in names:
        yield act("check", look.one(name, "checkbox"))
    yield click(look.one("Submit", "button"))


def _all_named(look: Look) -> Script:
    (listed,) = look.told(r"Select (.*) and click Submit")
    yield from _tick(look, [] if listed == "nothing" else listed.split(", "))


def _all_alike(look: Look) -> Script:
    (listed,) = look.told(r"similar to (.*) and click Submit")
    wanted = {word for name in listed.split(", ") for group in _WORDS_ALIKE if name in group for word in group}
    yield from _tick(look, [box.name for box in look.of("checkbox") if box.name in wanted])


def _option(look: Look) -> Script:
    (name,) = look.told(r"Select (.*) and click Submit")
    yield act("check", look.one(name, "radio"))
    yield click(look.one("Submit", "button"))


def _digit(look: Look) -> Script:
    (digit,) = look.told(r'number "(\d)"')
    boxes = look.of("checkbox")
    for box, on in zip(boxes, _DIGITS[digit].replace(" ", ""), strict=True):
        if on == "1":
            yield act("check", box)
    yield click(look.one("Submit", "button"))


ORACLES: dict[str, Oracle] = {
    "click-checkboxes": _all_named,
    "click-checkboxes-large": _all_named,
    "click-checkboxes-soft": _all_alike,
    "click-checkboxes-transfer": _all_named,
    "click-option": _option,
    "number-checkboxes": _digit,
}
