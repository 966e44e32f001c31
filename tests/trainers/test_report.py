"""The report, built from a whole synthetic run as a training would leave it."""

from __future__ import annotations

import base64
import html.parser
import io
import math
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from milepost.sandbox.errors import RunError
from milepost.trainers.metrics import MetricsWriter, Stage, TaskEvaluation, write_evaluation
from milepost.trainers.report import (
    LABELS,
    Example,
    ExampleMilestone,
    ExampleStep,
    build_report,
    save_example,
    summary_line,
)
from milepost.trainers.run_folder import RunFolder

TASKS = {
    "expense-form": ["amount_filled", "category_chosen", "submitted", "confirmed"],
    "report-download": ["reports_opened", "report_found", "file_created", "hash_matches"],
    "library-search": ["query_filled", "results_shown", "entry_opened"],
}
HELD_OUT: dict[Stage, dict[str, int]] = {
    "untrained": {"expense-form": 0, "report-download": 3, "library-search": 1},
    "warm_start": {"expense-form": 17, "report-download": 38, "library-search": 29},
    "trained": {"expense-form": 58, "report-download": 64, "library-search": 62},
}
CONFIG = {
    "tasks": [f"milepost/{task}-v0" for task in TASKS],
    "model": "smollm2-135m-instruct",
    "iterations": 20,
    "groups": 8,
    "group_size": 8,
    "learning_rate": 2e-4,
    "clip_high": 0.28,
    "lora": {"rank": 16, "alpha": 32.0},
    "warm_start": {"demonstrations": 18, "epochs": 2},
}


def drawn_page(text: str) -> bytes:
    image = Image.new("RGB", (1024, 640), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 1024, 56), fill=(38, 70, 120))
    draw.text((24, 20), text, fill="white")
    for i in range(4):
        draw.rectangle((40, 110 + 80 * i, 620, 150 + 80 * i), outline=(160, 160, 160), width=2)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def step(action: str, *, milestone: tuple[str, float, str] | None = None, error: str = "") -> ExampleStep:
    reached = []
    if milestone is not None:
        reached.append(ExampleMilestone(id=milestone[0], reward=milestone[1], evidence=milestone[2]))
    return ExampleStep(
        action=action,
        observation='url: http://expenses.local/new\ntitle: New expense\n[1] textbox "Amount"\n[2] button "Submit"',
        reward=milestone[1] if milestone else 0.0,
        milestones=tuple(reached),
        error=error,
    )


def early_and_late() -> tuple[Example, Example]:
    goal = "File an expense of 48.20 EUR in the category Travel with the note “train to Lyon”, then submit it."
    early = Example(
        task="expense-form", seed=100_003, goal=goal, total=0.2, max_total=1.5, success=False, when="Before training",
        steps=(
            step('fill("Amount", "48.20")', milestone=("amount_filled", 0.2, "the field “Amount” holds 48.20")),
            step('click("Send")', error="no element is named “Send”; there are: button “Submit”, link “All expenses”"),
            step('click("Send")', error="no element is named “Send”; there are: button “Submit”, link “All expenses”"),
            step("I have filed the expense.", error="not an action: expected click(...), fill(...), done(...)"),
        ),
    )  # fmt: skip
    late = Example(
        task="expense-form", seed=100_003, goal=goal, total=1.5, max_total=1.5, success=True, when="After GRPO",
        steps=(
            step('fill("Amount", "48.20")', milestone=("amount_filled", 0.2, "the field “Amount” holds 48.20")),
            step('select("Category", "Travel")', milestone=("category_chosen", 0.2, "“Category” is Travel")),
            step('fill("Note", "train to Lyon")'),
            step('click("Submit")', milestone=("submitted", 0.6, "clicked “Submit”; the server holds 1 more")),
            step('click("OK")', milestone=("confirmed", 0.5, "the banner “Expense filed” is shown")),
        ),
    )  # fmt: skip
    return early, late


def synthetic_run(path: Path, *, iterations: int = 20, tensorboard: bool = False) -> RunFolder:
    """Write what a ten-minute run of 20 iterations leaves."""
    rng = np.random.default_rng(7)
    folder = RunFolder.create(path, CONFIG, seed=0)
    with MetricsWriter(folder, tensorboard=tensorboard) as metrics:
        metrics.log(0, {"time/warm_start_s": 92.0, "time/evaluate_s": 61.0, "time/iteration_s": 158.0})
        for i in range(1, iterations + 1):
            learned = 1 / (1 + math.exp(-(i - 7) / 2.6))
            values = {"train/episodes": 64.0, "train/groups": 8.0}
            rates = []
            for k, (task, ids) in enumerate(TASKS.items()):
                final = min(1.0, 0.14 + 0.12 * k + 0.8 * learned + rng.normal(0, 0.03))
                rates.append(max(0.0, final))
                values[f"train/success/{task}"] = rates[-1]
                for j, name in enumerate(ids):
                    share = rates[-1] + (1 - rates[-1]) * (1 - (j + 1) / len(ids)) * 0.8
                    values[f"milestone/{task}/{name}"] = min(1.0, share)
            values["train/success"] = float(np.mean(rates))
            values["train/reward_fraction"] = min(1.0, values["train/success"] * 0.75 + 0.25)
            values["train/entropy"] = 0.18 + 0.5 * math.exp(-i / 6) + rng.normal(0, 0.012)
            values["train/kl"] = 0.05 * (1 - math.exp(-i / 8)) + abs(rng.normal(0, 0.002))
            values["train/clip_fraction"] = abs(rng.normal(0.03, 0.01))
            values["train/dead_groups"] = float(rng.integers(0, 2) + (i > 15))
            values["train/replaced_groups"] = float(rng.integers(0, 3))
            values["time/sampling_s"] = 8.5 - 3 * learned + rng.normal(0, 0.4)
            values["time/browser_s"] = 2.6 + rng.normal(0, 0.2)
            values["time/update_s"] = 9.4 - 2 * learned + rng.normal(0, 0.5)
            values["time/evaluate_s"] = 31.0 if i == iterations else 0.0
            values["time/iteration_s"] = sum(v for n, v in values.items() if n.startswith("time/")) + 0.6
            metrics.log(i, values)
    for stage, successes in HELD_OUT.items():
        tasks = {}
        for task, n in successes.items():
            ids = TASKS[task]
            reached = {m: n / 64 + (1 - n / 64) * (1 - (j + 1) / len(ids)) * 0.7 for j, m in enumerate(ids)}
            tasks[task] = TaskEvaluation(
                episodes=64,
                successes=n,
                mean_reward_fraction=0.2 + 0.8 * n / 64,
                mean_steps=9.5 - 5 * n / 64,
                milestones=reached,
            )
        write_evaluation(folder, stage, tasks)
    for label, example in zip(LABELS, early_and_late(), strict=True):
        pictures = [drawn_page(f"New expense: {s.error or s.action}") for s in example.steps]
        save_example(folder, label, example, screenshots=pictures)
    folder.mark("finished", wall_s=571.0)
    return folder


class Page(html.parser.HTMLParser):
    """The report as a parser sees it: elements with attributes, and text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += f" {data}"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    return build_report(synthetic_run(tmp_path_factory.mktemp("report") / "run")).read_text("utf-8")


def test_the_three_numbers_and_their_intervals_are_there(report: str) -> None:
    text = " ".join(Page(report).text.replace("\xa0", " ").split())
    assert "Held-out success went from 2 % to 96 % in 10 minutes" in text
    assert "4 of 192 episodes solved 95 % interval 1 % to 5 %" in text
    assert "84 of 192 episodes solved 95 % interval 37 % to 51 %" in text
    assert "184 of 192 episodes solved 95 % interval 92 % to 98 %" in text
    assert "+52 points" in text
    assert "91 % 81 % to 96 % 58 of 64, 5.0 steps" in text  # expense-form after GRPO
    assert "17 of 160 groups were dead" in text


def test_every_milestone_and_both_episodes_are_shown(report: str) -> None:
    page = Page(report)
    for ids in TASKS.values():
        for milestone in ids:
            assert milestone in page.text
    assert "Before training" in page.text
    assert "After GRPO" in page.text
    assert "the banner “Expense filed” is shown" in page.text
    assert "no element is named “Send”" in page.text
    images = [a["src"] or "" for tag, a in page.elements if tag == "img"]
    assert len(images) == 8  # nine pictures, of which one repeats the page before


def test_the_gap_of_sampler_and_trainer_is_shown_where_it_was_measured(report: str, tmp_path: Path) -> None:
    assert "Did sampler and trainer agree?" not in report
    folder = RunFolder.create(tmp_path / "run", CONFIG, seed=0)
    with MetricsWriter(folder, tensorboard=False) as metrics:
        for i in (1, 2):
            busy = {"time/engine_busy": 0.75, "time/browser_busy": 0.5}
            gaps = {"train/logprob_gap": 0.004 * i, "train/logprob_gap_max": 0.125}
            metrics.log(i, {"train/success": 0.5, **gaps, **busy})
    shown = Page(build_report(folder).read_text("utf-8")).text
    assert "Did sampler and trainer agree?" in shown
    for told in (
        "nats, iteration 2: 0.008",
        "nats, iteration 1: 0.125",
        "engine, iteration 1: 75",
        "browsers, iteration",
    ):
        assert told in shown, told


def test_it_is_one_file_that_loads_nothing(report: str) -> None:
    for tag, attributes in Page(report).elements:
        assert tag not in {"script", "link", "iframe", "object"}
        for name in ("src", "href", "action", "xlink:href"):
            assert (attributes.get(name) or "data:").startswith("data:")
        assert not any(name.startswith("on") for name in attributes)
    assert "url(" not in report
    assert "@import" not in report
    assert "default-src 'none'" in report


def test_screenshots_are_made_small(report: str) -> None:
    for source in re.findall(r'src="data:image/\w+;base64,([^"]+)"', report):
        data = base64.b64decode(source)
        assert len(data) < 60_000
        with Image.open(io.BytesIO(data)) as image:
            assert image.width == 640


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'></pre></style>{{ 7 * 7 }}"


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", {**CONFIG, "model": HOSTILE}, seed=0)
    with MetricsWriter(folder, tensorboard=False) as metrics:
        metrics.log(1, {
            "train/success": 0.5, f"train/success/{HOSTILE}": 0.5, "train/<script>alert(3)<": 1.0,
            f"milestone/task/{HOSTILE.replace('/', '')}": 0.5,
        })  # fmt: skip
    result = TaskEvaluation(
        episodes=4, successes=1, mean_reward_fraction=0.5, mean_steps=3.0, milestones={HOSTILE: 0.5}
    )  # fmt: skip
    write_evaluation(folder, "untrained", {HOSTILE: result})
    hostile_step = ExampleStep(
        action=HOSTILE, observation=HOSTILE, reward=None, error=HOSTILE,
        milestones=(ExampleMilestone(id=HOSTILE, reward=0.25, evidence=HOSTILE),),
    )  # fmt: skip
    example = Example(
        task=HOSTILE, seed=1, goal=HOSTILE, total=0.25, success=False, when=HOSTILE, steps=(hostile_step,)
    )
    save_example(folder, "early", example)
    source = build_report(folder).read_text("utf-8")
    page = Page(source)
    assert not [tag for tag, _ in page.elements if tag in {"script", "img"}]
    assert not [a for _, a in page.elements if any(name.startswith("on") for name in a)]
    assert page.text.count("<script>alert(1)</script>") >= 8
    assert "{{ 7 * 7 }}" in page.text
    assert source.count("</style>") == 1


def test_a_run_just_begun_has_a_report(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", CONFIG, seed=3)
    page = Page(build_report(folder.path).read_text("utf-8"))
    assert "0 iterations so far" in page.text
    assert "not measured in this run" in page.text


def test_a_single_iteration_and_a_fall_are_shown(tmp_path: Path) -> None:
    folder = synthetic_run(tmp_path / "run", iterations=1)
    worse = TaskEvaluation(episodes=10, successes=0, mean_reward_fraction=0.0, mean_steps=9.0)
    write_evaluation(folder, "trained", {"expense-form": worse})
    text = Page(build_report(folder).read_text("utf-8")).text
    assert "-44 points" in text


def test_an_evaluation_without_scored_episodes_is_no_zero(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", CONFIG, seed=0)
    lost = TaskEvaluation(episodes=0, successes=0, mean_reward_fraction=0.0, mean_steps=0.0)
    write_evaluation(folder, "untrained", {"expense-form": lost})
    assert "Held-out success" not in Page(build_report(folder).read_text("utf-8")).text


def test_a_screenshot_outside_the_samples_or_damaged_is_left_out(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", CONFIG, seed=0)
    (tmp_path / "secret.png").write_bytes(drawn_page("secret"))
    (folder.samples_dir / "broken.png").write_bytes(b"no picture")
    early, _ = early_and_late()
    steps = tuple(
        ExampleStep(action="noop()", observation="", reward=0.0, screenshot=name)
        for name in ("../../secret.png", str(tmp_path / "secret.png"), "broken.png", "absent.png")
    )
    save_example(folder, "early", Example(task="t", seed=0, goal=early.goal, total=0.0, success=False, steps=steps))
    assert "<img" not in build_report(folder).read_text("utf-8")


@pytest.mark.parametrize("name", ["metrics.jsonl", "evaluations.json", "samples/early.json"])
def test_damage_is_named_with_its_cure(tmp_path: Path, name: str) -> None:
    folder = RunFolder.create(tmp_path / "run", CONFIG, seed=0)
    (folder.path / name).write_text('{"untrained": {"t": {"wrong": 1}}}\n{"iteration": 1}\n')
    if name != "metrics.jsonl":
        (folder.path / name).write_text('{"untrained": {"t": {"wrong": 1}}}')
    with pytest.raises(RunError, match=r"(?s)(metrics|evaluations|early).*Remove"):
        build_report(folder)


def test_no_run_no_report(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run folder at"):
        build_report(tmp_path / "nowhere")


def test_the_result_in_one_line(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", CONFIG, seed=0)
    assert summary_line(folder).startswith("held-out success: not measured; report: ")
    for stage, successes in HELD_OUT.items():
        for_task = {
            task: TaskEvaluation(episodes=64, successes=n, mean_reward_fraction=0.5, mean_steps=5.0)
            for task, n in successes.items()
        }
        write_evaluation(folder, stage, for_task)
    assert summary_line(folder) == (
        "held-out success: untrained 2.1% of 192 -> after warm start 43.8% of 192 -> after GRPO 95.8% of 192; "
        f"report: {folder.path}/report.html"
    )


def layered_run(path: Path) -> RunFolder:
    """A run that learned from the model, which it came to please: success rises, then falls, while the score rises."""
    folder = RunFolder.create(path, CONFIG, seed=0)
    with MetricsWriter(folder, tensorboard=False) as metrics:
        for i in range(1, 13):
            metrics.log(i, {
                "train/success": 0.2 + 0.1 * min(i, 6) - 0.08 * max(0, i - 6), "train/reward_fraction": 0.5,
                "router/coverage": 0.9, "router/unscored": 3.0, "router/cost": 0.001, "router/asked/model": 64.0,
                "router/asked/judge": 9.0, "router/abstained/judge": 2.0, "router/believed/model": 55.0,
                "router/believed/judge": 6.0, "router/agreement/judge": 0.75, "router/total/model": -4.0 + 0.4 * i,
            })  # fmt: skip
    return folder


def test_a_run_with_layers_shows_whom_the_reward_believed(tmp_path: Path, report: str) -> None:
    assert "Whom the reward believed" not in report
    source = build_report(layered_run(tmp_path / "run")).read_text("utf-8")
    page = Page(source)
    assert "Whom the reward believed" in page.text
    assert "learned model: -3.60 to 0.80" in page.text
    assert "36 items were left unscored; the judge cost 0.0120." in page.text
    rows = re.findall(r"<tr><th>([a-z ]+)</th>((?:<td>[^<]*</td>)+)</tr>", source)
    assert dict(rows)["judge"] == "<td>108</td><td>24</td><td>72</td><td>75\u00a0%</td>"
