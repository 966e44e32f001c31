"""Runs served by the viewer in this process, and the browser of somebody who looks at them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from milepost.trainers.local_page.server import LocalServer
from milepost.trainers.viewing.index import RunIndex
from milepost.trainers.viewing.server import Viewer
from milepost.trainers.viewing.tokens import TokenTexts
from tests.labelling.conftest import chromium, tab
from tests.labelling.served import ServedPage

from .runs import record_run, word_model

__all__ = ["chromium", "tab"]


@contextmanager
def viewing(run: Path) -> Iterator[ServedPage]:
    """Serve a run."""
    viewer = Viewer(RunIndex.open(run), TokenTexts(run), run / "pictures")
    try:
        with LocalServer(viewer.app()) as server:
            server.start()
            yield ServedPage(server)
    finally:
        viewer.maker.close()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two iterations, whose episodes nobody can play again."""
    folder = tmp_path_factory.mktemp("viewer")
    return record_run(folder / "run", name=str(word_model(folder / "model")))


@pytest.fixture(scope="module")
def served(run: Path) -> Iterator[ServedPage]:
    patch = pytest.MonkeyPatch()
    patch.setenv("MILEPOST_CHROMIUM", str(run / "absent"))
    with viewing(run) as page:
        patch.undo()  # whoever looks at the page has a browser
        yield page
