"""The site's own pages: their Python runs, their drawing is one, and nothing in them comes from elsewhere."""

import re
from pathlib import Path

import pytest
import yaml

from milepost.envs.registration import isolated_registry
from milepost.sandbox.fleet import Fleet

from .pages import ROOT, blocks
from .running import run_python, workplace

DOCS = ROOT / "docs"
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))


def test_nothing_is_loaded_from_elsewhere():
    assert SITE["theme"]["font"] is False
    # the offline plugin adds a script of another server's unless one of this name is there
    assert SITE["extra"]["polyfills"] == ["assets/iframe-worker.js"]
    for asset in (*SITE["extra"]["polyfills"], *SITE["extra_css"]):
        assert "//" not in asset
        assert "http" not in (DOCS / asset).read_text(encoding="utf-8")
    for page in DOCS.rglob("*.md"):
        text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        assert re.findall(r"(?:src|srcset)=\"https?:|!\[[^\]]*\]\(https?:", text) == [], page


def test_every_page_is_in_the_menu():
    menu = re.findall(r"[\w/]+\.md", yaml.safe_dump(SITE["nav"]))
    assert sorted(menu) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))


def test_the_drawing_is_the_same_wide_and_tall():
    wide, tall = ((DOCS / "images" / name).read_text(encoding="utf-8") for name in ("chain.svg", "chain_tall.svg"))
    for drawing in (wide, tall):
        links = re.findall(r'font-weight="700"[^>]*>([^<]+)<', drawing)
        assert sorted(links) == ["Advantage", "Event", "Ledger", "Milestone", "Reward", "Update"]
    assert re.findall("<title.*", wide) == re.findall("<title.*", tall)


@pytest.mark.browser
@pytest.mark.parametrize("page", ["docs/index.md", "docs/quickstart.md", "docs/detectors.md", "docs/scale.md"])
def test_the_python_of_a_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    workplace(tmp_path / "work", monkeypatch)
    monkeypatch.setattr(Fleet, "_shared_limits", Fleet._shared_limits)
    shown = [block for block in blocks(page) if block.language == "python"]
    assert shown
    with isolated_registry():
        for block in shown:
            assert run_python(block).out.strip()
