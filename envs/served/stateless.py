"""An application that keeps nothing in the episode's database."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...sandbox.app_server import App


class StatelessApp(App):
    """Base of what needs neither schema nor seeding.

    Attributes:
        has_state: whether it tells a server-side state.
    """

    has_state: bool = False

    def create_schema(self, db: sqlite3.Connection) -> None:
        """Create nothing."""

    def seed(self, db: sqlite3.Connection, rng: np.random.Generator, parameters: Mapping[str, Any]) -> None:
        """Fill nothing."""

    def state(self, db: sqlite3.Connection) -> dict[str, Any]:
        """Return an empty state."""
        return {}


__all__ = ["StatelessApp"]
