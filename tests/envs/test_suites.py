from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import milepost
from milepost.envs import suites
from milepost.envs.registration import isolated_registry, registered_ids, task_for
from milepost.envs.suites import Split, Suite, expand, is_suite_file, load_suite, register_lazy_suite, register_suite
from milepost.errors import TaskError

SUITE = """name: pair
description: Two tasks.
tasks: [expense-form, report-download]
held_out: [mail-attach]
"""


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(suites, "_suites", {})
    with isolated_registry():
        yield


def write(folder: Path, text: str = SUITE, name: str = "pair.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_suite_file_gives_its_tasks_and_its_split(tmp_path: Path):
    suite = load_suite(write(tmp_path))
    assert suite.ids() == ("milepost/expense-form-v0", "milepost/report-download-v0", "milepost/mail-attach-v0")
    assert suite.ids(Split.TRAIN) == ("milepost/expense-form-v0", "milepost/report-download-v0")
    assert suite.ids(Split.HELD_OUT) == ("milepost/mail-attach-v0",)
    assert suite.split_of("milepost/mail-attach-v0") is Split.HELD_OUT
    assert suite.split_of("milepost/expense-form-v0") is Split.TRAIN
    with pytest.raises(TaskError, match="not in the suite 'pair'"):
        suite.split_of("milepost/mail-send-v0")


def test_names_of_suites_stand_for_their_tasks_and_each_task_comes_once(tmp_path: Path):
    register_suite(write(tmp_path))
    assert expand(["report-download", "pair", "mail-attach"]) == (
        "milepost/report-download-v0",
        "milepost/expense-form-v0",
        "milepost/mail-attach-v0",
    )
    assert expand(["pair:held_out"]) == ("milepost/mail-attach-v0",)
    assert expand(["pair"], bare=Split.TRAIN) == expand(["pair:train"])
    assert expand(["pair:held_out", "search-open"], bare=Split.TRAIN)[0] == "milepost/mail-attach-v0"


def test_a_suite_brings_task_files_of_its_own(tmp_path: Path):
    folder = tmp_path / "tasks"
    folder.mkdir()
    text = (suites.BUNDLED_SUITES.parent / "tasks" / "search-open.yaml").read_text(encoding="utf-8")
    (folder / "mine.yaml").write_text(text.replace("name: search-open", "name: search-mine"), encoding="utf-8")
    path = write(tmp_path, "name: mine\nfiles: [tasks/*.yaml]\ntasks: [search-mine]\n", "mine.yaml")
    assert load_suite(path).ids() == ("milepost/search-mine-v0",)
    assert "milepost/search-mine-v0" in registered_ids()


def test_files_of_tasks_and_of_a_suite_stand_for_their_tasks(tmp_path: Path):
    path = str(write(tmp_path))
    assert expand([path], bare=Split.TRAIN) == ("milepost/expense-form-v0", "milepost/report-download-v0")
    bundled = suites.BUNDLED_SUITES.parent / "tasks"
    assert expand([str(bundled / "search-open.yaml"), path])[0] == "milepost/search-open-v0"
    assert len(expand([str(bundled / "files" / "*.yaml")])) == 12


def test_a_lazy_suite_is_made_once_and_only_when_asked_for():
    made: list[int] = []

    def make() -> Suite:
        made.append(1)
        return Suite(name="late", tasks=("expense-form",))

    register_lazy_suite("late", make)
    assert "late" in suites.suite_names()
    assert not made
    assert load_suite("late") is load_suite("late")
    assert made == [1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: pair\n", r"pair.yaml:1: tasks: it is missing; add it"),
        ("name: pair\ntasks: []\n", r"pair.yaml:2: tasks: tuple should have at least 1 item"),
        ("name: pair\ntasks: [a]\ntask: [b]\n", r"pair.yaml:3: task: unknown key; did you mean 'tasks'\?"),
        ("name: Pair!\ntasks: [a]\n", r"pair.yaml:1: name: string should match"),
        ("name: pair\ntasks: [a, a]\n", "'a' is listed twice"),
        ("name: pair\ntasks: [a]\nheld_out: [a]\n", "'a' is listed twice"),
        ("- expense-form\n", r"pair.yaml:1: expected a suite \(name:, tasks:\), got list"),
        ("name: pair\ntasks: expense-form\n", r"pair.yaml:2: tasks: "),
        ("name: pair\ntasks: [a]\nfiles: [none/*.yaml]\n", "expected task files at"),
    ],
)
def test_a_wrong_suite_file_says_where_and_what(tmp_path: Path, text: str, said: str):
    with pytest.raises(TaskError, match=said):
        load_suite(write(tmp_path, text))
    assert "pair" not in suites.suite_names()


def test_a_task_that_is_not_registered_names_the_suite():
    register_suite(Suite(name="odd", tasks=("expens-form",)))
    with pytest.raises(TaskError, match="the suite 'odd': no task 'expens-form' is registered; did you mean"):
        load_suite("odd").ids()


def test_an_unknown_suite_or_part_names_what_there_is():
    register_suite(Suite(name="pair", tasks=("expense-form",)))
    with pytest.raises(TaskError, match="no suite 'pear'; did you mean pair"):
        load_suite("pear")
    with pytest.raises(TaskError, match="expected pair:train or pair:held_out, got 'pair:test'"):
        expand(["pair:test"])
    with pytest.raises(TaskError, match="the suite 'pair' holds no task out"):
        expand(["pair:held_out"])
    with pytest.raises(TaskError, match="no suite 'nobody'"):
        expand(["nobody:train"])
    with pytest.raises(TaskError, match="There is also the suite 'pair'"):
        expand(["paair"])


def test_a_family_of_a_suite_is_a_part_of_it_and_has_its_two_splits():
    mail = expand(["core:mail"])
    assert len(mail) == 12
    assert {task_for(task_id).family for task_id in mail} == {"mail"}
    assert expand(["core:mail:train"]) + expand(["core:mail:held_out"]) == mail
    assert expand(["core:mail"], bare=Split.TRAIN) == expand(["core:mail:train"])
    assert set(expand(["core:mail:held_out"])) <= set(expand(["core:held_out"]))


def test_an_unknown_family_names_those_there_are():
    with pytest.raises(TaskError, match="got 'core:mial'; its families are core:files, core:form, core:mail, "):
        expand(["core:mial"])
    with pytest.raises(TaskError, match="got 'core:mail:test'"):
        expand(["core:mail:test"])
    register_suite(Suite(name="odd", tasks=("expense-form",), held_out=("search-open",)))
    with pytest.raises(TaskError, match="the suite 'odd' has no task of the family 'form' in held_out"):
        expand(["odd:form:held_out"])


def test_task_files_and_suite_files_are_told_apart(tmp_path: Path):
    assert is_suite_file(write(tmp_path))
    assert not is_suite_file(suites.BUNDLED_SUITES.parent / "tasks" / "search-open.yaml")


@pytest.mark.parametrize("path", sorted(suites.BUNDLED_SUITES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_bundled_suites_hold_registered_tasks_and_are_called_like_their_files(path: Path):
    suite = milepost.load_suite(path.stem)
    assert suite.name == path.stem
    assert set(suite.ids()) <= set(registered_ids())


def test_the_miniwob_suite_holds_every_page_once_and_a_quarter_of_them_out():
    suite = milepost.load_suite("miniwob")
    assert len(suite.ids()) == len(set(suite.ids())) >= 125
    assert len(suite.held_out) == len(suite.ids()) // 4


def test_the_suites_that_come_along_are_known():
    assert {"core", "cross", "files", "miniwob"} <= set(suites.suite_names())
