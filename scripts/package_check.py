"""Builds the sdist and from it the wheel, installs the wheel without torch in a clean environment, and uses it there.

Run by `make package-check`. Catches what an editable install hides: a template, script or task file that is not
packaged, a symlink that became a dangling one, a base import that needs an extra.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("agents", "envs", "rewards", "sandbox", "trainers")
FRONT_DOOR = "src/milepost/"

USE = """
import importlib.util, sys
assert importlib.util.find_spec("torch") is None, "torch came with the base install"
import milepost, milepost.envs, milepost.rewards, milepost.sandbox
import gymnasium
assert not [m for m in sys.modules if m.partition(".")[0] in {"torch", "playwright"}], "a base import loads too much"
assert not {"agents", "envs", "rewards", "sandbox", "trainers"} & set(sys.modules), "a bare room name was imported"
assert "site-packages" in milepost.__file__, milepost.__file__
tasks = sorted(i for i in gymnasium.registry if i.startswith("milepost/"))
assert tasks, "installing milepost registered no task with Gymnasium"
from milepost.envs import task_for
for task in tasks:
    task_for(task).instantiate(0)
print("tasks:", ", ".join(tasks))
"""


def run(*command: str | Path, cwd: Path) -> str:
    """Runs a command away from the checkout; on failure shows its output and stops."""
    environ = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "MYPYPATH", "VIRTUAL_ENV"}}
    done = subprocess.run([str(c) for c in command], cwd=cwd, env=environ, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(str(c) for c in command)}\n{done.stdout}{done.stderr}\npackage check failed")
    return done.stdout


def packaged_name(tracked: str) -> str | None:
    """Where the wheel must have a tracked file; None for what does not belong in it."""
    if tracked.partition("/")[0] in ROOMS:
        return f"milepost/{tracked}"
    return f"milepost/{tracked.removeprefix(FRONT_DOOR)}" if tracked.startswith(FRONT_DOOR) else None


def main() -> None:
    """Builds, compares with what git tracks, installs, imports, lists the tasks."""
    listing = run("git", "ls-files", "-z", cwd=ROOT).split("\0")
    tracked = [name for name in listing if name and (ROOT / name).is_file()]  # symlinks to folders are no files
    expected = {wanted for name in tracked if (wanted := packaged_name(name))}
    with tempfile.TemporaryDirectory(prefix="milepost-package-") as scratch:
        work = Path(scratch)
        run(sys.executable, "-m", "build", "--outdir", work, ROOT, cwd=work)
        (sdist,), (wheel,) = work.glob("*.tar.gz"), work.glob("*.whl")
        with tarfile.open(sdist) as archive:
            links = [m.name for m in archive.getmembers() if not (m.isfile() or m.isdir())]
        with zipfile.ZipFile(wheel) as archive:
            missing = expected - set(archive.namelist())
        if links or missing:
            sys.exit(f"links in the sdist: {links}\nmissing from the wheel: {sorted(missing)}\npackage check failed")
        print(f"{wheel.name}: {len(expected)} tracked files, all packaged")

        clean = work / "venv"
        venv.create(clean, with_pip=True)
        python, milepost = clean / "bin" / "python", clean / "bin" / "milepost"
        constraints = ROOT / "constraints.txt"
        run(python, "-m", "pip", "install", "--disable-pip-version-check", "-c", constraints, wheel, cwd=work)
        print(run(python, "-W", "error", "-c", USE, cwd=work), end="")
        run(milepost, "tasks", "list", "--json", cwd=work)
        print("installed in a clean environment without torch; imports and lists its tasks")


if __name__ == "__main__":
    main()
