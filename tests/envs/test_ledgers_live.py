"""What real episodes leave behind: oracles and near misses on real pages, scored again offline to the same record."""

from functools import partial
from pathlib import Path

import pytest

from milepost.agents.policies import NoopPolicy, OraclePolicy, Policy
from milepost.agents.rescore_run import rescore_run
from milepost.agents.rollout import EnvPool, EpisodeSpec, run_episodes
from milepost.envs.env import MilepostEnv
from milepost.envs.registration import register_bundled_tasks, task_for
from milepost.rewards.ledger import read_ledger
from milepost.rewards.rescoring import Rules, Verdict, examine
from milepost.trainers.run_folder import RunFolder
from tests.rewards.written import edit, remake

pytestmark = pytest.mark.browser

NAMES = ("expense-form", "report-download", "search-open")


@pytest.mark.parametrize("name", NAMES)
def test_oracles_and_near_misses_score_again_to_what_was_paid(name: str, tmp_path: Path):
    register_bundled_tasks()
    task = task_for(name)
    instance = task.instantiate(3)
    env = MilepostEnv(task, ledger_dir=tmp_path)
    plans = [("oracle", instance.oracle), *((miss.name, miss.actions) for miss in instance.near_misses)]
    for plan, actions in plans:
        env.reset(seed=3)
        paid = 0.0
        for action in actions:
            _, reward, terminated, truncated, info = env.step(action)
            paid += reward
            if terminated or truncated:
                break
        ledger = Path(info["ledger_path"])
        report = examine(ledger, head=info["ledger_hash"])
        ended = terminated or truncated
        assert report.verdict is (Verdict.OK if ended else Verdict.TORN), (plan, report.note)
        assert (report.sealed, report.differences, report.moved) == (True, (), ())
        assert report.old_total == report.new_total == pytest.approx(paid)
        if plan == "oracle":
            assert report.new_total == pytest.approx(instance.max_reward)
            assert report.old_success

        same = Rules(milestones=instance.milestones, scheme=instance.scheme)
        changed = examine(ledger, rules=partial(lambda rules, _: rules, same))
        assert (changed.moved, changed.new_total, bool(changed.new_success)) == ((), report.new_total, info["success"])

        for step in read_ledger(ledger).steps:
            for result in step.reward.milestones:
                where = result.evidence.where
                assert where["step"] == step.step, plan
                assert where["url"].startswith(f"http://{task.app}.local/")
                assert where.get("tab") == 1
    env.close()


def test_a_run_with_real_episodes_keeps_the_hashes_of_its_ledgers(tmp_path: Path):
    folder = RunFolder.create(tmp_path / "run", {}, seed=0)
    specs = [EpisodeSpec(task=f"milepost/{name}-v0", seed=seed) for name in NAMES for seed in (0, 1)]
    policies: tuple[Policy, ...] = (OraclePolicy(), NoopPolicy())
    for iteration, policy in enumerate(policies):
        with EnvPool(ledger_dir=folder.ledger_dir(iteration)) as pool:
            folder.write_trajectories(iteration, run_episodes(specs, policy, pool=pool))
    folder.close()
    report = rescore_run(folder.path)
    assert report.counts == {"ok": 12}
    assert report.new_total > 0
    victim = report.episodes[3].path
    edit(victim, 2, lambda record: record.update(action="another"))
    remake(victim)
    assert rescore_run(folder.path).counts == {"ok": 11, "tampered": 1}
