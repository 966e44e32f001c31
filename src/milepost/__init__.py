"""Milepost: train computer-use agents on rewards you can audit.

    import milepost
    env = milepost.make("expense-form")                  # or "milepost/expense-form-v0"
    observation, info = env.reset(seed=7)
    observation, reward, terminated, truncated, info = env.step('fill("Name", "Ada")')

Importing this registers the bundled tasks, and those of installed packages, with Gymnasium, so that
`gymnasium.make("milepost/expense-form-v0")` works after `import milepost`, and
`gymnasium.make("milepost:milepost/expense-form-v0")` without. It loads neither torch nor a browser.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from . import errors
from .envs.registration import register_bundled_tasks, register_plugin_tasks, register_task, register_tasks

if TYPE_CHECKING:
    from .envs.env import MilepostEnv
    from .envs.python_tasks import milestone
    from .envs.suites import Suite
    from .envs.task import Task

try:
    __version__ = version("milepost")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0.0.0"


def make(task: str | Task, **kwargs: Any) -> MilepostEnv:
    """Make the environment of a task, without Gymnasium's wrappers.

    Args:
        task: a registered id ("milepost/expense-form-v0"), a bare name ("expense-form", its newest version), the path
            of a file that holds one task ("my_tasks/claim-lunch.yaml"), or a Task.
        **kwargs: passed to `milepost.envs.MilepostEnv`, e.g. `render_mode="rgb_array"`.

    Returns:
        The environment; reset it before the first step.

    Raises:
        TaskError: no such task; the message names close ones.
    """
    from .envs.env import MilepostEnv

    return MilepostEnv(task, **kwargs)


def load_suite(name_or_file: str) -> Suite:
    """Return a suite of tasks by its name, or that of a suite file, which is registered as well.

    Raises:
        TaskError: there is none, or the file is wrong.
    """
    from .envs.suites import load_suite as load

    return load(name_or_file)


def __getattr__(name: str) -> Any:
    if name == "milestone":  # loaded on first use: it needs the rewards, which take a while
        from .envs.python_tasks import milestone

        return milestone
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


register_bundled_tasks()
register_plugin_tasks()

__all__ = [
    "__version__",
    "errors",
    "load_suite",
    "make",
    "milestone",
    "register_bundled_tasks",
    "register_task",
    "register_tasks",
]
