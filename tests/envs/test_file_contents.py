"""Contents are recorded once each, within bounds, and only where a detector looks into them."""

import hashlib

import pytest

from milepost.envs.file_contents import FileContents
from milepost.rewards import Milestone, detectors
from milepost.rewards.file_content import recorded
from milepost.rewards.needs import Needs, needs_of
from milepost.rewards.types import Moment
from milepost.sandbox.events import event_from_json, event_to_json
from milepost.sandbox.snapshot import FileInfo, Snapshot
from milepost.sandbox.workspace import Workspace


@pytest.fixture
def workspace():
    workspace = Workspace.create()
    yield workspace
    workspace.close()


def test_each_content_once_and_only_what_is_asked_for(workspace):
    contents = FileContents(["*.csv", "out/**"])
    workspace.write_text("a.csv", "a,b\n")
    workspace.write_text("a.txt", "not asked for")
    first = contents.new(workspace, workspace.files(), 1)
    assert [(event.path, event.data, event.step) for event in first] == [("a.csv", "a,b\n", 1)]
    assert contents.new(workspace, workspace.files(), 2) == []
    workspace.copy("a.csv", "out/b.csv")  # the same content again
    workspace.write_bytes("out/c.bin", b"\xff\x00")
    second = contents.new(workspace, workspace.files(), 3)
    assert [(event.path, event.data, event.is_base64) for event in second] == [("out/c.bin", "/wA=", True)]
    workspace.write_text("a.csv", "a,b\n1,2\n")
    assert [event.data for event in contents.new(workspace, workspace.files(), 4)] == ["a,b\n1,2\n"]
    assert FileContents([]).new(workspace, workspace.files(), 1) == []


def test_bounds(workspace):
    contents = FileContents(["*"], max_file_bytes=10, max_total_bytes=15)
    workspace.write_text("a", "x" * 11)
    workspace.write_text("b", "y" * 10)
    workspace.write_text("c", "z" * 10)
    workspace.write_text("d", "w" * 5)
    events = contents.new(workspace, workspace.files(), 1)
    assert [(event.path, event.data and event.data[0], event.size_bytes) for event in events] == [
        ("a", None, 11),
        ("b", "y", 10),
        ("c", None, 10),
        ("d", "w", 5),
    ]
    assert contents.new(workspace, workspace.files(), 2) == []


def test_what_changed_since_the_look_is_left_to_the_next(workspace):
    contents = FileContents(["*"])
    workspace.write_text("a", "one")
    seen = workspace.files()
    workspace.write_text("a", "two")
    gone = FileInfo(path="b", size_bytes=1, sha256=hashlib.sha256(b"b").hexdigest())
    assert contents.new(workspace, [*seen, gone], 1) == []
    assert [event.data for event in contents.new(workspace, workspace.files(), 2)] == ["two"]


@pytest.mark.parametrize("data", [b"", b"a\r\nb\x00", "\ufeffümlaut\u2028".encode(), b"\xff\xfe", bytes(range(256))])
def test_a_recorded_content_is_read_again_to_the_byte(workspace, data):
    workspace.write_bytes("a", data)
    (event,) = FileContents(["a"]).new(workspace, workspace.files(), 0)
    again = event_from_json(event_to_json(event))
    moment = Moment(step=0, events=(again,), history=(again,), snapshot=Snapshot(url="", title=""), previous=None)
    assert recorded(hashlib.sha256(data).hexdigest(), moment) == data
    assert recorded("0" * 64, moment) is None


def test_what_milestones_need_together():
    def milestone(detector):
        return Milestone(id="m", description="", detector=detector, reward=1.0)

    csv = detectors.file_matches(path="*.csv", format="csv")
    pdf = detectors.file_matches(path="*.pdf", format="pdf")
    milestones = [
        milestone(csv),
        milestone(detectors.any_of(pdf, detectors.clicked(name="a"))),
        milestone(lambda m: None),
    ]
    assert needs_of(milestones) == Needs(files=frozenset({"*.csv", "*.pdf"}))


async def moves(workspace: Workspace) -> list[tuple[str, str, str | None]]:
    _, changes = await workspace.look(1)
    return [(change.change, change.path, change.previous_path) for change in changes]


def test_a_move_tells_from_where(workspace):
    import asyncio

    workspace.write_text("a/x", "1")
    workspace.write_text("y", "2")
    workspace.drain_events(0)
    workspace.move("y", "b/y")
    workspace.delete("a/x")
    assert asyncio.run(moves(workspace)) == [
        ("deleted", "a/x", None),
        ("created", "b", None),
        ("moved", "b/y", "y"),
    ]
