"""The bundled task files against the applications they run on, for many seeds, without a browser."""

from pathlib import Path
from typing import Any

import jmespath
import pytest

import milepost.envs.tasks
from milepost.envs.apps.library.app import COLORS, TASKS, THINGS
from milepost.envs.apps.reports.app import AREAS, SECTIONS, TOPICS
from milepost.envs.task import load_tasks

from .site import Site, links

FOLDER = Path(milepost.envs.tasks.__file__).parent
BUNDLED = {task.name: task for task in load_tasks(str(FOLDER / "*.yaml"))}
SEEDS = range(200)


def drawn(name, seed):
    instance = BUNDLED[name].instantiate(seed)
    return instance, Site(instance.task.app, instance.parameters, seed)


def test_three_tasks_of_three_families():
    assert {name: task.family for name, task in BUNDLED.items()} == {
        "expense-form": "form",
        "report-download": "reports",
        "search-open": "search",
    }


@pytest.mark.parametrize("name", BUNDLED)
def test_task_is_worth_training_on(name):
    task = BUNDLED[name]
    assert task.instance_count >= 1000
    assert len({task.instantiate(seed).goal for seed in SEEDS}) > 150
    instance = task.instantiate(0)
    assert 3 <= len(instance.oracle) <= 5
    assert len(instance.oracle) < task.max_steps <= 8
    assert len(instance.milestones) >= 3
    assert instance.near_misses


def test_forms_accept_the_goals_values():
    for seed in SEEDS:
        instance, site = drawn("expense-form", seed)
        p = instance.parameters
        wanted = f'Name "{p["person"]}", Amount "{p["amount"]}", Purpose "{p["purpose"]}"'
        assert instance.goal == f"Submit an expense: {wanted}."
        data = {"name": p["person"], "amount": str(p["amount"]), "purpose": p["purpose"]}
        assert site.client.post("/new", data=data).status_code == 200
        (expense,) = site.state["expenses"]
        assert (expense["name"], expense["amount"], expense["purpose"]) == (p["person"], p["amount"], p["purpose"])
        assert str(p["amount"]) != str(p["wrong_amount"])


def test_reports_can_be_found_by_the_goals_words():
    for seed in SEEDS:
        instance, site = drawn("report-download", seed)
        p = instance.parameters
        assert instance.goal == f'Download the report "{p["report"]}" from the {p["section"]} section as CSV.'
        section = [href for text, href in links(site.get("/")) if text == p["section"]]
        assert section == [f"/sections/{p['section']}"]
        names = [text for text, _ in links(site.get(section[0]))]
        assert names.count(p["report"]) == 1
        assert names.count(f"{p['area']} {p['decoy_topic']}") == 1
        assert site.get(f"/reports/{p['area']}-{p['topic']}").status_code == 200
        query = f"reports[?name == '{p['report']}' && section == '{p['section']}'].sha256 | [0]"
        assert len(jmespath.search(query, site.state)) == 64


def test_articles_can_be_found_by_the_goals_words():
    for seed in SEEDS:
        instance, site = drawn("search-open", seed)
        p = instance.parameters
        assert instance.goal == f'Find the article "{p["title"]}": search for "{p["thing"]}" and open it.'
        found = links(site.get(f"/search?q={p['thing']}"))
        assert [text for text, _ in found].count(p["title"]) == 1
        assert [text for text, _ in found].count(f"{p['task']} a {p['decoy_color']} {p['thing']}") == 1
        address = dict(found)[p["title"]]
        assert address == f"/articles/{p['task']}-a-{p['color']}-{p['thing']}"
        assert site.get(address).status_code == 200


def test_task_files_and_applications_draw_from_the_same_words():
    chosen: dict[str, dict[str, set[Any]]] = {name: {} for name in BUNDLED}
    for name, words in chosen.items():
        for seed in range(600):
            for key, value in BUNDLED[name].instantiate(seed).parameters.items():
                words.setdefault(key, set()).add(value)
    assert chosen["report-download"]["section"] == set(SECTIONS)
    assert chosen["report-download"]["area"] == set(AREAS)
    assert chosen["report-download"]["topic"] == set(TOPICS)
    assert chosen["search-open"]["task"] == set(TASKS)
    assert chosen["search-open"]["color"] == set(COLORS)
    assert chosen["search-open"]["thing"] == set(THINGS)
