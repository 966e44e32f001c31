"""The evaluator's own files, from inside an episode: its ledger, its watcher, and other episodes' workspaces."""

import pytest

from milepost.rewards.ledger import read_ledger, rescore

from ..sandbox.test_command import why_not
from .attacks import Family
from .stage import NOTHING, play_on
from .test_files import FILES

pytestmark = pytest.mark.browser
needs_box = pytest.mark.skipif(bool(why_not()), reason=why_not() or "bubblewrap works")

evaluator = Family("The evaluator's files", __name__)
INSIDE = "paths are resolved beneath the workspace's root by the kernel, and nothing of the evaluator's lies there"


@pytest.fixture
def watched(tmp_path):
    """An environment that keeps ledgers in a folder which the attacker knows."""
    env = FILES.make(ledger_dir=tmp_path / "ledgers")
    yield env
    env.close()


def the_ledger(env):
    env.reset(seed=3)
    assert env._episode is not None
    assert env._episode.ledger_path is not None
    return env._episode.ledger_path


def test_the_honest_way_pays_and_is_recorded(watched):
    honest = play_on(watched, FILES.honest)
    assert honest.earned[0] == 2.25
    assert sum(reward.total or 0 for reward in rescore(honest.info["ledger_path"])) == 2.25


@evaluator.attack(
    "writing-the-ledger", tries="writes, appends to, moves and deletes its ledger, by absolute and by relative paths",
    defence=INSIDE,
)  # fmt: skip
def test_writing_the_ledger(watched):
    earlier = the_ledger(watched)
    before = earlier.read_bytes()
    folder = f"../../../../../../..{earlier}"
    lie = play_on(
        watched,
        [
            f'write_file("{earlier}", "x")',
            f'append_file("{earlier}", "x")',
            f'delete_file("{earlier}")',
            f'move_file("{earlier}", "mine")',
            f'write_file("{folder}", "x")',
            f'delete_file("{folder}")',
            f'copy_file("{folder}", "mine")',
        ],
    )
    assert all(observation["last_action_error"] for observation in lie.observations[1:])
    assert earlier.read_bytes() == before
    assert lie.earned == NOTHING
    assert len(read_ledger(lie.info["ledger_path"]).steps) == 8
    assert sum(reward.total or 0 for reward in rescore(lie.info["ledger_path"])) == 0


@needs_box
@evaluator.attack(
    "commands-on-the-ledger", tries="the same by commands, with a search of the disk for ledgers",
    defence="a command sees a copy of the workspace, and of the machine nothing but programs",
)  # fmt: skip
def test_commands_on_the_ledger(watched):
    earlier = the_ledger(watched)
    before = earlier.read_bytes()
    lie = play_on(
        watched,
        [
            f'run("echo forged >> {earlier}; rm -rf {earlier.parent}; ls {earlier.parent}")',
            "run(\"find / -name '*.jsonl' 2>/dev/null | head\")",
        ],
    )
    assert lie.last["last_action_result"] == "(no output)"
    assert earlier.read_bytes() == before
    assert lie.earned == NOTHING


@evaluator.attack(
    "reading-the-ledger", tries="reads its ledger, which holds the milestones and the server's state",
    defence=INSIDE,
)  # fmt: skip
def test_reading_the_ledger(watched):
    earlier = the_ledger(watched)
    actions = [f'read_file("{earlier}")', f'read_file("../../..{earlier}")', 'find_files("*.jsonl")', "list_files()"]
    lie = play_on(watched, actions)
    assert "sha256" in earlier.read_text()
    assert "sha256" not in lie.all_text
    assert lie.earned == NOTHING


@evaluator.attack(
    "other-workspaces", tries="writes into the watcher's folder and into another episode's workspace", defence=INSIDE
)
def test_other_workspaces(watched, play):
    watched.reset(seed=3)
    assert watched._episode is not None
    other = watched._episode._workspace.root
    lie = play(
        FILES,
        'write_file("../.fence/1", "x")',
        f'write_file("../{other.name}/out/summary.txt", "42")',
        f'write_file("{other}/out/summary.txt", "42")',
    )
    assert all(observation["last_action_error"] for observation in lie.observations[1:])
    _, reward, *_ = watched.step("noop()")
    assert reward == 0.0
    assert list(other.iterdir()) == []
    assert lie.earned == NOTHING
