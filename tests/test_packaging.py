import os
import re
import shutil
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("agents", "envs", "rewards", "sandbox", "trainers")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_are_linked_relatively_into_the_package(room: str):
    link = ROOT / "src" / "milepost" / room
    assert link.is_symlink()
    assert os.readlink(link) == f"../../{room}"
    assert link.resolve() == ROOT / room


def test_every_folder_of_code_is_a_package():
    """A folder without __init__.py would be left out of the wheel."""
    folders = {path.parent for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_what_is_pinned_is_what_is_allowed():
    pins = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    )
    by_name = {re.sub(r"[-_.]+", "-", name).lower(): Version(version) for name, version in pins.items()}
    extras = PROJECT["optional-dependencies"]
    for text in (*PROJECT["dependencies"], *extras["train"], *extras["dev"], *extras["docs"]):
        wanted = Requirement(text)
        pinned = by_name.get(re.sub(r"[-_.]+", "-", wanted.name).lower())
        assert pinned is not None, f"{wanted.name} is not in constraints.txt"
        assert wanted.specifier.contains(pinned), f"{wanted} does not allow {pinned}"
    assert by_name["torch"].local is None, "a +cpu pin would refuse every other build"


def test_command_is_declared():
    points = metadata.distribution("milepost").entry_points
    assert {(p.group, p.name) for p in points} == {("console_scripts", "milepost")}
    for point in points:
        assert callable(point.load())


def setup(tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "MILEPOST_"))}
    environ |= {"VENV": str(tmp_path / "venv"), "TMPDIR": str(tmp_path), **variables}
    return subprocess.run(
        ["/bin/bash", ROOT / "scripts" / "setup.sh"], env=environ, capture_output=True, text=True, timeout=120
    )


def only(folder: Path, *programs: str) -> str:
    """A PATH on which nothing but these programs is found."""
    folder.mkdir()
    for name in programs:
        found = shutil.which(name)
        assert found, name
        (folder / name).symlink_to(found)
    return str(folder)


def test_setup_without_a_python_says_which_to_install(tmp_path: Path):
    path = only(tmp_path / "bin", "dirname", "mktemp", "fold", "rm")
    done = setup(tmp_path, PATH=path)
    assert done.returncode == 1
    assert "Python 3.11" in done.stderr
    assert "apt-get install python3 python3-venv" in " ".join(done.stderr.split())
    assert not (tmp_path / "venv").exists()


def test_setup_without_the_venv_module_says_so(tmp_path: Path):
    path = only(tmp_path / "bin", "dirname", "mktemp", "fold", "rm", "id", "grep", "tail", "cut")
    fake = tmp_path / "bin" / "python3"
    fake.write_text('#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; esac\nexit 0\n')
    fake.chmod(0o755)
    done = setup(tmp_path, PATH=path)
    assert done.returncode == 1
    assert "python3-venv" in done.stderr


def test_setup_does_not_take_over_a_folder_that_is_no_environment(tmp_path: Path):
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "thesis.txt").write_text("precious")
    done = setup(tmp_path)
    assert done.returncode == 1
    assert (tmp_path / "venv" / "thesis.txt").read_text() == "precious"


@pytest.mark.slow
def test_setup_offline_names_what_is_missing_and_leaves_nothing_half_made(tmp_path: Path):
    done = setup(tmp_path, PIP_CONFIG_FILE=os.devnull, PIP_INDEX_URL=(tmp_path / "no-index").as_uri())
    message = " ".join(done.stderr.split())
    assert done.returncode == 1
    assert "torch==2.13.0 could not be installed" in message
    assert "offline" in message
    assert "make setup" in message
    assert not (tmp_path / "venv").exists()
