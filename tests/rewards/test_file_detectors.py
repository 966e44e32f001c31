"""file_created, file_matches, directory_updated."""

import pytest

from .scenes import Step, changed, downloaded, file, fires, page, sha

EMPTY: Step = ([], page())


def with_files(*files, state=None):
    return page("/", files=files, state=state)


def test_file_created_by_download_or_by_the_agent():
    spec = {"kind": "file_created", "path": "downloads/*.csv"}
    there = with_files(file("downloads/a.csv"))
    assert fires(spec, EMPTY, ([downloaded("downloads/a.csv")], there), ([], there)) == [1]
    assert fires(spec, EMPTY, ([changed("created", "downloads/a.csv")], there)) == [1]


def test_a_download_is_not_forged_by_writing_the_file():
    spec = {"kind": "file_created", "path": "**/a.csv", "download_only": True}
    there = with_files(file("downloads/a.csv"))
    assert fires(spec, EMPTY, ([changed("created", "downloads/a.csv")], there)) == []
    assert fires(spec, EMPTY, ([changed("created", "downloads/a.csv"), downloaded("downloads/a.csv")], there)) == [1]


@pytest.mark.parametrize(
    ("event", "files"),
    [
        (downloaded("downloads/a.pdf"), [file("downloads/a.pdf")]),
        (downloaded("downloads/x/a.csv"), [file("downloads/x/a.csv")]),
        (downloaded("downloads/a.csv"), []),  # gone again
        (downloaded("downloads/a.csv", ""), [file("downloads/a.csv", "")]),  # empty
        (changed("modified", "downloads/a.csv"), [file("downloads/a.csv")]),
    ],
)
def test_file_created_near_misses(event, files):
    assert fires({"kind": "file_created", "path": "downloads/*.csv"}, EMPTY, ([event], with_files(*files))) == []


def test_deleting_and_rewriting_a_given_file_creates_nothing():
    there = with_files(file("a.csv"))
    steps = [([], there), ([changed("deleted", "a.csv", None)], page()), ([changed("created", "a.csv")], there)]
    assert fires({"kind": "file_created", "path": "a.csv"}, *steps) == []


def test_file_paths_take_parameters_literally():
    spec = {"kind": "file_created", "path": "{name}.csv"}
    star = ([downloaded("*.csv")], with_files(file("*.csv")))
    other = ([downloaded("b.csv")], with_files(file("b.csv")))
    assert fires(spec, EMPTY, star, parameters={"name": "*"}) == [1]
    assert fires(spec, EMPTY, other, parameters={"name": "*"}) == []


STATE = {"reports": [{"name": "It's `Q1`", "sha256": sha("right")}, {"name": "Q2", "sha256": sha("other")}]}
HASHED = {"kind": "file_matches", "path": "**/*.csv", "sha256_from": "reports[?name == {name}].sha256 | [0]"}


def test_file_matches_by_hash_from_the_server():
    right: Step = ([], with_files(file("d/a.csv", "right"), state=STATE))
    wrong: Step = ([], with_files(file("d/a.csv", "other"), state=STATE))
    start: Step = ([], with_files(state=STATE))
    parameters = {"name": "It's `Q1`"}
    assert fires(HASHED, start, right, right, parameters=parameters) == [1]
    assert fires(HASHED, start, wrong, parameters=parameters) == []
    assert fires(HASHED, start, wrong, right, parameters=parameters) == [2]
    assert fires(HASHED, start, right, parameters={"name": "unknown"}) == []
    assert fires(HASHED, right, right, parameters=parameters) == []


def test_file_matches_by_extension_and_fixed_hash():
    spec = {"kind": "file_matches", "extension": "CSV", "sha256": sha("right").upper()}
    assert fires(spec, EMPTY, ([], with_files(file("a.csv", "right")))) == [1]
    assert fires(spec, EMPTY, ([], with_files(file("acsv", "right")))) == []
    assert fires(spec, EMPTY, ([], with_files(file("a.csv", "wrong")))) == []
    by_extension = {"kind": "file_matches", "extension": ".csv"}
    assert fires(by_extension, EMPTY, ([], with_files(file("a.csv", "")))) == []
    assert fires(by_extension, EMPTY, ([], with_files(file("a.csv", "a,b")))) == [1]


def test_directory_updated():
    spec = {"kind": "directory_updated", "path": "out"}
    assert fires(spec, EMPTY, ([changed("created", "out/a")], with_files(file("out/a")))) == [1]
    assert fires(spec, EMPTY, ([changed("created", "outer/a")], with_files(file("outer/a")))) == []
    assert fires(spec, EMPTY, ([changed("modified", "out/a")], page())) == []


def test_directory_update_that_loses_a_file_does_not_count():
    both, one = with_files(file("out/a"), file("out/b")), with_files(file("out/a", "new"))
    steps = [([], both), ([changed("modified", "out/a", "new"), changed("deleted", "out/b", None)], one)]
    assert fires({"kind": "directory_updated", "path": "out"}, *steps) == []


def test_a_move_accounts_for_one_lost_file_only():
    spec = {"kind": "directory_updated", "path": "out"}
    both: Step = ([], with_files(file("out/a", "1"), file("out/b", "2")))
    renamed = [changed("moved", "out/c", "2")]
    assert fires(spec, both, (renamed, with_files(file("out/a", "1"), file("out/c", "2")))) == [1]
    deleted = changed("deleted", "out/a", None)
    assert fires(spec, both, ([*renamed, deleted], with_files(file("out/c", "2")))) == []
