"""Downloads that mean ill: by their names, their number, their size, or because they never end."""

import io
import os
import zipfile
from urllib.parse import quote

import pytest

from milepost.sandbox import app_server
from milepost.sandbox.errors import ActionError
from milepost.sandbox.events import Download

pytestmark = pytest.mark.browser

NAMES = (
    "../../etc/passwd", "..", "/etc/passwd", ".bashrc", "a\0b", "a\nb", "CON", "x" * 300, "\u202egpj.exe", "~/x",
    "..\\..\\x", "   ", "a.txt ", "nul\u0301", "é" * 200 + ".csv", "file.tar.gz/../../x", "%2e%2e%2fx", "$(id)", "-rf",
)  # fmt: skip
FLOOD = """<title>Home</title><button onclick="go()">Go</button><script>const go = () => {
  for (let i = 0; i < 1000; i++) {
    const a = document.createElement('a'); a.href = 'data:text/plain,' + i; a.download = 'f' + i; a.click()
  }
  document.title = 'done';
}</script>"""


def test_a_download_s_name_stays_a_name(hostile):
    links = "".join(f"<a href='/download?name={quote(name, safe='')}'>n{i}</a><br>" for i, name in enumerate(NAMES))
    it = hostile(f"<title>Home</title>{links}")
    for number in range(len(NAMES)):
        it.act("click", f"n{number}")
        assert len(it.of(Download)) == 1
    paths = [file.path for file in it.workspace.files()]
    assert len(paths) == len(NAMES)
    for path in paths:
        folder, name = os.path.split(path)
        assert folder == "downloads"
        assert name.isprintable(), name
        assert len(name.encode()) <= 255
        assert not name.startswith((".", " "))
        assert "\\" not in name
    assert sorted(p.name for p in it.workspace.root.iterdir()) == ["downloads"]


def test_a_thousand_downloads_at_once_fill_nothing(hostile):
    it = hostile(FLOOD, quota_bytes=30)
    for _ in range(3):
        try:
            it.act("click", "Go")
        except ActionError as error:
            assert "quota" in str(error)  # noqa: PT017 (it may also pass, when fewer came)
    files = it.workspace.files()
    assert len(files) <= it.workspace.quota_files
    assert sum(file.size_bytes for file in files) <= 30
    assert it.look().title == "done"


def test_a_huge_download_is_refused_in_words(hostile):
    it = hostile(
        "<title>Home</title><button onclick='const a = document.createElement(`a`); a.download = `big`;"
        "a.href = window.URL.createObjectURL(new Blob([new Uint8Array(5e6)])); "
        "document.body.append(a); a.click()'>Go</button>",
        quota_bytes=1_000_000,
    )
    with pytest.raises(ActionError, match="quota of 1000000 bytes"):
        it.act("click", "Go")
    assert it.workspace.files() == ()


def test_a_flood_of_downloads_costs_the_next_episode_none(hostile):
    flooded = hostile(FLOOD)
    page = flooded.page
    flooded.act("click", "Go")
    flooded.close()
    for _ in range(5):
        it = hostile(
            "<title>Home</title><button onclick='const a = document.createElement(`a`); a.download = `a.txt`;"
            "a.href = window.URL.createObjectURL(new Blob([`x`])); document.body.append(a); a.click()'>Go</button>"
        )
        assert it.page is not page
        it.act("click", "Go")
        assert [file.path for file in it.workspace.files()] == ["downloads/a.txt"]
        it.close()


def test_a_download_that_never_ends_is_ended(hostile, monkeypatch):
    monkeypatch.setattr(app_server, "MAX_ANSWER_BYTES", 3_000_000)
    it = hostile("<title>Home</title><a href=/endless>Go</a>", quota_bytes=1_000_000)
    with pytest.raises(ActionError, match="was not saved"):
        it.act("click", "Go")
    assert it.workspace.files() == ()
    assert "more than 3000000 bytes" in it.instance.failure


def test_an_archive_is_a_file_and_stays_one(hostile):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../escaped.txt", b"x")
        archive.writestr("bomb.bin", b"\0" * 20_000_000)
    numbers = ",".join(map(str, packed.getvalue()))
    it = hostile(
        "<title>Home</title><button onclick='const a = document.createElement(`a`); a.download = `a.zip`;"
        f"a.href = window.URL.createObjectURL(new Blob([new Uint8Array([{numbers}])])); "
        f"document.body.append(a); a.click()'>Go</button>",
        quota_bytes=1_000_000,
    )
    it.act("click", "Go")
    assert [(file.path, file.size_bytes) for file in it.workspace.files()] == [
        ("downloads/a.zip", len(packed.getvalue()))
    ]
