"""From a request to the chat messages that a judge reads.

Prompts are files in `prompts/`, a folder per version: `system.md`, the same for every question, and `question.md.j2`.
A prompt that has judged anything is not edited: another one gets another folder. The version that is recorded names
the files' content too, so that an edited one never passes for the old.

Every piece of page or agent text is cleaned (`untrusted`), cut in its middle if it is long, and put between fences that
carry a delimiter drawn for the question. The delimiter occurs in no piece, and what identifies a question's content
(`Prompt.content`) is without it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import jinja2
import numpy as np

from ...sandbox.errors import RewardError
from ..step_view import EpisodeView
from .request import JudgeRequest, Screenshot
from .untrusted import bare, clean
from .verdict import Shown

_DELIMITER_BYTES = 12
_FEWEST_CHARS = 200  # of a piece, however many there are
_ACTION_CHARS = 2000

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptLimits:
    """How much of an episode a judge is shown.

    Attributes:
        page_chars: characters of one page's text; of a longer one the head and the tail are shown.
        total_chars: characters of all pages together; above it each is shown less of.
        steps: steps; of a longer episode the first and the last.
        pictures: screenshots; of more, the last. 0: none is sent.
    """

    page_chars: int = 6000
    total_chars: int = 60_000
    steps: int = 40
    pictures: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One question, ready to be sent.

    Attributes:
        messages: the chat, in the OpenAI form.
        version: the prompt's version and a hash of its files, e.g. "v1:0b1c2d3e".
        delimiter: the word in the fences.
        shown: what was shown of the episode, each run of text by itself.
        content: hash of the messages without the delimiter: equal questions have equal ones.
    """

    messages: tuple[Message, ...]
    version: str
    delimiter: str
    shown: tuple[Shown, ...]
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A fenced piece, or a note of ours about what is not shown."""

    where: str = ""
    text: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    system: str
    question: jinja2.Template
    version: str


def render_prompt(
    request: JudgeRequest, *, version: str, limits: PromptLimits, generator: np.random.Generator
) -> Prompt:
    """Return the chat for one request.

    Args:
        request: what to judge.
        version: a folder of `prompts/`.
        limits: how much of the episode to show.
        generator: source of the delimiter; who writes the pages must not be able to guess its state.

    Raises:
        RewardError: there is no such version.
    """
    files = _read(version)
    parts = tuple(_parts(request, limits))
    pictures = request.screenshots[-limits.pictures :] if limits.pictures else ()
    texts = [clean(request.rubric.text), clean(request.rubric.truth or ""), clean(request.view.goal)]
    delimiter = _draw([*(part.text for part in parts), *texts], generator)
    question = files.question.render(
        delimiter=delimiter,
        rubric=texts[0],
        truth=texts[1],
        goal=texts[2],
        step_count=len(request.view.steps),
        parts=parts,
        picture_count=len(pictures),
        picture_steps=", ".join(f"after step {p.step}" if p.step else "at the start" for p in pictures),
    )
    messages = ({"role": "system", "content": files.system}, {"role": "user", "content": _content(question, pictures)})
    digest = hashlib.sha256(files.version.encode())
    digest.update(files.system.encode() + b"\0" + question.replace(delimiter, "").encode())
    for picture in pictures:
        digest.update(hashlib.sha256(picture.png).digest())
    return Prompt(
        messages=messages,
        version=files.version,
        delimiter=delimiter,
        shown=tuple(Shown(where=part.where, text=part.text) for part in parts if not part.note),
        content=digest.hexdigest(),
    )


def prompt_versions() -> tuple[str, ...]:
    """Return the names of the prompts that there are."""
    return tuple(sorted(entry.name for entry in _folder().iterdir() if entry.name.startswith("v")))


def prompt_version(name: str) -> str:
    """Return the version as judgements record it: the name with a hash of the files.

    Raises:
        RewardError: there is no such version.
    """
    return _read(name).version


def _folder() -> Any:
    return resources.files(__package__) / "prompts"


@cache
def _read(version: str) -> _Files:
    if version not in prompt_versions():
        raise RewardError(
            f"there is no judge's prompt {version!r}; expected one of {', '.join(prompt_versions())} (a folder of "
            "rewards/judge/prompts)"
        )
    system, question = (
        (_folder() / version / name).read_text(encoding="utf-8") for name in ("system.md", "question.md.j2")
    )
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # a chat is no HTML
    )
    digest = hashlib.sha256(f"{system}\0{question}".encode()).hexdigest()[:8]
    return _Files(system=system.strip(), question=environment.from_string(question), version=f"{version}:{digest}")


def _draw(texts: Sequence[str], generator: np.random.Generator) -> str:
    """Draw a delimiter that no text holds, however disguised."""
    occupied = "\0".join(map(bare, texts))
    while True:
        delimiter = generator.bytes(_DELIMITER_BYTES).hex()
        if bare(delimiter) not in occupied:
            return delimiter


def _content(question: str, pictures: Sequence[Screenshot]) -> str | list[Message]:
    if not pictures:
        return question
    urls = (f"data:image/png;base64,{base64.b64encode(picture.png).decode()}" for picture in pictures)
    return [{"type": "text", "text": question}, *({"type": "image_url", "image_url": {"url": url}} for url in urls)]


def _parts(request: JudgeRequest, limits: PromptLimits) -> Iterator[_Part]:
    steps = request.view.steps
    head, tail = _ends(len(steps), limits.steps)
    kept = [*range(head), *range(len(steps) - tail, len(steps))]
    pages = _pages(request.view, kept)
    each = max(_FEWEST_CHARS, min(limits.page_chars, limits.total_chars // max(1, len(pages))))
    for at, index in enumerate(kept):
        step, name = steps[index], f"step {index + 1}"
        if at == head and head + tail < len(steps):
            yield _Part(note=f"(Steps {head + 1} to {len(steps) - tail} are not shown.)")
        if (index, "before") in pages:
            yield from _piece(f"page before {name}", step.before, each)
        yield from _piece(f"action of {name}", step.action, _ACTION_CHARS)
        if step.error:
            yield from _piece(f"error message after {name}", step.error, _ACTION_CHARS)
        yield from _piece(f"page after {name}", step.after, each)
    if request.answer:
        yield from _piece("final answer of the agent", request.answer, max(each, _ACTION_CHARS))


def _pages(view: EpisodeView, kept: Sequence[int]) -> set[tuple[int, str]]:
    """The page texts to show: a page that a step found as the one before has left it is shown once."""
    pages = {(index, "after") for index in kept}
    for index in kept:
        if index - 1 not in kept or view.steps[index].before != view.steps[index - 1].after:
            pages.add((index, "before"))
    return pages


def _ends(count: int, limit: int) -> tuple[int, int]:
    """How many of `count` to keep at the head and at the tail, so that `limit` are kept; the tail gets the odd one."""
    kept = min(count, limit)
    return (kept // 2, kept - kept // 2)


def _piece(where: str, text: str, limit: int) -> Iterator[_Part]:
    """Yield a piece whole, or its head and its tail and between them how much is missing."""
    if len(text) > 4 * limit:  # what will not be shown need not be cleaned
        whole, head, tail = False, clean(text[: 2 * limit]), clean(text[-2 * limit :])
    else:
        head = tail = clean(text)
        whole = len(head) <= limit
    if whole:
        yield _Part(where=where, text=head)
        return
    first, last = _ends(limit, limit)
    # Cleaned again: a cut can put a line's beginning where none was.
    head, tail = clean(head[:first]), clean(tail[-last:])
    yield _Part(where=f"{where}, its beginning", text=head)
    yield _Part(note=f"(About {len(text) - first - last} characters of the {where} are not shown.)")
    yield _Part(where=f"{where}, its end", text=tail)


__all__ = ["Message", "Prompt", "PromptLimits", "prompt_version", "prompt_versions", "render_prompt"]
