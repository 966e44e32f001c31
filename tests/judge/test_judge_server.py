"""The judge against a server that answers badly, late, with malice or not at all: it abstains and never says zero."""

import asyncio
import gzip
import json
import time

import numpy as np
import pytest
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse

from milepost.rewards.judge import Judge, Spending
from milepost.sandbox.errors import RewardError

from ..integrity.attacks import Family
from .scripted import FACT, completion, raw_serving, request, serving, verdict, view


@pytest.fixture(autouse=True)
def _short_backoff(monkeypatch):
    monkeypatch.setattr("milepost.rewards.judge.client._BACKOFF_S", 0.02)


servers = Family("A judge's server that fails or lies", __name__)


def judge_all(config, requests, **given):
    return asyncio.run(Judge.connect(config, **given).judge(requests))


def judge_one(config, **given):
    return judge_all(config, [request()], **given)[0]


def kind_of(judgement):
    """The kind of its abstention, having made sure that it is one through and through."""
    assert judgement.abstention is not None, judgement
    assert judgement.abstention.detail
    assert (judgement.passed, judgement.score, judgement.confidence) == (None, None, None)
    assert judgement.tier.raw is None
    assert (judgement.reasons, judgement.quotes) == ((), ())
    return judgement.abstention.kind


def test_the_honest_answer_is_a_judgement():
    with serving(lambda *_: completion(verdict(score=0.9))) as server:
        judgement = judge_one(server.config(budget={"prompt_price": 1.0, "completion_price": 2.0}))
    assert (judgement.passed, judgement.score, judgement.abstention) == (True, 0.9, None)
    assert [(quote.text, quote.where) for quote in judgement.quotes] == [(FACT, "page after step 1")]
    assert judgement.tokens == 120
    assert judgement.cost == pytest.approx(100e-6 + 40e-6)
    assert judgement.confidence is None, "one sample has no agreement"
    assert judgement.latency_ms > 0
    (body,) = server.asked
    schema = body["response_format"]["json_schema"]["schema"]
    assert schema["required"] == ["reasons", "quotes", "score", "passed"]
    assert schema["additionalProperties"] is False
    assert body["max_tokens"] == 512


def test_a_failing_verdict_is_a_score_of_its_own():
    with serving(lambda *_: completion(verdict(False, score=0.0))) as server:
        judgement = judge_one(server.config())
    assert (judgement.passed, judgement.score, judgement.abstention) == (False, 0.0, None)


HOSTILE = {
    "answer-no-json": ("malformed", "The task is done: passed is true."),
    "answer-cut-json": ("malformed", verdict()[:-4]),
    "answer-empty": ("malformed", ""),
    "answer-a-list": ("schema", f"[{verdict()}]"),
    "answer-a-number": ("schema", "1.0"),
    "answer-text-before": ("malformed", '"passed": true\n' + verdict(False)),
    "answer-text-after": ("malformed", verdict(False) + '\nCorrection: "score": 1.0, "passed": true'),
    "answer-two-objects": ("malformed", verdict(False) + verdict(True)),
    "answer-two-blocks": ("malformed", f"```json\n{verdict(False)}\n```\n```json\n{verdict(True)}\n```"),
    "answer-key-twice": ("malformed", verdict(False)[:-1] + ', "passed": true, "score": 1.0}'),
    "answer-unknown-key": ("schema", verdict(override=True)),
    "answer-missing-key": ("schema", '{"score": 1.0, "passed": true}'),
    "answer-score-as-text": ("schema", verdict().replace("1.0", '"1.0"')),
    "answer-score-as-bool": ("schema", verdict().replace("1.0", "true")),
    "answer-score-above-one": ("schema", verdict(score=1.5)),
    "answer-score-below-zero": ("schema", verdict(False, score=-0.1)),
    "answer-score-nan": ("malformed", verdict().replace("1.0", "NaN")),
    "answer-score-infinite": ("schema", verdict().replace("1.0", "1e999")),
    "answer-score-of-5000-digits": ("malformed", verdict().replace("1.0", "9" * 5000)),
    "answer-passed-as-text": ("schema", verdict().replace("true", '"true"')),
    "answer-passed-as-number": ("schema", verdict().replace("true", "1")),
    "answer-deep": ("malformed", "[" * 200_000),
    "answer-passed-at-low-score": ("contradiction", verdict(True, score=0.1)),
    "answer-failed-at-high-score": ("contradiction", verdict(False, score=0.9)),
    "answer-invented-quote": ("quotes", verdict(quotes=["Receipt 4712 was sent"])),
    "answer-one-invented-of-two": ("quotes", verdict(quotes=[FACT, "Receipt 4712 was sent"])),
    "answer-quote-of-the-rubric": ("quotes", verdict(quotes=["The receipt was sent."])),
    "answer-quote-of-the-goal": ("quotes", verdict(quotes=["Send the receipt."])),
    "answer-quote-of-nothing": ("quotes", verdict(quotes=[" "])),
    "answer-quote-of-punctuation": ("quotes", verdict(quotes=['"'])),
    "answer-pass-without-quotes": ("quotes", verdict(quotes=[])),
    "answer-lone-surrogate": ("schema", verdict().replace('"seen"', '"\\ud800"')),
}


for attacks, tries, defence in (
    (
        "answer-no-json answer-cut-json answer-empty answer-text-before answer-text-after answer-two-objects "
        "answer-two-blocks answer-key-twice answer-score-nan answer-score-of-5000-digits answer-deep",
        "answers with anything but one JSON object: text around it, two of them, a key twice, no numbers",
        "it is read strictly and nothing is repaired: an abstention",
    ),
    (
        "answer-a-list answer-a-number answer-unknown-key answer-missing-key answer-score-as-text "
        "answer-score-as-bool answer-score-above-one answer-score-below-zero answer-score-infinite "
        "answer-passed-as-text answer-passed-as-number answer-lone-surrogate",
        "answers with JSON of another form: keys missing or added, a number as text, a score out of range",
        "an abstention, as above",
    ),
    (
        "answer-passed-at-low-score answer-failed-at-high-score",
        "answers with a verdict that contradicts itself",
        "passed goes with the score, or it is an abstention",
    ),
    (
        "answer-invented-quote answer-one-invented-of-two answer-quote-of-the-rubric answer-quote-of-the-goal "
        "answer-quote-of-nothing answer-quote-of-punctuation answer-pass-without-quotes",
        "passes an episode by evidence that is made up, is not the episode's, or is none",
        "each quote must occur in what the judge was shown of the episode; a pass needs one",
    ),
):
    servers.add_all(*attacks.split(), tries=tries, defence=defence)


@pytest.mark.parametrize("name", HOSTILE)
def test_an_answer_that_is_no_verdict_is_an_abstention(name, tmp_path):
    kind, answer = HOSTILE[name]
    with serving(lambda *_: completion(answer)) as server:
        config = server.config(cache=tmp_path / "cache.sqlite", log=tmp_path / "log.jsonl")
        judgement = judge_one(config)
    assert kind_of(judgement) == kind
    assert len(server.asked) == 1, "an answer was paid for; it is not asked for again"
    assert judgement.tokens == 120
    (line,) = (tmp_path / "log.jsonl").read_text().splitlines()
    assert json.loads(line)["abstention"]["kind"] == kind


def test_a_verdict_in_one_code_block_is_read():
    with serving(lambda *_: completion(f"```json\n{verdict()}\n```\n")) as server:
        assert judge_one(server.config()).passed is True


BODIES = {
    "body-no-json": lambda: PlainTextResponse("<html>it works</html>"),
    "body-a-list": lambda: JSONResponse([1]),
    "body-no-choices": lambda: JSONResponse({"usage": 3}),
    "body-empty-choices": lambda: JSONResponse({"choices": []}),
    "body-choice-of-text": lambda: JSONResponse({"choices": ["x"]}),
    "body-no-content": lambda: completion(None),
    "body-content-of-parts": lambda: completion([{"type": "text", "text": verdict()}]),
    "body-no-utf8": lambda: Response(b'{"choices": "\xff"}'),
    "body-compressed": lambda: Response(gzip.compress(b"x" * 1000), headers={"content-encoding": "gzip"}),
}


servers.add_all(*BODIES, tries="sends a body that is no chat completion", defence="an abstention, as above")


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_no_completion_is_an_abstention(name):
    with serving(lambda *_: BODIES[name]()) as server:
        assert kind_of(judge_one(server.config())) == "malformed"


@servers.attack(
    "answer-cut-or-filtered",
    tries="sends a verdict, and says that it was cut at the token limit or filtered",
    defence="what was not finished is no verdict",
)
@pytest.mark.parametrize(("finish", "kind"), [("length", "truncated"), ("content_filter", "refused")])
def test_an_answer_that_was_cut_or_refused_is_an_abstention(finish, kind):
    with serving(lambda *_: completion(verdict(), finish=finish)) as server:
        assert kind_of(judge_one(server.config())) == kind


@servers.attack(
    "endless-body",
    tries="sends a body that never ends",
    defence="so many bytes are read (`max_answer_bytes`), and no more",
)
def test_an_endless_body_is_not_read_to_its_end():
    async def endless():
        for _ in range(10_000):
            yield b" " * 65536
            await asyncio.sleep(0.01)

    with serving(lambda *_: StreamingResponse(endless())) as server:
        began = time.monotonic()
        assert kind_of(judge_one(server.config(max_answer_bytes=1 << 17, timeout_s=60, deadline_s=60))) == "too_large"
        assert time.monotonic() - began < 20
        assert len(server.asked) == 1


async def late(seconds):
    await asyncio.sleep(seconds)
    return completion(verdict())


@servers.attack(
    "late-answer",
    tries="answers late, having worked",
    defence="an abstention at the timeout; it stays charged at its most, so the budget holds",
)
def test_a_late_answer_is_an_abstention_and_stays_charged_at_its_most():
    with serving(lambda *_: late(3)) as server:
        began = time.monotonic()
        judgement = judge_one(server.config(timeout_s=0.3, deadline_s=20, max_retries=1, max_answer_tokens=64))
        assert time.monotonic() - began < 3
    assert kind_of(judgement) == "late"
    assert judgement.samples[0].attempts == 2
    assert judgement.samples[0].completion_tokens == 128, "what the server did with it is unknown"


@servers.attack(
    "dripping-body",
    tries="sends its body a byte at a time, so that no single wait is long",
    defence="the timeout is for the whole answer",
)
def test_a_dripping_body_does_not_outlast_the_timeout():
    async def dripping():
        for _ in range(100):
            yield b" "
            await asyncio.sleep(0.05)

    with serving(lambda *_: StreamingResponse(dripping())) as server:
        began = time.monotonic()
        assert kind_of(judge_one(server.config(timeout_s=0.4, max_retries=0))) == "late"
        assert time.monotonic() - began < 4


@servers.attack(
    "retries-without-end",
    tries="fails slowly, again and again",
    defence="a question has a deadline that ends retries and waits",
)
def test_the_deadline_ends_retries_and_waits():
    with serving(lambda *_: late(3)) as server:
        began = time.monotonic()
        judgement = judge_one(server.config(timeout_s=2.9, deadline_s=0.5, max_retries=9))
        assert time.monotonic() - began < 2.5
    assert kind_of(judgement) == "late"


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503])
def test_a_failure_that_may_pass_is_asked_again(status):
    with serving(lambda _, n: completion(verdict()) if n else PlainTextResponse("busy", status)) as server:
        judgement = judge_one(server.config())
    assert judgement.passed is True
    assert judgement.samples[0].attempts == 2
    assert judgement.tokens == 120, "a refused request costs no tokens"


@servers.attack(
    "failing-for-ever",
    tries="fails each time",
    defence="a bounded number of retries, then an abstention",
)
def test_a_server_that_keeps_failing_is_left_alone():
    with serving(lambda *_: PlainTextResponse("broken", 500)) as server:
        judgement = judge_one(server.config(max_retries=2))
    assert kind_of(judgement) == "server"
    assert len(server.asked) == 3


def test_retry_after_is_waited_for():
    busy = PlainTextResponse("", 429, headers={"retry-after": "1"})
    with serving(lambda _, n: completion(verdict()) if n else busy) as server:
        assert judge_one(server.config()).passed is True
    assert server.times[1] - server.times[0] >= 1.0


@servers.attack(
    "retry-after-for-ever",
    tries="asks to come back in an hour, or in another century",
    defence="what lies beyond the deadline is not waited for",
)
def test_a_retry_after_beyond_the_deadline_is_not_waited_for():
    for value in ("3600", "Fri, 31 Dec 2199 23:59:59 GMT"):
        busy = PlainTextResponse("", 429, headers={"retry-after": value})
        with serving(lambda *_, busy=busy: busy) as server:
            began = time.monotonic()
            assert kind_of(judge_one(server.config())) == "rate"
            assert time.monotonic() - began < 5
            assert len(server.asked) == 1


@servers.attack(
    "retry-after-nonsense",
    tries="asks for a negative, infinite or unreadable wait",
    defence="it counts as none",
)
@pytest.mark.parametrize("value", ["-5", "nan", "inf", "soon", "99999999999999999999999999"])
def test_a_retry_after_of_nonsense_breaks_nothing(value):
    busy = PlainTextResponse("", 503, headers={"retry-after": value})
    with serving(lambda _, n: completion(verdict()) if n else busy) as server:
        judgement = judge_one(server.config())
    assert judgement.passed is True or kind_of(judgement) == "server"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_is_not_asked_again_but_for_the_schema(status):
    with serving(lambda *_: PlainTextResponse("no", status)) as server:
        assert kind_of(judge_one(server.config())) == "refused"
    assert len(server.asked) == (1 if status in {401, 403} else 2)


@servers.attack(
    "redirect",
    tries="sends the question, and the key, elsewhere",
    defence="redirects are not followed",
)
def test_a_redirect_is_not_followed():
    with (
        serving(lambda *_: completion(verdict())) as other,
        serving(lambda *_: RedirectResponse(f"{other.url}/chat/completions", 307)) as server,
    ):
        assert kind_of(judge_one(server.config())) == "refused"
    assert not other.asked


def test_a_server_that_refuses_the_schema_is_asked_without_and_remembered():
    def answer(server, number):
        if "response_format" in server.asked[number]:
            return JSONResponse({"error": "response_format is not supported"}, 400)
        return completion(verdict())

    with serving(answer) as server:
        judge = Judge.connect(server.config())
        first, second = (asyncio.run(judge.judge([request(id=name)]))[0] for name in "ab")
    assert (first.passed, second.passed) == (True, True)
    assert ["response_format" in body for body in server.asked] == [True, False, False]


def test_a_request_that_is_refused_either_way_does_not_turn_the_schema_off():
    def answer(server, number):
        return JSONResponse({"error": "too long"}, 400) if number < 2 else completion(verdict())

    with serving(answer) as server:
        judge = Judge.connect(server.config())
        assert kind_of(asyncio.run(judge.judge([request()]))[0]) == "refused"
        assert asyncio.run(judge.judge([request()]))[0].passed is True
    assert ["response_format" in body for body in server.asked] == [True, False, True]


@servers.attack(
    "broken-connection",
    tries="hangs up: at once, without a word, in the middle",
    defence="an abstention",
)
def test_a_connection_that_breaks_is_an_abstention():
    cut = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{"
    for answer in (None, b"", b"no http\r\n\r\n", cut):
        with raw_serving(answer, answer) as server:
            assert kind_of(judge_one(server.config(max_retries=1))) == "unreachable"
            assert len(server.asked) == 2


def test_no_server_at_all_is_an_abstention_that_costs_nothing():
    with raw_serving() as server:
        pass
    judgement = judge_one(server.config(max_retries=1))
    assert kind_of(judgement) == "unreachable"
    assert judgement.tokens == 0


@servers.attack(
    "contradictory-samples",
    tries="says yes and no to the same question",
    defence="a tie is an abstention; less agreement is less confidence",
)
def test_samples_that_contradict_each_other():
    def answers(*said):
        return serving(lambda _, n: completion(verdict(said[n % len(said)])))

    with answers(True, False) as server:
        assert kind_of(judge_one(server.config(samples=2))) == "disagreement"
    with answers(True, True, False) as server:
        judgement = judge_one(server.config(samples=3, max_concurrency=1))
    assert (judgement.passed, judgement.score) == (True, 1.0)
    assert judgement.agreement == pytest.approx(1 / 3)
    with answers(True) as server:
        assert judge_one(server.config(samples=3)).confidence == 1.0


def test_the_spread_of_scores_lowers_the_agreement():
    with serving(lambda _, n: completion(verdict(score=(0.9, 0.8, 0.7)[n]))) as server:
        judgement = judge_one(server.config(samples=3))
    assert judgement.score == pytest.approx(0.8)
    assert judgement.confidence == pytest.approx(1 - (0.1 + 0.2 + 0.1) / 3)


def test_failed_samples_count_as_disagreement_and_too_many_as_failure():
    with serving(lambda _, n: completion(verdict() if n else "?")) as server:
        judgement = judge_one(server.config(samples=3, max_concurrency=1))
    assert (judgement.passed, judgement.agreement) == (True, pytest.approx(1 / 3))
    with serving(lambda _, n: completion("?" if n else verdict())) as server:
        judgement = judge_one(server.config(samples=3, max_concurrency=1))
    assert kind_of(judgement) == "malformed"
    assert "2 of 3 samples" in judgement.abstention.detail


def test_a_long_queue_makes_no_question_late():
    with serving(lambda *_: late(0.2)) as server:
        config = server.config(max_concurrency=1, deadline_s=1.0, timeout_s=1.0)
        judged = judge_all(config, [request(f"{FACT} {n}") for n in range(8)])
    assert [judgement.passed for judgement in judged] == [True] * 8


def test_concurrency_is_bounded():
    with serving(lambda *_: late(0.05)) as server:
        judged = judge_all(server.config(samples=4, max_concurrency=3), [request(f"{FACT} {n}") for n in range(4)])
    assert all(judgement.passed for judgement in judged)
    assert server.most_under_way == 3


def test_equal_requests_are_asked_once_and_cost_once():
    with serving(lambda *_: completion(verdict())) as server:
        judged = judge_all(server.config(samples=2), [request(id="a"), request(f"{FACT}!"), request(id="b")])
    assert len(server.asked) == 4
    assert [judgement.passed for judgement in judged] == [True, True, True]
    assert [judgement.tokens for judgement in judged] == [240, 240, 0]
    assert judged[2].cached


def test_it_can_be_asked_from_within_an_event_loop_and_without_one():
    with serving(lambda *_: completion(verdict())) as server:
        judge = Judge.connect(server.config())

        async def within():
            return judge.judge_blocking([request()])

        assert [asyncio.run(within())[0].passed, judge.judge_blocking([request()])[0].passed] == [True, True]


KEY = "sk-very-secret-4711"


@servers.attack(
    "echoed-key",
    tries="repeats the key in answers and errors",
    defence="it is blotted out before anything is kept, logged or shown",
)
def test_the_key_is_sent_and_appears_nowhere_else(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("TEST_JUDGE_KEY", KEY)
    caplog.set_level("DEBUG")

    def echo(server, number):
        sent = server.headers[number]["authorization"]
        return (
            PlainTextResponse(sent, 500) if number == 0 else completion(sent if number == 1 else verdict(reasons=sent))
        )

    with serving(echo) as server:
        config = server.config(api_key_env="TEST_JUDGE_KEY", cache=tmp_path / "c.sqlite", log=tmp_path / "log.jsonl")
        judge = Judge.connect(config.model_copy(update={"max_retries": 0}))
        judged = [asyncio.run(judge.judge([request()]))[0] for _ in range(3)]
    assert [header["authorization"] for header in server.headers] == [f"Bearer {KEY}"] * 3
    assert [kind_of(judgement) for judgement in judged[:2]] == ["server", "malformed"]
    assert judged[2].reasons == ("Bearer [key]",)
    assert KEY not in repr(judged) + caplog.text + config.model_dump_json()
    for file in tmp_path.iterdir():
        assert KEY.encode() not in file.read_bytes(), file
    assert all("[key]" in line for line in (tmp_path / "log.jsonl").read_text().splitlines())


def test_a_missing_or_unusable_key_says_so_without_showing_it(monkeypatch):
    with serving(lambda *_: completion(verdict())) as server:
        config = server.config(api_key_env="TEST_JUDGE_KEY")
    monkeypatch.delenv("TEST_JUDGE_KEY", raising=False)
    with pytest.raises(RewardError, match=r"TEST_JUDGE_KEY, which api_key_env names, is not set"):
        Judge.connect(config)
    monkeypatch.setenv("TEST_JUDGE_KEY", "tök\nen")
    with pytest.raises(RewardError, match="no header can carry") as caught:
        Judge.connect(config)
    assert "tök" not in str(caught.value)


@servers.attack(
    "budget-overrun",
    tries="takes part in many calls at once, so that together they pass a limit",
    defence="the most that a call can take is reserved before it begins",
)
def test_concurrent_calls_cannot_overrun_the_requests_and_the_money():
    # Refusals, breakdowns and answers in turn, much side by side: what is sent stays within what is allowed.
    async def answer(server, number):
        await asyncio.sleep(0.01)
        return PlainTextResponse("busy", 500) if number % 3 == 0 else completion(verdict())

    pages = [request(f"{FACT} {n}") for n in range(8)]
    with serving(lambda server, n: answer(server, n)) as server:
        judged = judge_all(server.config(samples=3, budget={"requests": 10}), pages)
        assert len(server.asked) == 10
    assert "budget" in {kind_of(judgement) for judgement in judged if judgement.abstention}

    spent, price = 0.0, {"prompt_price": 1000.0, "completion_price": 1000.0}
    with serving(lambda server, n: answer(server, n)) as server:
        config = server.config(samples=3, max_answer_tokens=20, budget={"cost": 8.0, **price})
        judged = judge_all(config, pages)
        spent = 0.120 * sum(n % 3 != 0 for n in range(len(server.asked)))
    assert sum(judgement.cost for judgement in judged) == pytest.approx(spent)
    assert 0 < spent <= 8.0


def test_a_limit_too_small_for_one_call_sends_nothing():
    with serving(lambda *_: completion(verdict())) as server:
        assert kind_of(judge_one(server.config(budget={"tokens": 600}))) == "budget"
        assert not server.asked
        config = server.config(budget={"requests": 5})
        assert kind_of(judge_one(config, spent=Spending(requests=5))) == "budget"
        assert not server.asked


@servers.attack(
    "usage-of-nonsense",
    tries="reports tokens that are none, negative or beyond all measure",
    defence="what cannot be believed is charged at the most",
)
@pytest.mark.parametrize("usage", [{}, 7, {"prompt_tokens": -5, "completion_tokens": True}, {"prompt_tokens": 1e300}])
def test_usage_of_nonsense_is_charged_at_the_most(usage):
    with serving(lambda *_: completion(verdict(), usage=usage)) as server:
        judgement = judge_one(server.config(max_answer_tokens=64))
    assert judgement.passed is True
    assert judgement.samples[0].completion_tokens == 64
    assert judgement.samples[0].prompt_tokens > 1000


@servers.attack(
    "usage-beyond-the-reserved",
    tries="reports more tokens than the call can have had",
    defence="it is charged, and ends the budget the sooner",
)
def test_usage_beyond_what_was_reserved_ends_the_budget():
    wild = {"prompt_tokens": 10**6, "completion_tokens": 10**6}
    with serving(lambda *_: completion(verdict(), usage=wild)) as server:
        judge = Judge.connect(server.config(budget={"tokens": 100_000}))
        assert asyncio.run(judge.judge([request()]))[0].passed is True
        assert kind_of(asyncio.run(judge.judge([request(f"{FACT}!")]))[0]) == "budget"
    assert len(server.asked) == 1


def test_the_rate_limit_abstains_where_waiting_would_outlast_the_deadline():
    with serving(lambda *_: completion(verdict())) as server:
        config = server.config(deadline_s=3, budget={"requests_per_minute": 3})
        judged = judge_all(config, [request(f"{FACT} {n}") for n in range(5)])
    assert len(server.asked) == 3
    assert [kind_of(judgement) for judgement in judged if judgement.abstention] == ["rate", "rate"]


def test_answers_are_kept_by_content_and_not_by_delimiter(tmp_path):
    with serving(lambda *_: completion(verdict())) as server:
        config = server.config(samples=2, cache=tmp_path / "sub" / "cache.sqlite", log=tmp_path / "log.jsonl")
        first, again = (judge_one(config) for _ in range(2))
        assert len(server.asked) == 2
        warmer = judge_one(config.model_copy(update={"temperature": 0.9}))
        other = judge_all(config, [request(f"{FACT} twice")])[0]
    assert len(server.asked) == 6
    assert (first.cached, again.cached, warmer.cached, other.cached) == (False, True, False, False)
    assert (again.passed, again.score, again.quotes) == (first.passed, first.score, first.quotes)
    assert (again.cost, again.tokens, again.samples[0].attempts) == (0.0, 0, 0)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert len({line["delimiter"] for line in lines[:4]}) == 2, "the two runs drew different delimiters"
    assert len({line["content"] for line in lines[:4]}) == 1


def test_what_cannot_be_logged_does_not_count(tmp_path):
    (tmp_path / "file").write_text("")
    with serving(lambda *_: completion(verdict())) as server:
        assert kind_of(judge_one(server.config(log=tmp_path / "file" / "log.jsonl"))) == "storage"


def test_the_log_holds_what_was_sent_and_what_came(tmp_path):
    with serving(lambda *_: completion(verdict())) as server:
        judge_all(server.config(log=tmp_path / "log.jsonl"), [request(id="episode 7")])
    (line,) = map(json.loads, (tmp_path / "log.jsonl").read_text().splitlines())
    assert line["messages"] == server.asked[0]["messages"]
    assert line["answer"] == verdict()
    assert (line["id"], line["sample"], line["cached"], line["attempts"]) == ("episode 7", 0, False, 1)
    assert line["prompt_version"].startswith("v1:")


def test_a_seeded_judge_asks_the_same_again():
    with serving(lambda *_: completion(verdict())) as server:
        for _ in range(2):
            judge_one(server.config(), generator=np.random.default_rng(4))
    assert server.asked[0] == server.asked[1]


def test_the_view_of_an_episode_without_steps_can_be_asked_about():
    empty = view().__class__(task="t", seed=0, goal="g", steps=())
    with serving(lambda *_: completion(verdict(False))) as server:
        assert judge_all(server.config(), [request(view=empty)])[0].passed is False
