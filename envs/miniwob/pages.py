"""Which MiniWoB++ pages there are, and what is known of each; where the installed package keeps them.

`pages.json` names every page once. What it may say of one:

    registered  false: the page comes with the package, but neither its own environments nor BrowserGym's include it
    max_steps   where DEFAULT_MAX_STEPS is too few
    note        what to know of it
    fault       why a right answer may not be rewarded, or why nothing that reads text can find it
    load_anew   true: what one problem leaves behind shows in the next, so every reset loads the page
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from ...sandbox.errors import TaskError

PREFIX = "miniwob-"
DEFAULT_MAX_STEPS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page; see the module's text.

    Attributes:
        name: as its file is called, such as "click-test".
        registered: whether the package and BrowserGym count it among their tasks.
        max_steps: after so many actions its episodes are cut.
        note: what to know of it, or "".
        fault: what is wrong with it, or "".
        load_anew: whether every reset must load it.
    """

    name: str
    registered: bool = True
    max_steps: int = DEFAULT_MAX_STEPS
    note: str = ""
    fault: str = ""
    load_anew: bool = False


@cache
def miniwob_pages() -> Mapping[str, Page]:
    """Return every page by its name, sorted."""
    found = json.loads(Path(__file__).with_name("pages.json").read_bytes())
    return {name: Page(name=name, **facts) for name, facts in sorted(found.items())}


def miniwob_task_names() -> tuple[str, ...]:
    """Return the names of all tasks, such as "miniwob-click-test"; reads one small file."""
    return tuple(PREFIX + name for name in miniwob_pages())


def miniwob_page(name: str) -> Page:
    """Return a page by its name, with or without the prefix that its task has.

    Raises:
        TaskError: there is no such page.
    """
    page = miniwob_pages().get(name.removeprefix(PREFIX))
    if page is None:
        from difflib import get_close_matches

        close = get_close_matches(name.removeprefix(PREFIX), miniwob_pages(), n=3)
        cure = f"did you mean {' or '.join(close)}?" if close else "milepost.envs.miniwob.miniwob_task_names() has all"
        raise TaskError(f"expected the name of a MiniWoB++ page, got {name!r}; {cure}")
    return page


def package_folder() -> Path:
    """Return the folder with the package's pages: `miniwob/*.html`, `core/`, `common/`.

    Raises:
        TaskError: the package is not installed, or comes without pages.
    """
    spec = find_spec("miniwob")  # found, not imported: importing it would want a Selenium
    if spec is None or spec.origin is None:
        raise TaskError("expected the package miniwob with its pages, found none; pip install 'milepost[miniwob]'")
    folder = Path(spec.origin).parent / "html"
    if not (folder / "miniwob").is_dir():
        raise TaskError(
            f"expected the MiniWoB++ pages in {folder}, found none: this package miniwob is another or a broken one; "
            "pip install --force-reinstall 'milepost[miniwob]'"
        )
    return folder


__all__ = [
    "DEFAULT_MAX_STEPS",
    "PREFIX",
    "Page",
    "miniwob_page",
    "miniwob_pages",
    "miniwob_task_names",
    "package_folder",
]
