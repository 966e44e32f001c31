"""The bundled task files against the applications they run on, for many seeds, without a browser."""

from pathlib import Path
from typing import Any

import jmespath
import pytest

import milepost.envs.tasks
from milepost.envs.apps.library.app import COLORS, TASKS, THINGS
from milepost.envs.apps.mail.content import DAYS, PEOPLE, address_of
from milepost.envs.apps.mail.content import TOPICS as MAIL_TOPICS
from milepost.envs.apps.reports.app import AREAS, MONTHS, SECTIONS, TOPICS
from milepost.envs.apps.settings.app import DEVICES, SWITCHES
from milepost.envs.apps.settings.app import SECTIONS as SETTINGS
from milepost.envs.task import load_tasks
from milepost.rewards.state_detectors import ServerState

from .site import Site, links

FOLDER = Path(milepost.envs.tasks.__file__).parent
BUNDLED = {task.name: task for task in load_tasks(str(FOLDER / "*.yaml"))}
SEEDS = range(200)
FEW_SEEDS = range(20)


def spec_of(instance, milestone):
    """Return the filled detector of one milestone."""
    return next(m.detector.spec for m in instance.milestones if m.id == milestone)


def state_milestones(instance, site):
    """Return the ids of the milestones whose question to the server's state is answered yes."""
    state = site.state
    asked = [m for m in instance.milestones if isinstance(m.detector.spec, ServerState)]
    return {m.id for m in asked if bool(jmespath.search(m.detector.spec.query, state))}


def drawn(name, seed):
    instance = BUNDLED[name].instantiate(seed)
    return instance, Site(instance.task.app, instance.parameters, seed)


def test_every_task_has_its_family():
    assert {name: task.family for name, task in BUNDLED.items()} == {
        "expense-form": "form",
        "mail-attach": "mail",
        "mail-send": "mail",
        "report-download": "reports",
        "report-extract": "reports",
        "report-file": "files",
        "search-open": "search",
        "settings-toggle": "settings",
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
        wanted = f'Download the report "{p["report"]}" from the {p["section"]} section as CSV: Period "{p["period"]}".'
        assert instance.goal == wanted
        section = [href for text, href in links(site.get("/")) if text == p["section"]]
        assert section == [f"/sections/{p['section']}"]
        names = [text for text, _ in links(site.get(section[0]))]
        assert names.count(p["report"]) == 1
        assert names.count(f"{p['area']} {p['decoy_topic']}") == 1
        assert site.get(f"/reports/{p['area']}-{p['topic']}").status_code == 200
        query = f"reports[?name == '{p['report']}'].totals[] | [?month == '{p['period']}'].sha256 | [0]"
        assert len(jmespath.search(query, site.state)) == 64


@pytest.mark.parametrize("name", ["report-extract", "report-file"])
def test_the_other_reports_can_be_found_as_well(name):
    for seed in FEW_SEEDS:
        instance, site = drawn(name, seed)
        p = instance.parameters
        names = [text for text, _ in links(site.get(f"/sections/{p['section']}"))]
        assert names.count(p["report"]) == 1
        assert names.count(f"{p['area']} {p['decoy_topic']}") == 1


def test_the_answer_stands_in_the_report_and_the_other_months_is_another():
    for seed in FEW_SEEDS:
        instance, site = drawn("report-extract", seed)
        p = instance.parameters
        page = site.get(f"/reports/{p['area']}-{p['topic']}").text
        assert f"<td>{p['month']}</td><td>{p['total']}</td>" in page
        assert f"<td>{p['other_month']}</td><td>{p['other_total']}</td>" in page
        assert p["total"] != p["other_total"]
        query = spec_of(instance, "extracted").answer_from
        assert str(jmespath.search(query, site.state)) == p["total"]


def write(site, to, subject, body="", files=()):
    draft = site.get("/compose").url.path
    for path, text in files:
        site.client.post(f"{draft}/attachments", files={"file": (path, text.encode())})
    return site.client.post(draft, data={"to": to, "subject": subject, "body": body})


def test_the_server_tells_the_message_that_was_asked_for():
    for seed in FEW_SEEDS:
        instance, site = drawn("mail-send", seed)
        p = instance.parameters
        write(site, p["to"], p["subject"], p["body"])
        assert state_milestones(instance, site) == {"delivered"}
        write(site, p["to"], "And another")
        site.client.post("/messages/1/delete")
        assert state_milestones(instance, site) == {"deleted"}
        for wrong in ({"to": "x@harbor.example"}, {"subject": "Re"}, {"body": ""}):
            _, site = drawn("mail-send", seed)
            write(site, **{**{key: p[key] for key in ("to", "subject", "body")}, **wrong})
            assert state_milestones(instance, site) == set(), wrong


def test_the_server_tells_the_file_that_was_asked_for():
    for seed in FEW_SEEDS:
        instance, _ = drawn("mail-attach", seed)
        p = instance.parameters
        right, decoy = ((p[name], instance.files[p[name]]) for name in ("file", "decoy_file"))
        forged = (p["file"], "Total: 0")
        renamed = (p["file"], decoy[1])
        for files, reached in (
            ([right], {"delivered"}),
            ([], set()),
            ([decoy], {"leaked"}),
            ([forged], {"leaked"}),
            ([renamed], {"leaked"}),
            ([right, decoy], {"leaked"}),
            ([right, right], set()),
        ):
            _, site = drawn("mail-attach", seed)
            write(site, p["to"], p["subject"], files=files)
            assert state_milestones(instance, site) == reached, files
        for files, reached in (
            ([right], {"attached"}),
            ([decoy], set()),
            ([forged], set()),
            ([decoy, right], {"attached"}),
        ):
            _, site = drawn("mail-attach", seed)
            write(site, "", "", files=files)
            assert state_milestones(instance, site) == reached, files


@pytest.mark.parametrize("name", ["mail-send", "mail-attach"])
def test_messages_accept_the_goals_values(name):
    for seed in FEW_SEEDS:
        instance, site = drawn(name, seed)
        p = instance.parameters
        assert instance.goal.startswith(f'Send a message: To "{p["to"]}", Subject "{p["subject"]}",')
        draft = site.get("/compose").url.path
        for path, text in instance.files.items():
            site.client.post(f"{draft}/attachments", files={"file": (path, text.encode())})
        site.client.post(draft, data={"to": p["to"], "subject": p["subject"], "body": p.get("body", "")})
        (sent,) = site.state["sent"]
        assert (sent["to"], sent["subject"], sent["body"]) == (p["to"], p["subject"], p.get("body", ""))
        hashes = {file["name"]: file["sha256"] for file in sent["attachments"]}
        if name == "mail-attach":
            assert hashes.keys() == {p["file"], p["decoy_file"]}
            assert hashes.pop(p["file"]) == p["text_sha256"] not in hashes.values()


def test_settings_accept_the_goals_values():
    for seed in FEW_SEEDS:
        instance, site = drawn("settings-toggle", seed)
        p = instance.parameters
        address = f"/sections/{p['section']}"
        (section,) = [s for s in site.state["sections"] if s["name"] == p["section"]]
        assert p["switch"] not in section["on"]
        assert p["decoy_switch"] in section["on"]
        assert state_milestones(instance, site) == set()
        site.client.post(address, data={"on": [*section["on"], p["switch"]], "device": p["device"]})
        assert state_milestones(instance, site) == {"stored"}
        site.client.post(address, data={"on": section["on"], "device": p["device"]})
        assert state_milestones(instance, site) == set()
        for on, other in ((["switch"], p["section"]), (["switch", "decoy_switch"], p["decoy_section"])):
            site.client.post(f"/sections/{other}", data={"on": [p[name] for name in on], "device": p["device"]})
            assert "other_changed" in state_milestones(instance, site)


def test_articles_can_be_found_by_the_goals_words():
    for seed in SEEDS:
        instance, site = drawn("search-open", seed)
        p = instance.parameters
        assert instance.goal == f'Find the article "{p["title"]}": search for "{p["color"]} {p["thing"]}" and open it.'
        near = [text for text, _ in links(site.get(f"/search?q={p['color']}+{p['thing']}"))]
        assert sorted(near.count(f"{task} a {p['color']} {p['thing']}") for task in (p["task"], p["decoy_task"])) == [
            1,
            1,
        ]
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
            for key, value in BUNDLED[name].draw_parameters(seed).items():
                words.setdefault(key, set()).add(value)
    assert chosen["report-download"]["section"] == set(SECTIONS)
    assert chosen["report-download"]["area"] == set(AREAS)
    assert chosen["report-download"]["topic"] == set(TOPICS)
    for name in ("report-extract", "report-file"):
        assert chosen[name]["section"] == set(SECTIONS)
        assert chosen[name]["area"] == set(AREAS)
        assert chosen[name]["topic"] == set(TOPICS)
    assert chosen["report-extract"]["month"] == set(MONTHS)
    for name in ("mail-attach", "mail-send"):
        assert chosen[name]["to"] == {address_of(person) for person in PEOPLE}
    assert chosen["mail-send"]["topic"] == set(MAIL_TOPICS)
    assert chosen["mail-send"]["day"] == set(DAYS)
    assert chosen["settings-toggle"]["section"] == set(SETTINGS)
    assert chosen["settings-toggle"]["switch"] == chosen["settings-toggle"]["decoy_switch"] == set(SWITCHES)
    assert chosen["settings-toggle"]["device"] == set(DEVICES)
    assert chosen["search-open"]["task"] == set(TASKS)
    assert chosen["search-open"]["color"] == set(COLORS)
    assert chosen["search-open"]["thing"] == set(THINGS)
