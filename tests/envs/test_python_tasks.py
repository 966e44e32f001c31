# mypy: disable-error-code="attr-defined, type-var, return-value, assignment"
# The functions of a class that describes a task take a moment or an episode where a type checker sees `self`.
"""Tasks as classes: their keys, their functions, and what is said of a class that describes none."""

import textwrap
from contextlib import closing

import pytest

import milepost
from milepost.envs import MilepostEnv, Task
from milepost.envs.checks.static import check_static
from milepost.envs.registration import isolated_registry, register_tasks, registered_ids, task_for, tasks_in
from milepost.errors import RewardError, TaskError
from milepost.rewards.types import Evidence, Moment
from milepost.sandbox.snapshot import FileInfo, Snapshot


@pytest.fixture(autouse=True)
def _isolated():
    with isolated_registry():
        yield


def paths(moment):
    return [file.path for file in moment.snapshot.files]


@pytest.fixture
def task() -> Task:
    @milepost.register_task
    class FileInvoice:
        """Move the right invoice into its folder.

        More words about it.
        """

        family = "files"
        goal = "Move {customer}'s invoice from inbox to paid."
        parameters = {"customer": {"choice": ["ada", "ben", "clara"]}}  # noqa: RUF012
        actions = ("basic", "files")
        max_steps = 5
        oracle = ('move_file("inbox/{customer}.txt", "paid/{customer}.txt")',)
        near_miss = (
            {
                "name": "copied",
                "actions": ['copy_file("inbox/{customer}.txt", "paid/{customer}.txt")'],
                "not_reached": ["success"],
            },
        )

        def setup(episode):
            for name in ("ada", "ben", "clara"):
                episode.files.write_text(f"inbox/{name}.txt", f"Invoice {episode.rng.integers(1000)} for {name}")
            episode.db.execute("CREATE TABLE seen (customer TEXT)")
            episode.db.execute("INSERT INTO seen VALUES (?)", (episode.parameters["customer"],))

        @milepost.milestone(reward=-0.5, forbidden=True)
        def wrong_one(moment):
            """Another invoice was paid."""
            wanted = f"paid/{moment.parameters['customer']}.txt"
            return any(path.startswith("paid/") and path != wanted for path in paths(moment))

        def success(moment):
            """The invoice is paid."""
            customer = moment.parameters["customer"]
            return f"paid/{customer}.txt" in paths(moment) and f"inbox/{customer}.txt" not in paths(moment)

    return FileInvoice


def moment(customer, now, reset=(), step=1):
    def look(names):
        return Snapshot(url="", title="", files=tuple(FileInfo(path=n, size_bytes=1, sha256="") for n in names))

    return Moment(
        step=step,
        events=(),
        history=(),
        snapshot=look(now),
        previous=look(reset),
        parameters={"customer": customer},
        reset=look(reset) if step else None,
    )


def test_a_class_becomes_a_registered_task(task):
    assert isinstance(task, Task)
    assert (task.name, task.version) == ("file-invoice", 0)
    assert task.description == "Move the right invoice into its folder."
    assert task_for("file-invoice") is task
    assert [(m.id, m.reward, m.forbidden) for m in task.milestones] == [
        ("wrong_one", -0.5, True),
        ("success", 1.0, False),
    ]
    assert task.success_ids == {"success"}
    assert [m.description for m in task.milestones] == ["Another invoice was paid.", "The invoice is paid."]


def test_what_a_function_sees_is_evidence_and_the_reset_is_taken_off(task):
    success = task.instantiate(0).milestones[1].detector
    inbox = ("inbox/ada.txt",)
    assert success(moment("ada", inbox, inbox)) is None
    assert success(moment("ada", ("paid/ada.txt",), inbox)) == Evidence(summary="The invoice is paid.")
    assert success(moment("ada", ("paid/ada.txt",), ("paid/ada.txt",))) is None
    assert success.held_at_reset(moment("ada", ("paid/ada.txt",), step=0))
    assert not success.held_at_reset(moment("ada", inbox, step=0))


def test_functions_may_name_self_and_nothing_outlives_a_call():
    @milepost.register_task
    class TypedTask:
        """Typed as a checker wants it."""

        family, goal, max_steps, oracle = "files", "Write a.txt.", 3, ('write_file("a.txt", "x")',)
        files = {"b.txt": "b"}  # noqa: RUF012
        _calls = 0

        @milepost.milestone(reward=0.25)
        def seen(self, moment: Moment) -> bool:
            """It was seen."""
            self._calls += 1
            return self._calls == 1 and "a.txt" in paths(moment)

        def success(self, moment: Moment) -> bool:
            """It is there."""
            return "a.txt" in paths(moment)

    assert [m.id for m in TypedTask.milestones] == ["seen", "success"]
    assert [m.description for m in TypedTask.milestones] == ["It was seen.", "It is there."]
    for milestone in TypedTask.instantiate(0).milestones:
        for _ in range(2):
            assert milestone.detector(moment("ada", ("a.txt",))) is not None


def test_the_check_sets_up_and_finds_nothing_wrong(task):
    report = check_static(task)
    assert [f for f in report.findings if f.severity != "advice"] == []


@pytest.mark.browser
def test_it_is_played(task):
    with closing(milepost.make(task)) as env:
        observation, _ = env.reset(seed=3)
        customer = env.instance.parameters["customer"]
        assert f"inbox/{customer}.txt" in observation["files"]
        first = env.step(f'read_file("inbox/{customer}.txt")')[0]["last_action_result"]
        _, reward, terminated, _, info = env.step(env.instance.oracle[0])
        assert (reward, terminated, info["success"]) == (1.0, True, True)
        env.reset(seed=3)
        assert env.step(f'read_file("inbox/{customer}.txt")')[0]["last_action_result"] == first
        other = next(name for name in ("ada", "ben", "clara") if name != customer)
        _, reward, _, _, info = env.step(f'move_file("inbox/{other}.txt", "paid/{other}.txt")')
        assert reward == -0.5
        assert info["milestones"] == {"wrong_one"}


@pytest.mark.browser
def test_a_set_up_that_raises_is_the_task_s_fault_not_the_machine_s(task):
    def broken(episode):
        raise KeyError("nobody")

    with (
        closing(milepost.make(task.model_copy(update={"setup": broken}))) as env,
        pytest.raises(TaskError, match=r"the set-up of the task 'file-invoice' failed for seed 0: KeyError: 'nobody'"),
    ):
        env.reset(seed=0)


def test_what_a_function_answers_may_be_a_sentence_or_evidence():
    given = [None]

    @milepost.register_task
    class Odd:
        """Odd."""

        family, goal, max_steps, oracle = "files", "Do it.", 3, ("done()",)
        files = {"a.txt": "x"}  # noqa: RUF012

        def success(moment):
            return given[0]

    detector = Odd.instantiate(0).milestones[0].detector
    for answer, seen in (
        (None, None),
        (False, None),
        ("", None),
        ("seen it", Evidence(summary="seen it")),
        (Evidence(summary="x", facts={"n": 1}), Evidence(summary="x", facts={"n": 1})),
    ):
        given[0] = answer
        assert detector.held_at_reset(moment("a", (), step=0)) is (seen is not None)


def test_a_detector_that_raises_is_named():
    @milepost.register_task
    class Odd:
        """Odd."""

        family, goal, max_steps, oracle = "files", "Do it.", 3, ("done()",)
        files = {"a.txt": "x"}  # noqa: RUF012

        @milepost.milestone(reward=1.0, id="odd_one", ends_episode=True)
        def whatever(moment):
            return moment.nothing

    with pytest.raises(
        RewardError, match=r"the detector .*Odd.whatever raised AttributeError: .* at step 0; let it answer"
    ):
        Odd.instantiate(0).milestones[0].detector.held_at_reset(moment("a", (), step=0))


FILE = '''
import milepost


class Base:
    family = "files"
    goal = "Write {word}."
    parameters = {"word": {"choice": ["a", "b"]}}
    files = {"in.txt": "{word}"}
    max_steps = 3
    oracle = ['write_file("out.txt", "{word}")']
%s

@milepost.register_task
class WriteIt(Base):
    """Write it."""
%s
    def success(moment):
        return any(f.path == "out.txt" for f in moment.snapshot.files)


@milepost.register_task
class WriteItTwice(Base):
    """Write it twice."""
    version = 2
    milestones = [{"id": "written", "detector": "file_created", "path": "out.txt", "reward": 1.0}]
'''


def written(tmp_path, base="", own=""):
    path = tmp_path / "tasks.py"
    path.write_text(FILE % (textwrap.indent(base, "    "), textwrap.indent(own, "    ")))
    return path


def test_a_file_of_python_registers_its_tasks(tmp_path):
    path = written(tmp_path)
    assert register_tasks(str(path)) == ["milepost/write-it-v0", "milepost/write-it-twice-v2"]
    assert {"milepost/write-it-v0", "milepost/write-it-twice-v2"} <= set(registered_ids())
    assert [task.name for task in tasks_in(path)] == ["write-it", "write-it-twice"]
    with pytest.raises(TaskError, match=r"expected one task in .*tasks.py, got 2 \(write-it, write-it-twice\)"):
        task_for(str(path))


@pytest.mark.parametrize(
    ("base", "own", "place", "words"),
    [
        ("", "max_stepz = 3", "max_stepz", ["unknown attribute 'max_stepz'", "did you mean 'max_steps'?"]),
        ("", "max_steps = 'many'", "max_steps", ["'many'", "write a whole number"]),
        ("", "goal = 'Write {wrd}.'", "goal", ["'wrd'", "did you mean 'word'?"]),
        ("", "def setup(self): pass", "def setup", ["setup(episode)", "one argument", "beside `self`", "got ()"]),
        ("", "site = './pages'", "site", ["a folder of HTML files", "'./pages'"]),
        ("", "def helper(moment): return True", "def helper", ["unknown attribute 'helper'", "begin it with _"]),
    ],
)
def test_a_wrong_class_says_where_what_and_how_to_mend_it(tmp_path, base, own, place, words):
    path = written(tmp_path, base, own)
    lines = path.read_text().splitlines()
    line = max(i for i, text in enumerate(lines, 1) if text.strip().startswith(place))
    with pytest.raises(TaskError) as caught:
        register_tasks(str(path))
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: ")
    assert all(word in message for word in words), message
    assert not [i for i in registered_ids() if "write-it" in i]


def test_paths_of_a_class_are_relative_to_its_file(tmp_path):
    (tmp_path / "pages").mkdir()
    path = written(tmp_path, own="site = './pages'")
    assert tasks_in(str(path))[0].site == str(tmp_path / "pages")


def test_a_file_without_tasks_is_told_so(tmp_path):
    (tmp_path / "none.py").write_text("x = 1\n")
    with pytest.raises(TaskError, match=r"put @milepost\.register_task above a class"):
        register_tasks(str(tmp_path / "none.py"))


def test_registering_a_task_object_works_as_ever(task):
    renamed = task.model_copy(update={"name": "other"})
    assert milepost.register_task(renamed) == "milepost/other-v0"
    assert isinstance(milepost.make("other"), MilepostEnv)
