"""How hard a task is, by the number of actions that its oracle takes: the one scale of lists and of evaluations."""

from __future__ import annotations

from typing import Literal, get_args

Level = Literal["easy", "medium", "hard"]
LEVELS: tuple[Level, ...] = get_args(Level)
EASY_ACTIONS = 3
MEDIUM_ACTIONS = 7
LEVEL_ACTIONS: dict[Level, str] = {
    "easy": f"1 to {EASY_ACTIONS} actions",
    "medium": f"{EASY_ACTIONS + 1} to {MEDIUM_ACTIONS} actions",
    "hard": f"{MEDIUM_ACTIONS + 1} actions or more",
}
"""What each level means, for people."""


def level_of(oracle_actions: int | None) -> Level | None:
    """Return a task's level; None if it has no oracle, as most MiniWoB++ pages (0 or None)."""
    if not oracle_actions:
        return None
    return "easy" if oracle_actions <= EASY_ACTIONS else "medium" if oracle_actions <= MEDIUM_ACTIONS else "hard"


__all__ = ["EASY_ACTIONS", "LEVELS", "LEVEL_ACTIONS", "MEDIUM_ACTIONS", "Level", "level_of"]
