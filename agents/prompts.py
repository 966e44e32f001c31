"""From an observation to the chat prompt of a language-model policy.

The parts that never change (system text and one worked example) come first, then the goal, which a group of episodes
shares, then what moves. So the longest common prefix of any batch is prefilled once, and siblings share the rest for
as long as their episodes agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Protocol

from ..envs.action_help import brief_signature
from ..envs.actions import ACTION_TYPES, DEFAULT_VERBS

_INTRODUCTION = "You operate a web page to reach a goal. Answer with the next action only, one of:\n"
_SHOWN = {
    "fill": 'fill("field", "text")',
    "click": 'click("name")',
    "select": 'select("field", "option")',
    "press": 'press("key")',
    "goto": 'goto("/path")',
    "back": "back()",
    "scroll": 'scroll("down")',
    "list_files": "list_files()",
    "read_file": 'read_file("path")',
    "write_file": 'write_file("path", "text")',
}
"""How the usual actions are shown, in this order; further ones follow as `brief_signature` writes them."""

_PARTS = {"Files": "files", "Last": "last_action", "Result": "last_action_result", "Error": "last_action_error"}

EXAMPLE: tuple[tuple[str, str], ...] = (
    (
        'Goal: Sign in: Email "kim@oak.org", Code "71".\n'
        'heading "Sign in"\n'
        '[1] textbox "Email" "kim@oak.org"\n'
        '[2] textbox "Code" ""\n'
        '[3] button "Sign in"\n'
        'Last: fill("Email", "kim@oak.org")',
        'fill("Code", "71")',
    ),
)
"""One worked turn, shown as an earlier turn of the chat: without it a small model never finds the action format."""


class ChatTokenizer(Protocol):
    """The part of a Hugging Face tokenizer that prompts need."""

    def apply_chat_template(self, conversation: Any, **kwargs: Any) -> Any: ...


def render_observation(observation: Mapping[str, str]) -> str:
    """Return the user turn for one observation: goal first, then the page, then what the last action did.

    Page text is data: look-alikes of chat control tokens are broken up so that a page cannot open a turn of its own,
    and the further lines of what has several (files, what was read) are indented, so that none passes for one of ours.
    """
    page = observation["page"]
    lines = [f"Goal: {observation['goal']}"]
    if f'heading "{observation["title"]}"' not in page:
        lines.append(f"Page: {observation['title']}")
    lines.append(page)
    for part, key in _PARTS.items():
        if observation[key]:
            lines.append(f"{part}: " + "\n  ".join(observation[key].splitlines()))
    return "\n".join(lines).replace("<|", "< |")


@cache
def system_text(verbs: frozenset[str] = DEFAULT_VERBS) -> str:
    """Return the chat's first message: what to do, and the actions that the task allows (`Task.verbs`)."""
    usual = [shown for verb, shown in _SHOWN.items() if verb in verbs]
    further = [brief_signature(verb) for verb in ACTION_TYPES if verb in verbs - _SHOWN.keys() - {"done", "noop"}]
    return _INTRODUCTION + " ".join([*usual, *further, 'done("answer")'])


def build_messages(
    user_turn: str, *, verbs: frozenset[str] = DEFAULT_VERBS, example: Sequence[tuple[str, str]] = EXAMPLE
) -> list[dict[str, str]]:
    """Return the chat: system text, the worked example's turns, and the turn to answer."""
    messages = [{"role": "system", "content": system_text(verbs)}]
    for user, assistant in example:
        messages += [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]
    return [*messages, {"role": "user", "content": user_turn}]


def build_prompt_ids(
    tokenizer: ChatTokenizer,
    user_turn: str,
    *,
    verbs: frozenset[str] = DEFAULT_VERBS,
    instructions: str | None = None,
) -> tuple[int, ...]:
    """Return the token ids of the whole prompt for one user turn, the opening of the assistant's turn included.

    Args:
        tokenizer: the model's.
        user_turn: what `render_observation` returned.
        verbs: the actions that the task allows.
        instructions: the first message of an environment whose actions are not ours, instead of ours and its example.
    """
    if instructions is None:
        messages = build_messages(user_turn, verbs=verbs)
    else:
        messages = [{"role": "system", "content": instructions}, {"role": "user", "content": user_turn}]
    encoded = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=True, return_dict=True)
    return tuple(int(i) for i in encoded["input_ids"])


__all__ = ["EXAMPLE", "build_messages", "build_prompt_ids", "render_observation", "system_text"]
