"""Throws generated action texts and tool calls at the parser, and what it reads at a page's elements.

    python bench/fuzz_actions.py [--count 100000] [--seed 0]

A text is a real call, or a mutation of one, or noise. Each must give an action, whose canonical text reads back to an
equal action, or an ActionError of one line that is not empty. Anything else, an error of another type or a text that
takes longer than a second, is printed with its input and fails the run.
"""

import argparse
import random
import sys
import time

from milepost.envs.action_targets import resolve_target
from milepost.envs.action_tools import parse_tool_call
from milepost.envs.actions import ACTION_TYPES, GROUPS, TargetedAction, format_action, is_number, parse_action, verbs_of
from milepost.errors import ActionError
from milepost.sandbox.snapshot import Element

SLOWEST_S = 1.0
TEXTS = (
    "Save", "save", "Sav", "Name", "", " ", "a" * 299, "a" * 5000, "O'Neil", 'say "hi"', "two\nlines", "tab\there",
    "back\\slash", "\\", '"', "\\u12", "\\ud800", "é", "e\u0301", "名前", "😀", "\u202e\u200b\ufeff", "\x00\x07\x1b[0m",
    "\ud800", "\u2028\u2029\x85", "(", ")", '")', "[12]", "12", "../..", "/", "http://x/", "*", "%s%n", "{0}", "${x}",
)  # fmt: skip
NUMBERS = ("0", "1", "3", "12", "007", "1.5", "0.01", "640", "1280", "1281", "-1", "- 2", "1e9", "999999999",
           "12345678901234567890", "1.2.3", ".5", "5.", "٣", "\u2212 4", "0x10", "1_000", "NaN", "inf")  # fmt: skip
WORDS = ("True", "None", "null", "[]", "{}", "f''", "b'x'", "lambda: 0", "__import__('os')", "Save", "target", "...")
NAMES = (
    "target",
    "text",
    "role",
    "nth",
    "kind",
    "onto",
    "x",
    "y",
    "to_x",
    "url",
    "direction",
    "__class__",
    "model_config",
)
FRAMES = (
    "{}",
    " {} ",
    "```\n{}\n```",
    "```python\n{}",
    "`{}`",
    "{}.",
    "{};",
    "{} now",
    "Action: {}",
    "{}\n{}",
    "\r\n{}\r",
    "({})",
)
NOISE = "()[]{}\"'`,=.\\-+*/ \n\r\t\x00_abzAZ09éЖ名😀\u2028\u202e\ud800"
ELEMENTS = tuple(
    Element(ref=ref, role=role, name=name, interactive=role not in ("heading", "text"), options=options)
    for ref, (role, name, options) in enumerate(
        (("button", "Save", ()), ("button", "Save", ()), ("textbox", "Name", ()), ("combobox", "Kind", ("a", "b")),
         ("checkbox", "Agree", ()), ("radio", "Post", ()), ("file", "Attachment", ()), ("heading", "Save", ()),
         ("link", "名前", ()), ("text", "a" * 299, ()), ("button", "", ())),
        start=1,
    )
)  # fmt: skip


def quoted(rng: random.Random, text: str) -> str:
    quote = rng.choice("\"'")
    return quote + (text if rng.random() < 0.2 else text.replace("\\", "\\\\").replace(quote, "\\" + quote)) + quote


def literal(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.6:
        return quoted(rng, rng.choice(TEXTS))
    return rng.choice(NUMBERS if kind < 0.9 else WORDS)


def call(rng: random.Random) -> str:
    """Return a call with the right arguments more often than not."""
    verb = rng.choice(list(ACTION_TYPES))
    cls = ACTION_TYPES[verb]
    if rng.random() < 0.2:
        return rng.choice(cls.examples)
    arguments = [
        literal(rng)
        if rng.random() < 0.2
        else rng.choice(NUMBERS[:7])
        if is_number(cls, name)
        else quoted(rng, rng.choice(TEXTS))
        for name in cls.positional
    ]
    if rng.random() < 0.2:
        arguments.append(literal(rng))
    if rng.random() < 0.3:
        arguments.append(f"{rng.choice(NAMES)}={literal(rng)}")
    if rng.random() < 0.2:
        rng.shuffle(arguments)
    return f"{verb}({', '.join(arguments)})"


def mutated(rng: random.Random, text: str) -> str:
    for _ in range(rng.choice((0, 0, 1, 1, 2, 5))):
        i, j = sorted((rng.randrange(len(text) + 1), rng.randrange(len(text) + 1)))
        text = rng.choice(
            (
                text[:i] + rng.choice(NOISE) + text[i:],  # put in
                text[:i] + text[j:],  # taken out
                text[:j] + text[i:],  # said twice
                text[:i] + call(rng) + text[j:],  # another call in the middle
                text[:i] + text[i:j].swapcase() + text[j:],
                text[:i] + text[i:j] * rng.choice((2, 50)) + text[j:],
            )
        )[:20_000]
    return text


def action_text(rng: random.Random) -> str:
    """Return one text as an agent might send it."""
    kind = rng.random()
    if kind < 0.1:
        return "".join(rng.choice(NOISE) for _ in range(rng.choice((0, 1, 10, 200, 5000))))
    text = mutated(rng, call(rng))
    return rng.choice(FRAMES).replace("{}", text) if kind < 0.3 else text


def tool_call(rng: random.Random) -> tuple[str, object]:
    """Return a tool call's name and its arguments, as a mapping or as JSON text."""
    import orjson

    verb = rng.choice((*ACTION_TYPES, "nothing", ""))
    values = {}
    for name in (*getattr(ACTION_TYPES.get(verb), "positional", ()), rng.choice(NAMES)):
        values[name] = rng.choice((rng.choice(TEXTS), rng.randrange(-3, 2000), 1.5, None, True, [], {"a": 1}, 1e300))
    if rng.random() < 0.5:
        return verb, values
    try:
        return verb, mutated(rng, orjson.dumps(values).decode())
    except TypeError:  # lone surrogates have no JSON
        return verb, mutated(rng, "[" * rng.randrange(3000))


def take(attempt: object) -> tuple[bool, str]:
    """Take one text or tool call as the environment does; return whether it is an action, and what went wrong."""
    began = time.perf_counter()
    is_action = False
    try:
        action = parse_action(attempt) if isinstance(attempt, str) else parse_tool_call(*attempt)
        is_action, text = True, format_action(action)
        if parse_action(text) != action:
            return True, f"{text!r} does not read back"
        if len(text.splitlines()) != 1:
            return True, f"{text!r} is not one line"
        if isinstance(action, TargetedAction):
            resolve_target(action.target, ELEMENTS, verb=action.kind, role=action.role, nth=action.nth, allowed=ALL)
    except ActionError as error:
        message = str(error)
        if not message.strip() or len(message.splitlines()) != 1 or len(message) > 1000:
            return is_action, f"the error is no line of words: {message!r}"
    except Exception as error:  # this is what is looked for
        return is_action, f"{type(error).__name__}: {error}"
    taken_s = time.perf_counter() - began
    return is_action, f"it took {taken_s:.1f} s" if taken_s > SLOWEST_S else ""


ALL = verbs_of(GROUPS)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    actions = failures = 0
    began = time.perf_counter()
    for _ in range(options.count):
        attempt = tool_call(rng) if rng.random() < 0.2 else action_text(rng)
        is_action, problem = take(attempt)
        actions += is_action
        if problem:
            failures += 1
            print(f"{str(attempt)[:300]!r}: {problem}", file=sys.stderr)
    took_s = time.perf_counter() - began
    print(f"{options.count} texts, {actions} of them actions, {failures} failures, {took_s:.1f} s, seed {options.seed}")
    return 1 if failures or not actions else 0


if __name__ == "__main__":
    sys.exit(main())
