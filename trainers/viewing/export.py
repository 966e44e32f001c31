"""Episodes as one HTML file to send to somebody: the viewer's own page with everything it shows inside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..embedded import embedded_picture
from ..local_page.text import harmless
from ..pictures import Pictures
from .episode import episode_document
from .evidence import rescored
from .index import RunIndex
from .overview import run_document
from .page_files import page_in_one
from .tokens import TokenTexts


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """An episode to put into the file: its number and, if there are any, its pictures."""

    number: int
    pictures: Pictures = field(default_factory=Pictures)


def exported_page(index: RunIndex, texts: TokenTexts, chosen: Sequence[Exported]) -> bytes:
    """Return the file: the run's curves, and these episodes with pictures at most 640 pixels wide.

    Raises:
        RunError: an episode's line is no longer where it was.
    """
    numbers = list(dict.fromkeys(one.number for one in chosen))
    return page_in_one(
        {
            "run": run_document(index, numbers) | {"all_episodes": len(index.rows)},
            "episodes": {str(number): episode_document(index, number, texts) for number in numbers},
            "rescored": {str(n): rescored(index.ledger(n), index.trajectory(n).ledger_hash) for n in numbers},
            "pictures": {str(one.number): _pictures(one.pictures) for one in chosen},
        }
    )


def _pictures(pictures: Pictures) -> dict[str, Any]:
    """Return each different picture once, and which of them each moment has."""
    images: list[str] = []
    places: dict[Path, int | None] = {}
    for path in pictures.files:
        if path is not None and path not in places:
            image = embedded_picture(path)
            places[path] = None if image is None else len(images)
            images += [] if image is None else [image]
    return {
        "ready": True,
        "numbers": [None if path is None else places[path] for path in pictures.files],
        "images": images,
        "note": harmless(pictures.note, 500),
        "differs_at": pictures.differs_at,
    }


__all__ = ["Exported", "exported_page"]
