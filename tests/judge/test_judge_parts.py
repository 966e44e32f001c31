"""The judge's parts by themselves: budget, cache, configuration, calibration."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from milepost.rewards.judge import Abstention, Budget, BudgetLimits, Calibration, Judge, JudgeConfig, Spending
from milepost.rewards.judge.cache import AnswerCache, DamagedCacheWarning, cache_key
from milepost.rewards.judge.calibration import Example, Steps, calibrate, expected_calibration_error, measure
from milepost.rewards.judge.prompt import prompt_version
from milepost.rewards.judge.verdict import VERDICT_SCHEMA, Verdict, parse_verdict
from milepost.sandbox.errors import RewardError

from .scripted import FACT, completion, request, serving, verdict

SOON = 1e12


def reserve(budget, prompt=100, completion=20, deadline=SOON):
    return asyncio.run(budget.reserve(prompt_tokens=prompt, completion_tokens=completion, deadline=deadline))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 300), st.integers(1, 60), st.floats(0, 1)), max_size=25))
def test_what_is_spent_never_passes_a_limit(calls):
    budget = Budget(BudgetLimits(requests=12, tokens=1500, cost=1.0, prompt_price=500.0, completion_price=2000.0))

    async def call(prompt, completion, share):
        held = await budget.reserve(prompt_tokens=prompt, completion_tokens=completion, deadline=SOON)
        if isinstance(held, Abstention):
            assert held.kind == "budget"
            return
        await asyncio.sleep(0)
        budget.settle(held, prompt_tokens=int(prompt * share), completion_tokens=int(completion * share))

    async def side_by_side():
        await asyncio.gather(*(call(*each) for each in calls))

    asyncio.run(side_by_side())
    spent = budget.spent
    assert spent.requests <= 12
    assert spent.prompt_tokens + spent.completion_tokens <= 1500
    assert spent.cost <= 1.0 + 1e-9
    assert spent.cost == pytest.approx((spent.prompt_tokens * 500 + spent.completion_tokens * 2000) / 1e6)


def test_a_call_waits_for_another_that_may_take_less_than_it_reserved():
    budget = Budget(BudgetLimits(tokens=150))

    async def two():
        first = await budget.reserve(prompt_tokens=100, completion_tokens=20, deadline=SOON)
        second = asyncio.create_task(budget.reserve(prompt_tokens=100, completion_tokens=20, deadline=SOON))
        await asyncio.sleep(0.06)
        assert isinstance(first, int)
        assert not second.done()
        assert budget.settle(first, prompt_tokens=20, completion_tokens=5) == Spending(
            requests=1, prompt_tokens=20, completion_tokens=5
        )
        return await second

    assert isinstance(asyncio.run(two()), int)


def test_threads_with_loops_of_their_own_share_a_budget():
    budget = Budget(BudgetLimits(requests=20))
    began = []

    def work():
        for _ in range(10):
            held = reserve(budget)
            if not isinstance(held, Abstention):
                began.append(held)
                budget.settle(held)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(began)) == budget.spent.requests == 20


def test_the_rate_is_of_any_window_and_waits_for_its_end():
    times = []
    now = 0.0
    budget = Budget(BudgetLimits(requests_per_minute=3), clock=lambda: now)
    for _ in range(12):
        while isinstance(held := reserve(budget, deadline=now + 1.0), Abstention):
            assert held.kind == "rate"
            now += 7.0
        times.append(now)
        budget.settle(held)
    assert all(later - earlier >= 60.0 for earlier, later in zip(times, times[3:], strict=False))
    assert times[:4] == [0.0, 0.0, 0.0, 63.0]
    real = Budget(BudgetLimits(requests_per_minute=1), window_s=0.2)
    asyncio.run(_twice(real))


async def _twice(budget):
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(2):
        assert isinstance(await budget.reserve(prompt_tokens=1, completion_tokens=1, deadline=SOON), int)
    assert loop.time() - began >= 0.19


def test_a_limit_on_cost_needs_prices():
    with pytest.raises(ValidationError, match="without prices nothing costs"):
        BudgetLimits(cost=1.0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"temprature": 0.5}, "Extra inputs"),
        ({"samples": 3, "temperature": 0.0}, "samples at temperature 0 are copies"),
        ({"base_url": "localhost:8000"}, "expected http"),
        ({"base_url": "http://me:secret@host/v1"}, "password would be logged"),
        ({"samples": 0}, "greater than or equal to 1"),
        ({"budget": {"tokens": -1}}, "greater than or equal to 0"),
    ],
)
def test_a_wrong_configuration_says_what_is_wrong(wrong, message):
    with pytest.raises(ValidationError, match=message):
        JudgeConfig.model_validate({"model": "m"} | wrong)


def test_a_judge_without_server_or_prompt_is_refused_when_it_is_made():
    with pytest.raises(RewardError, match="no base_url"):
        Judge.connect(JudgeConfig(model="m"))
    with pytest.raises(RewardError, match="no judge's prompt"):
        Judge.connect(JudgeConfig(model="m", base_url="http://127.0.0.1:9/v1", prompt_version="v0"))


def test_the_schema_takes_what_is_a_verdict_and_nothing_of_another_form():
    taken = {"reasons": "r", "quotes": ["q"], "score": 0.5, "passed": True}
    jsonschema.validate(taken, VERDICT_SCHEMA)
    assert Verdict.model_validate(taken).passed
    for change in ({"score": "1"}, {"passed": 1}, {"more": 1}, {"quotes": "q"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(taken | change, VERDICT_SCHEMA)


@settings(deadline=None)
@given(st.text())
def test_any_text_is_read_without_a_crash(text):
    assert isinstance(parse_verdict(text), Abstention)


def _key(**changes):
    given: dict[str, Any] = {
        "model": "m",
        "content": "c",
        "temperature": 0.5,
        "max_tokens": 9,
        "constrained": True,
        "sample": 0,
    }
    return cache_key(**(given | changes))


def test_every_part_of_a_question_is_in_its_key():
    others = [
        _key(model="n"), _key(content="d"), _key(temperature=0.6), _key(max_tokens=8), _key(constrained=False),
        _key(sample=1), _key(),
    ]  # fmt: skip
    assert len(set(others)) == 7
    assert _key() == _key()


def put(cache, key, answer):
    asyncio.run(cache.put(key, answer))


def get(cache, key):
    return asyncio.run(cache.get(key))


def test_answers_are_kept_across_caches_and_the_first_one_stays(tmp_path):
    cache = AnswerCache(tmp_path / "c.sqlite")
    put(cache, "k", "one")
    put(cache, "k", "two")
    again = AnswerCache(tmp_path / "c.sqlite")
    assert (get(again, "k"), get(again, "other")) == ("one", None)


def _another_program(path):
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE mine (x)")
    db.close()


def _cut(path):
    cache = AnswerCache(path)
    for number in range(200):
        put(cache, f"k{number}", "x" * 500)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize(
    "damage",
    [lambda path: path.write_bytes(b"no database at all" * 100), _another_program, _cut],
    ids=["text", "other", "cut"],
)
def test_a_damaged_file_is_left_as_it_is_and_a_fresh_one_used(damage, tmp_path):
    path = tmp_path / "c.sqlite"
    damage(path)
    before = path.read_bytes()
    with pytest.warns(DamagedCacheWarning, match=r"c\.sqlite is no judge's cache or is damaged"):
        cache = AnswerCache(path)
    put(cache, "k", "kept")
    assert cache.path == tmp_path / "c-2.sqlite"
    with pytest.warns(DamagedCacheWarning):
        assert get(AnswerCache(path), "k") == "kept"
    assert path.read_bytes() == before


def test_a_file_that_is_damaged_while_in_use_is_given_up_too(tmp_path):
    path = tmp_path / "c.sqlite"
    cache = AnswerCache(path)
    put(cache, "k", "one")
    path.write_bytes(b"overwritten" * 1000)
    with pytest.warns(DamagedCacheWarning):
        assert get(cache, "k") is None
    put(cache, "k", "two")
    assert get(cache, "k") == "two"
    assert path.read_bytes().startswith(b"overwritten")


def test_an_answer_that_was_edited_is_not_believed(tmp_path):
    cache = AnswerCache(tmp_path / "c.sqlite")
    put(cache, "k", "failed")
    with sqlite3.connect(cache.path) as db:
        db.execute("UPDATE answers SET answer = 'passed'")
    db.close()
    assert get(cache, "k") is None


def test_a_folder_that_cannot_be_made_is_said_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RewardError, match="cannot be made"):
        AnswerCache(tmp_path / "file" / "c.sqlite")


_FILL = """
import asyncio, sys
from pathlib import Path
from milepost.rewards.judge.cache import AnswerCache
cache = AnswerCache(Path(sys.argv[1]))
for number in range(40):
    asyncio.run(cache.put(f"{sys.argv[2]}-{number}", sys.argv[2]))
    asyncio.run(cache.put(f"shared-{number}", "same"))
"""


def test_processes_may_fill_one_file_at_once(tmp_path):
    path = tmp_path / "c.sqlite"
    processes = [subprocess.Popen([sys.executable, "-W", "error", "-c", _FILL, path, name]) for name in "abc"]
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0]
    cache = AnswerCache(path)
    assert cache.path == path
    assert all(get(cache, f"{name}-{number}") == name for name in "abc" for number in range(40))


def test_the_calibration_error_by_hand():
    # Two bins: three at 0.95 of which two are right, one at 0.55 that is right.
    error = expected_calibration_error([0.95, 0.95, 0.95, 0.55], [True, True, False, True])
    assert error == pytest.approx((3 * abs(0.95 - 2 / 3) + 1 * abs(0.55 - 1.0)) / 4)


def drawn(count, right_at, *, share_true=0.5, seed=0):
    """Examples whose chance to be right is a function of their signal."""
    rng = np.random.default_rng(seed)
    examples = []
    for _ in range(count):
        truth, signal = bool(rng.random() < share_true), float(rng.random())
        right = bool(rng.random() < right_at(signal, truth))
        examples.append(Example(signal=signal, passed=truth if right else not truth, truth=truth))
    return examples


def fitted(examples, **changes):
    given: dict[str, Any] = {
        "model": "scripted",
        "prompt_version": prompt_version("v1"),
        "samples": 1,
        "temperature": 0.7,
    }
    return calibrate(examples, **(given | changes))


def test_a_good_judges_map_rises_with_the_signal_and_is_close_to_the_truth():
    calibration = fitted(drawn(4000, lambda signal, _: 0.5 + 0.45 * signal))
    assert calibration.skilled
    assert calibration.quality.accuracy == pytest.approx(0.725, abs=0.03)
    for passed in (True, False):
        values = [calibration.confidence(signal, passed=passed) for signal in np.linspace(0, 1, 50)]
        assert values == sorted(values)
        expected = [0.5 + 0.45 * signal for signal in np.linspace(0.1, 0.9, 9)]
        found = [calibration.confidence(signal, passed=passed) for signal in np.linspace(0.1, 0.9, 9)]
        assert found == pytest.approx(expected, abs=0.1)
    held_out = drawn(2000, lambda signal, _: 0.5 + 0.45 * signal, seed=1)
    confidences = [calibration.confidence(e.signal, passed=e.passed) for e in held_out]
    calibrated = expected_calibration_error(confidences, [e.right for e in held_out])
    assert calibrated < 0.05
    shifted = drawn(2000, lambda signal, _: 0.5 + 0.1 * signal)
    error = measure(shifted).ece
    assert error is not None
    assert error > 0.1, "a judge that is surer than it is right"


@pytest.mark.parametrize("share_true", [0.5, 0.9, 0.05])
@pytest.mark.parametrize("always", [True, False, None])
def test_a_judge_that_knows_nothing_has_no_confidence_whatever_the_tasks(always, share_true):
    rng = np.random.default_rng(2)
    examples = [
        Example(
            signal=float(rng.random()),
            passed=bool(rng.random() < 0.5) if always is None else always,
            truth=bool(rng.random() < share_true),
        )
        for _ in range(400)
    ]
    calibration = fitted(examples)
    assert not calibration.skilled
    assert calibration.quality.balanced_accuracy == pytest.approx(0.5, abs=0.12)
    for passed in (True, False):
        for signal in (0.0, 0.5, 1.0):
            confidence = calibration.confidence(signal, passed=passed)
            assert confidence is None or confidence <= 0.5


def test_a_judge_that_passes_too_easily_is_believed_in_its_failures_only():
    # Right of all that is true; of what is false it passes half.
    calibration = fitted(drawn(2000, lambda _, truth: 1.0 if truth else 0.5))
    assert calibration.confidence(0.5, passed=False) > 0.95
    assert calibration.confidence(0.5, passed=True) == pytest.approx(1 / 1.5, abs=0.05)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.booleans()), min_size=2, max_size=80).filter(
        lambda rows: len({truth for _, _, truth in rows}) == 2
    )
)
def test_a_calibration_is_monotone_and_survives_its_file(rows):
    calibration = fitted([Example(signal=s, passed=p, truth=t) for s, p, t in rows])
    for steps in calibration.maps.values():
        assert list(steps.starts) == sorted(set(steps.starts))
        assert list(steps.values) == sorted(set(steps.values))
    assert Calibration.model_validate_json(calibration.model_dump_json()) == calibration


@pytest.mark.parametrize("count", [0, 50])
def test_examples_of_one_outcome_show_no_skill(count):
    calibration = fitted([Example(signal=1.0, passed=True, truth=True)] * count)
    assert calibration.quality.accuracy == (1.0 if count else None)
    assert (calibration.quality.balanced_accuracy, calibration.quality.lower_bound) == (None, None)
    assert not calibration.skilled
    assert calibration.confidence(1.0, passed=True) is None


def test_the_quality_by_hand():
    def examples(right, wrong, truth):
        return [Example(signal=0.8, passed=truth, truth=truth)] * right + [
            Example(signal=0.8, passed=not truth, truth=truth)
        ] * wrong

    quality = measure(examples(6, 2, True) + examples(1, 1, False))
    assert quality.accuracy == pytest.approx(0.7)
    assert quality.balanced_accuracy == pytest.approx((6 / 8 + 1 / 2) / 2)
    assert quality.ece == pytest.approx(abs(0.9 - 0.7))
    variance = (0.7 * 0.3 / 8 + 0.5 * 0.5 / 2) / 4  # of 7 in 10 and 2 in 4, smoothed
    assert quality.lower_bound == pytest.approx(0.625 - 1.645 * variance**0.5)


def test_both_truths_weigh_the_same_in_a_map():
    # 30 true ones all passed, 10 false ones of which 5 passed: weights 2/3 and 2, so 20 against 10, smoothed by 1 each.
    passes = [Example(signal=0.5, passed=True, truth=True)] * 30 + [Example(signal=0.5, passed=True, truth=False)] * 5
    calibration = fitted([*passes, *[Example(signal=0.5, passed=False, truth=False)] * 5])
    assert calibration.skilled
    assert calibration.confidence(0.5, passed=True) == pytest.approx(21 / 32)
    assert calibration.confidence(0.5, passed=False) is None, "five examples are too few"


def test_steps_below_their_first_start_have_its_value():
    steps = Steps(starts=(0.2, 0.6), values=(0.5, 0.9))
    assert [steps.at(signal) for signal in (0.0, 0.2, 0.59, 0.6, 1.0)] == [0.5, 0.5, 0.5, 0.9, 0.9]


def judged(calibration, tmp_path, answer, **changes):
    calibration.write(tmp_path / "calibration.json")
    with serving(lambda *_: completion(answer)) as server:
        judge = Judge.connect(server.config(calibration=tmp_path / "calibration.json", **changes))
        return asyncio.run(judge.judge([request()]))[0]


def test_calibration_gives_a_single_sample_a_confidence_and_silences_a_poor_judge(tmp_path):
    good = judged(fitted(drawn(2000, lambda signal, _: 0.5 + 0.5 * signal)), tmp_path, verdict(score=0.95))
    assert good.passed is True
    assert good.confidence == pytest.approx(0.95, abs=0.06)
    poor = judged(fitted(drawn(400, lambda *_: 0.5)), tmp_path, verdict(score=0.95))
    assert (poor.passed, poor.score, poor.confidence, poor.abstention.kind) == (None, None, None, "unreliable")
    assert poor.samples[0].answer is not None, "what it said stays on record"


def test_a_calibration_of_another_judge_is_refused(tmp_path):
    with pytest.raises(RewardError, match="Calibrate this judge"):
        judged(fitted(drawn(100, lambda *_: 0.9), model="other"), tmp_path, verdict())
    (tmp_path / "calibration.json").write_text(f'{{"model": "{FACT}"}}')
    with pytest.raises(RewardError, match="is no calibration of a judge"):
        Calibration.read(tmp_path / "calibration.json")
