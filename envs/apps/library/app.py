"""The library application: help articles, found by searching their titles."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..website import Website, database, slug, text_parameter

TASKS = (
    "Buying",
    "Charging",
    "Cleaning",
    "Fixing",
    "Moving",
    "Opening",
    "Packing",
    "Painting",
    "Resetting",
    "Storing",
    "Testing",
    "Using",
)
COLORS = ("black", "blue", "brown", "gold", "green", "grey", "pink", "purple", "red", "silver", "white", "yellow")
THINGS = (
    "bike",
    "boat",
    "camera",
    "clock",
    "heater",
    "lamp",
    "phone",
    "piano",
    "printer",
    "radio",
    "router",
    "scanner",
    "speaker",
    "table",
    "tablet",
    "watch",
)
BODIES = (
    "Read the short guide first, then take one step at a time.",
    "Keep the box and the paper that came with it.",
    "Ask a friend for help if a part feels too heavy.",
    "Wait ten minutes and try the last step again.",
    "Wash your hands and clear the desk before you begin.",
)
RESULTS_PER_PAGE = 5

_SCHEMA = """
CREATE TABLE article (slug TEXT PRIMARY KEY, title TEXT NOT NULL, body TEXT NOT NULL, position INTEGER NOT NULL);
CREATE TABLE search (number INTEGER PRIMARY KEY, query TEXT NOT NULL);
CREATE TABLE visit (number INTEGER PRIMARY KEY, slug TEXT NOT NULL REFERENCES article);
"""


class LibraryApp(Website):
    """Articles titled "<task> a <color> <thing>"; a search lists those whose titles hold every word of the query.

    Pages: `/`, `/search?q=<words>`, `/articles/<article>`.
    Task parameters: the target's `task`, `color` and `thing`, the `decoy_color` of a neighbour, and, if the task gives
    it, the `decoy_task` of the one that shares color and thing; four articles besides the target are about the same
    thing. If the task gives a `body`, it is what the target's article says.
    State: `searches`, the queries that were run, and `opened`, the titles of the articles that were served, in order.
    """

    name = "library"
    brand: ClassVar[str] = "Harbor Library"
    folder: ClassVar[Path] = Path(__file__).parent

    def create_schema(self, db: sqlite3.Connection) -> None:
        """Create the empty tables."""
        db.executescript(_SCHEMA)

    def seed(self, db: sqlite3.Connection, rng: np.random.Generator, parameters: Mapping[str, Any]) -> None:
        """Draw the articles: the target, four neighbours about the same thing, and a few about other things.

        Raises:
            TaskError: a parameter is missing.
        """
        task, color, thing, decoy_color = (
            text_parameter(self.name, parameters, name) for name in ("task", "color", "thing", "decoy_color")
        )
        decoy_task = text_parameter(self.name, parameters, "decoy_task") if "decoy_task" in parameters else None
        titles = _draw_titles(rng, task, color, thing, decoy_color, decoy_task)
        bodies = rng.integers(len(BODIES), size=len(titles)).tolist()
        told = (
            {_title(task, color, thing): text_parameter(self.name, parameters, "body")} if "body" in parameters else {}
        )
        rows = [
            (slug(t), t, told.get(t, BODIES[body]), i) for i, (t, body) in enumerate(zip(titles, bodies, strict=True))
        ]
        db.executemany("INSERT INTO article VALUES (?, ?, ?, ?)", rows)

    def state(self, db: sqlite3.Connection) -> dict[str, Any]:
        """Return what was searched for and which articles were opened."""
        searches = db.execute("SELECT query FROM search ORDER BY number").fetchall()
        visits = db.execute("SELECT title FROM visit JOIN article USING (slug) ORDER BY number").fetchall()
        return {"searches": [query for (query,) in searches], "opened": [title for (title,) in visits]}

    def routes(self) -> Sequence[BaseRoute]:
        """Return the start page, the results, and an article."""
        return [
            Route("/", self._start),
            Route("/search", self._search),
            Route("/articles/{article}", self._article),
        ]

    async def _start(self, request: Request) -> Response:
        return self.page("start.html", query="")

    async def _search(self, request: Request) -> Response:
        query = " ".join(request.query_params.get("q", "").split())[:80]
        if not query:
            return self.page("start.html", query="")
        db = database(request)
        db.execute("INSERT INTO search (query) VALUES (?)", (query,))
        titles = db.execute("SELECT slug, title FROM article ORDER BY position").fetchall()
        words = query.lower().split()
        found = [(key, title) for key, title in titles if all(word in title.lower() for word in words)]
        results = [(f"/articles/{key}", title) for key, title in found[:RESULTS_PER_PAGE]]
        return self.page("results.html", query=query, results=results)

    async def _article(self, request: Request) -> Response:
        db = database(request)
        key = request.path_params["article"]
        row = db.execute("SELECT title, body FROM article WHERE slug = ?", (key,)).fetchone()
        if row is None:
            raise HTTPException(404)
        db.execute("INSERT INTO visit (slug) VALUES (?)", (key,))
        return self.page("article.html", title=row[0], body=row[1])


def _draw_titles(
    rng: np.random.Generator, task: str, color: str, thing: str, decoy_color: str, decoy_task: str | None
) -> list[str]:
    """Return all titles in a drawn order; no title occurs twice, and `RESULTS_PER_PAGE` hold the target's thing."""
    tasks = rng.permutation([t for t in TASKS if t != task]).tolist()
    if decoy_task is not None:
        tasks = [decoy_task, *(t for t in tasks if t != decoy_task)]
    colors = rng.permutation([c for c in COLORS if c not in (color, decoy_color)]).tolist()
    titles = [
        _title(task, color, thing),
        _title(task, decoy_color, thing),
        _title(task, colors[0], thing),
        _title(tasks[0], color, thing),
        _title(tasks[1], colors[1], thing),
    ]
    # "table" is part of "tablet": a search for the one would list the other, so neither stands beside the other.
    things = [t for t in THINGS if t not in thing and thing not in t]
    for i, other in enumerate(rng.permutation(things).tolist()[:6]):
        titles.append(_title(tasks[2 + i], colors[2 + i], other))
    return [str(title) for title in rng.permutation(titles)]


def _title(task: str, color: str, thing: str) -> str:
    return f"{task} a {color} {thing}"


__all__ = ["BODIES", "COLORS", "RESULTS_PER_PAGE", "TASKS", "THINGS", "LibraryApp"]
