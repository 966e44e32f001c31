"""Tasks of installed packages: found without importing them, and unable to break anything else."""

import os
import subprocess
import sys
import textwrap
import warnings

import gymnasium
import pytest

import milepost
from milepost.envs.registration import (
    isolated_registry,
    register_plugin_tasks,
    registered_ids,
    registered_tasks,
    resolve_id,
    source_of,
    task_for,
)
from milepost.errors import PluginWarning, TaskError

TASK = """\
name: {name}
version: {version}
family: files
description: Write a file.
files: {{in.txt: x}}
goal: Write out.txt.
max_steps: 3
milestones:
  - {{id: written, detector: file_created, path: out.txt, reward: 1.0}}
oracle: ['write_file("out.txt", "x")']
"""
PYTHON = """
import milepost

@milepost.register_task
class ClaimLunch:
    '''Claim a lunch.'''
    family, goal, max_steps, oracle = "files", "Claim.", 3, ("done()",)
    files = {"a.txt": "x"}
    def success(moment):
        return False

answer = 42
"""


@pytest.fixture(autouse=True)
def _isolated():
    with isolated_registry():
        yield


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a package on the path as an installer would: its files, and what it says of itself."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def put(package, points, files):
        for path, text in files.items():
            (tmp_path / package / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / package / path).write_text(text)
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[milepost.tasks]\n" + textwrap.dedent(points))
        return tmp_path

    yield put
    for name in [n for n in sys.modules if n.startswith("plug_")]:
        del sys.modules[name]


EXPLODES = "raise RuntimeError('imported too early')\n"


def test_a_folder_of_task_files_is_listed_without_importing_the_package(install):
    both = TASK.format(name="first", version=0) + "---\n" + TASK.format(name="second", version=3)
    install("plug_office", "office = plug_office.tasks\n", {"__init__.py": EXPLODES, "tasks/all.yaml": both})
    register_plugin_tasks()
    assert {"milepost/first-v0", "milepost/second-v3"} <= set(registered_ids())
    assert "milepost/second-v3" in gymnasium.registry
    assert task_for("second").version == 3
    assert milepost.make("first").task.name == "first"
    assert source_of("milepost/first-v0") == "the package plug_office 1.0 (entry point office = 'plug_office.tasks')"
    assert source_of("milepost/expense-form-v0") is None
    assert "plug_office" not in sys.modules


def test_a_task_in_python_is_imported_when_it_is_asked_for(install):
    install("plug_lunch", "claim-lunch-v0 = plug_lunch.tasks:ClaimLunch\n", {"__init__.py": "", "tasks.py": PYTHON})
    register_plugin_tasks()
    assert "milepost/claim-lunch-v0" in gymnasium.registry
    assert "plug_lunch" not in sys.modules
    assert task_for("claim-lunch").description == "Claim a lunch."
    assert resolve_id("claim-lunch") == "milepost/claim-lunch-v0"


def test_registering_again_changes_and_warns_of_nothing(install):
    install("plug_a", "a = plug_a\n", {"__init__.py": "", "t.yaml": TASK.format(name="first", version=0)})
    register_plugin_tasks()
    before = dict(gymnasium.registry)
    register_plugin_tasks()
    assert dict(gymnasium.registry) == before


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ("bad = plug_bad.nowhere", ["'plug_bad.nowhere'", "a package's folder of task files"]),
        ("bad = plug_absent.tasks", ["'plug_absent'", "not installed"]),
        ("bad = plug_bad.empty", ["task files (*.yaml)", "found none"]),
        ("Bad Name = plug_bad.tasks:answer", ["named as its id", "'Bad Name'", "rename it"]),
        ("bad = plug_bad.nameless", ["names no task", "`name:`"]),
    ],
)
def test_a_broken_package_is_a_warning_that_names_it(install, points, words):
    files = {"__init__.py": "", "empty/x.txt": "", "nameless/t.yaml": "family: x\n", "tasks.py": PYTHON}
    install("plug_bad", points + "\n", files)
    good = {"__init__.py": "", "t.yaml": TASK.format(name="good-one", version=0)}
    install("plug_good", "good = plug_good\n", good)
    with pytest.warns(PluginWarning) as caught:
        register_plugin_tasks()
    (message,) = {str(w.message) for w in caught}
    assert all(word in message for word in ["the package plug_bad 1.0", *words]), message
    assert task_for("good-one").name == "good-one"
    assert task_for("expense-form").name == "expense-form"


@pytest.mark.parametrize(
    ("point", "source", "words"),
    [
        ("broken-one-v0 = plug_late.tasks:answer", PYTHON, ["expected a task", "int"]),
        ("broken-one-v0 = plug_late.tasks:absent", PYTHON, ["AttributeError", "absent", "mend it"]),
        (
            "broken-one-v0 = plug_late.tasks:ClaimLunch",
            PYTHON,
            ["as the entry point is named", "milepost/claim-lunch-v0"],
        ),
        (
            "broken-one-v0 = plug_late.tasks:ClaimLunch",
            "import no_such_thing",
            ["ModuleNotFoundError", "no_such_thing"],
        ),
        ("broken-one-v0 = plug_late.tasks:ClaimLunch", "1/0", ["ZeroDivisionError"]),
    ],
)
def test_a_task_that_breaks_when_asked_for_breaks_itself_only(install, point, source, words):
    install("plug_late", point + "\n", {"__init__.py": "", "tasks.py": source})
    register_plugin_tasks()
    with pytest.raises(TaskError) as caught:
        task_for("broken-one")
    message = str(caught.value)
    assert message.startswith("the package plug_late 1.0 (entry point broken-one-v0 = 'plug_late.tasks:")
    assert all(word in message for word in words), message
    with pytest.warns(PluginWarning, match="plug_late"):
        found = registered_tasks()
    assert "milepost/broken-one-v0" not in found
    assert "milepost/expense-form-v0" in found


def test_a_broken_task_file_of_a_package_breaks_itself_only(install):
    broken = TASK.format(name="broken-one", version=0).replace("max_steps: 3", "max_steps: many")
    install("plug_c", "c = plug_c\n", {"__init__.py": "", "t.yaml": broken})
    register_plugin_tasks()
    with pytest.raises(TaskError, match=r"plug_c 1.0.*t.yaml:7: max_steps"):
        task_for("broken-one")


def test_what_was_there_first_stays(install):
    install("plug_d", "d = plug_d\n", {"__init__.py": "", "t.yaml": TASK.format(name="expense-form", version=0)})
    with pytest.warns(PluginWarning, match=r"plug_d 1.0 .*milepost/expense-form-v0, and there is one already"):
        register_plugin_tasks()
    assert task_for("expense-form").app == "expenses"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        milepost.register_task(task_for("expense-form"))  # one's own code may replace it


def test_gymnasium_finds_them_in_a_fresh_process(install):
    files = {"__init__.py": EXPLODES, "t.yaml": TASK.format(name="from-afar", version=1)}
    folder = install("plug_far", "far = plug_far\n", files)
    code = (
        "import gymnasium\n"
        "env = gymnasium.make('milepost:milepost/from-afar-v1')\n"
        "assert env.unwrapped.task.name == 'from-afar'\n"
        "from milepost.cli import main\n"
        "main(['tasks', 'list', '--json'])\n"
    )
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True, text=True, timeout=120, cwd="/", env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert '"milepost/from-afar-v1"' in done.stdout
