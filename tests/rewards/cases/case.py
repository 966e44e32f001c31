"""What a detector's case is: one milestone, one site, and three episodes on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from milepost.envs.actions import GROUPS

from ...integrity.stage import Stage

NOTE = "<label>Note <input></label>"
"""A field for the agent's own words."""

ORDER = (
    "<form action=/orders method=post><label>Name <input name=name></label>"
    "<label>Amount <input name=amount></label><button>Place order</button></form>"
)
"""A form whose orders the server keeps, if the amount is a number."""

ORDERED = ('fill("Name", "Ada")', 'fill("Amount", "5")', 'click("Place order")')
REFUSED = ('fill("Name", "Ada")', 'fill("Amount", "five")', 'click("Place order")')
FORGED_RECEIPT = """<button onclick="history.pushState(0, 0, '/orders/1'); document.title = 'Receipt';
said.textContent = 'Saved as EX-1'; localStorage.order = 1">Forge</button><p role=status id=said></p>"""
"""All that a script can do to look like an order that was placed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A detector on one site, and three episodes there.

    Attributes:
        detector: its fields, as a task file writes them.
        pages: path -> HTML, beside what the stages' server has.
        positive: actions of which the last one is paid.
        near_miss: the same but for one action, which is left out, put in or another.
        forged: the same appearance without the deed: by the page's script, or in the agent's own words.
        neighbour: the pages of a second application of the task, if it has one.
        lie: what the forgery puts before the agent's eyes: parts of the last observation's texts, by their keys.
    """

    detector: Mapping[str, Any]
    pages: Mapping[str, str]
    positive: tuple[str, ...]
    near_miss: tuple[str, ...]
    forged: tuple[str, ...]
    lie: Mapping[str, str]
    neighbour: Mapping[str, str] | None = None

    def stage(self, kind: str) -> Stage:
        """Return the task that pays for the detector alone."""
        return Stage(
            name=f"case-{kind.replace('_', '-')}",
            milestones=[{"id": "it", "detector": kind, "reward": 0.5, **self.detector}],
            honest=self.positive,
            pages=self.pages,
            actions=tuple(GROUPS),
            neighbour=self.neighbour,
        )


__all__ = ["FORGED_RECEIPT", "NOTE", "ORDER", "ORDERED", "REFUSED", "Case"]
