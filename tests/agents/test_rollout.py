import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from milepost.agents.evaluate import HELD_OUT_SEED, evaluate, evaluate_policy, score
from milepost.agents.policies import Decision, NoopPolicy, OraclePolicy, RandomPolicy, View
from milepost.agents.records import Trajectory
from milepost.agents.rollout import EnvPool, EpisodeSpec, RolloutTimes, StepTaken, run_episodes
from milepost.agents.views import episode_view
from milepost.envs.registration import task_for
from milepost.sandbox.errors import RunError

TASKS = ("milepost/expense-form-v0", "milepost/report-download-v0", "milepost/search-open-v0")

pytestmark = pytest.mark.browser


def test_episodes_come_back_in_order_with_their_records(tmp_path: Path):
    specs = [EpisodeSpec(task=TASKS[i % 3], seed=i // 3) for i in range(9)]
    times, taken = RolloutTimes(), list[StepTaken]()
    with EnvPool(ledger_dir=tmp_path) as pool:
        trajectories = run_episodes(
            specs, OraclePolicy(), pool=pool, concurrency=4, times=times, on_step=taken.append, policy_version=3
        )
    assert [(t.task, t.seed) for t in trajectories] == [(s.task, s.seed) for s in specs]
    for t in trajectories:
        instance = task_for(t.task).instantiate(t.seed)
        assert t.success
        assert t.terminated
        assert not t.truncated
        assert t.policy_version == 3
        assert t.total_reward == pytest.approx(instance.max_reward)
        assert [s.action for s in t.steps] == list(instance.oracle)
        assert t.steps[0].milestones_before == 0
        assert all(a.milestones_after == b.milestones_before for a, b in zip(t.steps, t.steps[1:], strict=False))
        assert t.ledger_path is not None
        assert Path(t.ledger_path).is_file()
        view = episode_view(t)
        assert view.goal == instance.goal
        assert [s.action for s in view.steps] == list(instance.oracle)
        assert not any("Goal: " in text for s in view.steps for text in (s.before, s.after))
        assert all(a.after == b.before for a, b in zip(view.steps, view.steps[1:], strict=False))
        assert view.steps[-1].after
    assert times.steps == len(taken) == sum(len(t.steps) for t in trajectories)


def test_what_a_refill_asks_for_is_played_in_the_same_rollout():
    specs = [EpisodeSpec(task=TASKS[0], seed=1), EpisodeSpec(task=TASKS[2], seed=2)]
    told: list[tuple[int, str]] = []

    def refill(index: int, ended: Trajectory) -> list[EpisodeSpec]:
        told.append((index, ended.task))
        return [EpisodeSpec(task=TASKS[2], seed=9)] * 2 if index == 1 else []

    times = RolloutTimes()
    with EnvPool() as pool:
        trajectories = run_episodes(specs, OraclePolicy(), pool=pool, concurrency=2, times=times, refill=refill)
    assert [(t.task, t.seed) for t in trajectories] == [(TASKS[0], 1), (TASKS[2], 2), (TASKS[2], 9), (TASKS[2], 9)]
    assert all(t.success for t in trajectories)
    assert sorted(told) == [(0, TASKS[0]), (1, TASKS[2]), (2, TASKS[2]), (3, TASKS[2])]
    assert times.steps == sum(len(t.steps) for t in trajectories)


def test_noop_earns_nothing_and_random_little():
    for policy, most in ((NoopPolicy(), 0.0), (RandomPolicy(), 0.5)):
        with EnvPool() as pool:
            result = evaluate_policy(TASKS, policy, name="floor", seeds=6, pool=pool)
        for task, scored in result.tasks.items():
            assert scored.episodes == 6
            assert scored.mean_reward_fraction is not None
            assert scored.mean_reward_fraction <= most, task


def test_evaluation_by_name_counts_milestones():
    result = evaluate(["search-open"], "oracle", seeds=3)
    scored = result.tasks["milepost/search-open-v0"]
    assert scored.successes == 3
    assert scored.milestones == {"query_filled": 1.0, "results_rendered": 1.0, "article_opened": 1.0}
    assert result.success_rate == 1.0
    assert result.first_seed == HELD_OUT_SEED


def test_unknown_policy_names_the_known_ones(tmp_path: Path):
    with pytest.raises(RunError, match="oracle, noop, random"):
        evaluate(["search-open"], str(tmp_path / "absent"), seeds=1)


class _KillsTheBrowser:
    """The oracle; before its `at`-th decision it kills the browser, `times` times in all."""

    def __init__(self, at: int, times: int) -> None:
        self.oracle, self.at, self.left, self.calls = OraclePolicy(), at, times, 0

    def decide(self, views: Sequence[View]) -> list[Decision]:
        self.calls += 1
        if self.left and self.calls >= self.at:
            self.left -= 1
            for pid in _chromiums():
                os.kill(pid, signal.SIGKILL)
        return self.oracle.decide(views)


def _chromiums() -> list[int]:
    """Browser processes (not their children) that descend from this process."""
    table = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in table.splitlines()]
    mine, grew = {str(os.getpid())}, True
    while grew:
        found = {pid for pid, ppid, *_ in rows if ppid in mine and pid not in mine}
        grew, mine = bool(found), mine | found
    return [int(r[0]) for r in rows if r[0] in mine and len(r) > 2 and "chrom" in r[2] and "--type=" not in r[2]]


def test_an_episode_that_the_machine_broke_is_played_again():
    specs = [EpisodeSpec(task=TASKS[0], seed=1), EpisodeSpec(task=TASKS[2], seed=2)]
    with EnvPool() as pool:
        trajectories = run_episodes(specs, _KillsTheBrowser(at=2, times=1), pool=pool)
    assert [t.success for t in trajectories] == [True, True]
    assert [t.failure for t in trajectories] == [None, None]


def test_one_that_breaks_every_time_comes_back_masked_not_as_zero():
    spec = EpisodeSpec(task=TASKS[2], seed=2)
    with EnvPool() as pool:
        [trajectory] = run_episodes([spec], _KillsTheBrowser(at=1, times=50), pool=pool)
    assert trajectory.failure is not None
    assert not trajectory.success
    assert trajectory.steps[-1].reward is None
    scored = score(TASKS[2], [trajectory])
    assert (scored.episodes, scored.failures) == (0, 1)
