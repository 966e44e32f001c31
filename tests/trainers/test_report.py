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
from milepost.trainers.metrics import MetricsWriter, TaskEvaluation, write_evaluation
from milepost.trainers.report import Example, ExampleMilestone, ExampleStep, build_report, save_example
from milepost.trainers.run_folder import RunFolder

TASKS = {
    "expense-form": ["amount_filled", "category_chosen", "submitted", "confirmed"],
    "report-download": ["reports_opened", "report_found", "file_created", "hash_matches"],
    "library-search": ["query_filled", "results_shown", "entry_opened"],
}
HELD_OUT = {
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
    reached = () if milestone is None else (ExampleMilestone(id=milestone[0], reward=milestone[1], evidence=milestone[2]),)
    return ExampleStep(
        action=action,
        observation='url: http://expenses.local/new\ntitle: New expense\n[1] textbox "Amount"\n[2] button "Submit"',
        reward=milestone[1] if milestone else 0.0,
        milestones=reached,
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
            step('click("Submit")', milestone=("submitted", 0.6, "a trusted click on “Submit”; the server holds 1 new expense")),
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
            rates = {m: n / 64 + (1 - n / 64) * (1 - (j + 1) / len(ids)) * 0.7 for j, m in enumerate(ids)}
            tasks[task] = TaskEvaluation(
                episodes=64, successes=n, mean_reward_fraction=0.2 + 0.8 * n / 64, mean_steps=9.5 - 5 * n / 64, milestones=rates
            )  # fmt: skip
        write_evaluation(folder, stage, tasks)
    for label, example in zip(("early", "late"), early_and_late(), strict=True):
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
