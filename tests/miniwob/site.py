"""A small site laid out as the package's, for what its own pages do not do; and episodes on either."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from milepost.envs import MilepostEnv
from milepost.envs.miniwob.pages import package_folder
from milepost.envs.miniwob.tasks import MiniwobTask

SCORE = [
    {"id": "solved", "detector": "server_state", "query": "strict", "reward": 1.0, "ends_episode": True},
    {"id": "compatible", "detector": "server_state", "query": "compatible", "reward": 0.0},
]

PAGE = """<!DOCTYPE html><html><head><title>Page</title><script src="../core/core.js"></script><script>
var genProblem = function() {{ {problem} }};
window.onload = function() {{ core.startEpisode(); }};
</script></head><body><div id="wrap"><div id="query">{query}</div><div id="area">{area}</div></div></body></html>
"""


def write_site(folder: Path, pages: dict[str, dict[str, str]]) -> Path:
    """Lay out a site of these pages (query, area, problem) around the package's core.js, and return its folder."""
    (folder / "core").mkdir()
    (folder / "core" / "core.js").write_bytes((package_folder() / "core" / "core.js").read_bytes())
    (folder / "miniwob").mkdir()
    for name, parts in pages.items():
        (folder / "miniwob" / f"{name}.html").write_text(PAGE.format(**parts), encoding="utf-8")
    return folder


def task_on(app: str, page: str, **changes: Any) -> MiniwobTask:
    """Return a task on a page of an application that serves such a site."""
    whole = {
        "name": f"own-{page}", "family": "miniwob", "description": "A page.", "app": app,
        "start": f"/miniwob/{page}.html", "goal": "Do it.", "actions": ["basic", "pointer", "forms", "mouse", "time"],
        "max_steps": 10, "milestones": SCORE, "success": ["solved"],
    }  # fmt: skip
    return MiniwobTask.model_validate(whole | changes)


def seen(env: MilepostEnv, seed: int) -> tuple[str, str, tuple[Any, ...]]:
    """Reset and return all that the episode begins with: the goal, the page, and where everything stands."""
    observation, _ = env.reset(seed=seed)
    episode = env._episode
    assert episode is not None
    places = tuple((e.ref, e.role, e.name, e.value, e.box) for e in episode.snapshot.elements)
    return observation["goal"], observation["page"], places
