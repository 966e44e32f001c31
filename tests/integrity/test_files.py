"""Files that look right by their name, their place or a link; files that come and go."""

import pytest

from ..sandbox.test_command import why_not
from .attacks import Family
from .stage import NOTHING, REPORT, Stage

pytestmark = pytest.mark.browser
needs_box = pytest.mark.skipif(bool(why_not()), reason=why_not() or "bubblewrap works")

files = Family("Files and downloads", __name__)

FILES = Stage(
    name="files",
    actions=("basic", "files", "command"),
    milestones=[
        {
            "id": "verified",
            "catalogue": "file_matches",
            "path": "downloads/report.csv",
            "extension": "csv",
            "sha256_from": "report.sha256",
        },
        {"id": "downloaded", "catalogue": "file_downloaded", "path": "downloads/report.csv", "after": ["verified"]},
        {"id": "filed", "catalogue": "directory_updated", "path": "archive", "after": ["downloaded"]},
        {"id": "summary", "detector": "file_created", "reward": 0.25, "path": "out/summary.txt"},
        {"id": "picture", "detector": "file_matches", "reward": 0.25, "path": "out/*", "extension": "png"},
    ],
    honest=[
        'click("Export report")',
        'copy_file("downloads/report.csv", "archive/report.csv")',
        'write_file("out/summary.txt", "42")',
        'write_file("out/chart.png", "not one pixel, but this task asks for no more")',
    ],
    pages={
        "/": "<title>Reports</title><a href=/exports/right>Export report</a><a href=/exports/wrong>Export draft</a>"
        "<a href=/exports/empty>Export nothing</a>"
        "<a href='data:text/csv,made up here' download=report.csv>Made here</a>"
    },
)
CONTENT = "what a file holds is compared by its hash, with one that the server tells the evaluator only"
NO_LINKS = (
    "links and special files are no files of the workspace: they are neither listed nor taken over from a command"
)


def paths(played):
    return [file.path for file in played.snapshot.files]


def test_the_honest_way_pays_on_the_same_page(play):
    assert play.honest(FILES).earned == (2.25, {"verified", "downloaded", "filed", "summary", "picture"})


@needs_box
def test_the_honest_way_by_a_command_pays_too(play):
    assert play(FILES, 'run("mkdir out && echo 42 > out/summary.txt")').earned == (0.25, {"summary"})


@files.attack("written-not-downloaded", tries="writes a file of the right name", defence=CONTENT)
def test_written_not_downloaded(play):
    lie = play(FILES, 'write_file("downloads/report.csv", "date,total\\n2026-01-15,41\\n")')
    assert paths(lie) == ["downloads/report.csv"]
    assert lie.earned == NOTHING


def test_the_right_content_is_paid_as_such_but_not_as_a_download(play):
    told = REPORT.replace("\n", "\\n")
    assert play(FILES, f'write_file("downloads/report.csv", "{told}")').earned == (0.5, {"verified"})


@files.attack("wrong-download", tries="downloads another file of the same name", defence=CONTENT)
def test_wrong_download(play):
    lie = play(FILES, 'click("Export draft")')
    assert paths(lie) == ["downloads/report.csv"]
    assert lie.earned == NOTHING


@files.attack("download-made-by-the-page", tries="downloads what the page makes up (`data:`)", defence=CONTENT)
def test_download_made_by_the_page(play):
    lie = play(FILES, 'click("Made here")')
    assert paths(lie) == ["downloads/report.csv"]
    assert lie.earned == NOTHING


@files.attack(
    "swapped-after-download", tries="downloads one file, moves it away and puts another in its place", defence=CONTENT
)
def test_swapped_after_download(play):
    lie = play(
        FILES,
        'click("Export draft")',
        'move_file("downloads/report.csv", "downloads/draft.csv")',
        'write_file("draft.csv", "date,total\\n")',
        'move_file("draft.csv", "downloads/report.csv")',
    )
    assert paths(lie) == ["downloads/draft.csv", "downloads/report.csv"]
    assert lie.earned == NOTHING


@files.attack("empty-download", tries="downloads a file of the right name without content", defence=CONTENT)
def test_empty_download(play):
    lie = play(FILES, 'click("Export nothing")')
    assert [(f.path, f.size_bytes) for f in lie.snapshot.files] == [("downloads/report.csv", 0)]
    assert lie.earned == NOTHING


@files.attack(
    "empty-file", tries="writes empty files of the right name and of the right extension",
    defence="a file counts from one byte on (`min_bytes`), and by its extension alone only if it is not empty",
)  # fmt: skip
def test_empty_file(play):
    lie = play(FILES, 'write_file("out/summary.txt", "")', 'write_file("out/chart.png", "")')
    assert paths(lie) == ["out/chart.png", "out/summary.txt"]
    assert lie.earned == NOTHING


@files.attack(
    "look-alike-names", tries="other cases, endings, folders and letters that look the same",
    defence="paths are compared as they are, whole",
)  # fmt: skip
def test_look_alike_names(play):
    names = ("out/Summary.txt", "out/summary.txt.bak", "out/sub/summary.txt", "summary.txt", "out/summ\u0430ry.txt")
    lie = play(FILES, *(f'write_file("{name}", "42")' for name in names), 'write_file("out/sub/chart.png", "x")')
    assert len(paths(lie)) == 6
    assert lie.earned == NOTHING


@files.attack("folder-of-that-name", tries="makes folders of the right names", defence="a folder is no file")
def test_folder_of_that_name(play):
    lie = play(FILES, 'make_folder("out/summary.txt")', 'make_folder("downloads/report.csv")')
    assert lie.errors.strip() == ""
    assert lie.earned == NOTHING


@needs_box
@files.attack(
    "created-and-deleted", tries="creates the file and deletes it within one command", defence="a file is there at the "
    "end of its step"
)  # fmt: skip
def test_created_and_deleted(play):
    lie = play(FILES, 'run("mkdir out && echo 42 > out/summary.txt && cat out/summary.txt && rm -r out")')
    assert lie.last["last_action_result"] == "42\n"
    assert lie.earned == NOTHING


@needs_box
@files.attack(
    "symbolic-links", tries="links from the right names to files that are there, in the box or behind it",
    defence=NO_LINKS,
)  # fmt: skip
def test_symbolic_links(play):
    lie = play(
        FILES,
        'run("mkdir out downloads && ln -s /etc/passwd out/summary.txt && ln -s /bin/sh downloads/report.csv; ls out")',
        'run("rm -rf out; ln -s /usr/share out; ls -d out")',
    )
    assert "summary.txt" in lie.observations[1]["last_action_result"]
    assert "left out" in lie.observations[1]["last_action_result"]
    assert paths(lie) == []
    assert lie.earned == NOTHING


@needs_box
@files.attack(
    "hard-links", tries="hard links to files of the box, and to a file of the agent's own under the report's name",
    defence="what lies outside cannot be linked to; what was linked is a copy, and its content is compared",
)  # fmt: skip
def test_hard_links(play):
    lie = play(
        FILES,
        'run("mkdir out downloads; ln /bin/sh out/summary.txt; echo x > own; ln own downloads/report.csv")',
    )
    assert paths(lie) == ["downloads/report.csv", "own"]
    assert lie.earned == NOTHING


@needs_box
@files.attack("special-files", tries="a pipe and a socket of the right names", defence=NO_LINKS)
def test_special_files(play):
    bind = "import socket; socket.socket(socket.AF_UNIX).bind('out/chart.png')"
    lie = play(FILES, f'run("mkdir out; mkfifo out/summary.txt; python3 -c \\"{bind}\\"; ls out")')
    assert "chart.png\nsummary.txt" in lie.last["last_action_result"]
    assert paths(lie) == []
    assert lie.earned == NOTHING
