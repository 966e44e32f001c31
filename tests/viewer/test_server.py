"""What the viewer's server gives, and what it refuses; tests/labelling/test_gate.py attacks the gate they share."""

from __future__ import annotations

import re
from pathlib import Path

import orjson
import pytest

from milepost.trainers.viewing.page_files import SCRIPTS, page_in_one
from tests.labelling.served import ServedPage


def test_the_page_and_its_files_are_bound_to_themselves(served: ServedPage):
    page = served.ask("GET", "/")
    assert page.status == 200
    assert "unsafe" not in page.headers["content-security-policy"]
    assert "require-trusted-types-for 'script'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    for name in ("view.css", "icon.svg", *SCRIPTS):
        file = served.ask("GET", f"/{name}")
        assert file.status == 200
        assert b"https:" not in file.body
        assert b"style=" not in file.body or name.endswith(".svg")


def test_a_run_and_its_episodes_are_answered(served: ServedPage):
    run = served.ask("GET", "/run").json()
    assert len(run["episodes"]) == 16
    episode = served.ask("GET", "/episode/0").json()
    assert episode["moments"][0]["action"].startswith("fill(")
    assert served.ask("GET", "/rescored/0").json() == {"verdict": "ok", "note": "", "total": episode["total"]}
    pictures = served.ask("GET", "/pictures/0").json()
    assert pictures["ready"]
    assert "no browser was found" in pictures["note"]
    assert served.ask("GET", "/picture/0/0").status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/episode/16",
        "/episode/-1",
        "/episode/x",
        "/episode/%D9%A3",
        "/episode/" + 5000 * "9",
        "/episode/../run/config.yaml",
        "/rescored/99",
        "/pictures/99",
        "/picture/99/0",
        "/picture/0/../../config.yaml",
        "/picture/0/%2e%2e%2fconfig.yaml",
        "/export/99",
        "/export/0/99",
        "/config.yaml",
        "/%2e%2e/config.yaml",
        "/page/view.css",
        "/server.py",
        "/view.html",
    ],
)
def test_paths_lead_to_no_file(served: ServedPage, path: str):
    reply = served.ask("GET", path)
    assert reply.status == 404
    assert b"seed:" not in reply.body


def test_it_is_behind_the_gate(served: ServedPage):
    assert served.ask("GET", "/run", bare=True).status == 404
    assert served.ask("GET", "/run", host="evil.example").status == 421
    assert served.ask("GET", "/run", sec_fetch_site="cross-site").status == 403
    assert served.ask("GET", "/export/0", sec_fetch_site="cross-site").status == 403
    assert served.post("/run", {}).status == 405


def test_what_was_added_since_is_seen(served: ServedPage, run: Path):
    path = run / "trajectories" / "iteration_002.jsonl"
    path.write_bytes((run / "trajectories" / "iteration_001.jsonl").read_bytes())
    try:
        assert len(served.ask("GET", "/run").json()["episodes"]) == 24
        assert served.ask("GET", "/episode/20").status == 200
    finally:
        path.unlink()
    assert len(served.ask("GET", "/run").json()["episodes"]) == 16


def test_an_export_holds_what_was_asked_and_may_load_nothing(served: ServedPage):
    reply = served.ask("GET", "/export/0/3")
    assert reply.headers["content-disposition"] == 'attachment; filename="run-0-3.html"'
    text = reply.body.decode()
    policy = re.search(r'content="(default-src[^"]*)"', text)
    assert policy is not None
    assert "connect-src" not in policy[1]
    assert "unsafe" not in policy[1]
    held = re.search(r'<script type="application/json" id="held">(.*?)</script>', text, re.DOTALL)
    assert held is not None
    data = orjson.loads(held[1])
    assert set(data["episodes"]) == {"0", "3"}
    assert data["episodes"]["0"] == served.ask("GET", "/episode/0").json()
    assert data["run"]["all_episodes"] == 16
    assert not re.search(r"^(import|export) ", text, re.MULTILINE)


def test_no_text_ends_the_data_of_an_export():
    hostile = "</script><script>alert(1)</script><!--<script>\u2028"
    page = page_in_one({"x": hostile}).decode()
    held = page.partition('id="held">')[2].partition("</script>")[0]
    assert orjson.loads(held) == {"x": hostile}
    assert "<" not in held


def test_scripts_share_one_scope_in_an_export_without_clashing():
    page = page_in_one({}).decode()
    script = page.rpartition('<script type="module">')[2]
    names = re.findall(r"^(?:async )?(?:function|class|const|let) (\w+)", script, re.MULTILINE)
    assert len(names) > 80
    assert sorted({name for name in names if names.count(name) > 1}) == []
