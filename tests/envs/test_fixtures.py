"""What a workspace may begin with, and the folders and archives that are refused."""

import io
import os
import stat
import tarfile
import time
import zipfile

import pytest

from milepost.envs import fixtures
from milepost.envs.fixtures import fixture_folder
from milepost.errors import TaskError
from milepost.sandbox.workspace import QUOTA_BYTES, QUOTA_FILES, Workspace


def content(path):
    folder = fixture_folder(path)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def packed(path, entries, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, data in entries:
            if isinstance(data, tarfile.TarInfo):
                archive.addfile(data)
                continue
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def zipped(path, entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


def link(name, target, kind=tarfile.SYMTYPE):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


FILES = [("a.txt", b"A"), ("deep/er/b.txt", "Grüße".encode())]


def test_a_folder_and_each_kind_of_archive_hold_the_same(tmp_path):
    folder = tmp_path / "folder"
    for name, data in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    assert fixture_folder(folder) == folder
    wanted = dict(FILES)
    assert content(folder) == wanted
    assert content(zipped(tmp_path / "a.zip", FILES)) == wanted
    assert content(packed(tmp_path / "a.tar", FILES, "w")) == wanted
    assert content(packed(tmp_path / "a.tar.gz", FILES)) == wanted
    assert content(packed(tmp_path / "a.TGZ", FILES)) == wanted


def test_an_archive_of_a_whole_folder_and_empty_folders(tmp_path):
    (tmp_path / "in" / "empty").mkdir(parents=True)
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "in", ".")
    assert (fixture_folder(tmp_path / "a.tar.gz") / "empty").is_dir()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        made.mkdir("empty")
    assert (fixture_folder(tmp_path / "a.zip") / "empty").is_dir()


def test_an_archive_is_unpacked_once_and_again_when_it_has_changed(tmp_path):
    path = zipped(tmp_path / "a.zip", FILES)
    assert fixture_folder(path) == fixture_folder(path)
    zipped(path, [("c.txt", b"changed")])
    os.utime(path, ns=(time.time_ns(), time.time_ns() + 10**9))
    assert content(path) == {"c.txt": b"changed"}


def test_a_workspace_begins_with_it(tmp_path):
    workspace = Workspace.create(fixture=fixture_folder(zipped(tmp_path / "a.zip", FILES)), files={"a.txt": "later"})
    assert workspace.read_text("a.txt") == "later"
    assert workspace.read_text("deep/er/b.txt") == "Grüße"
    workspace.write_text("deep/er/b.txt", "changed")
    workspace.close()
    assert content(tmp_path / "a.zip") == dict(FILES), "an episode changes its copy only"


BAD_NAMES = [
    "../out.txt",
    "/etc/out.txt",
    "a/../../out.txt",
    "~/out.txt",
    "a\\..\\out.txt",
    "a/\n.txt",
    " a.txt",
    "x" * 300,
]
BAD_NAMES += ["/".join("d" * 20) + "/x"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_paths_that_lead_out_or_pass_for_others_are_refused(tmp_path, name):
    for path in (zipped(tmp_path / "a.zip", [(name, b"x")]), packed(tmp_path / "a.tar.gz", [(name, b"x")])):
        with pytest.raises(TaskError, match=r"workspace: .* that no workspace can have.*rename it"):
            fixture_folder(path)
    assert not (tmp_path / "out.txt").exists()
    assert not (tmp_path.parent / "out.txt").exists()


@pytest.mark.parametrize(
    "entry",
    [
        link("link.txt", "/etc/passwd"),
        link("link.txt", "a.txt"),
        link("hard.txt", "a.txt", tarfile.LNKTYPE),
        link("pipe", "", tarfile.FIFOTYPE),
        link("device", "", tarfile.CHRTYPE),
    ],
    ids=["link out", "link in", "hard link", "pipe", "device"],
)
def test_links_and_devices_in_an_archive_are_refused(tmp_path, entry):
    with pytest.raises(TaskError, match=r"put a plain file in its place"):
        fixture_folder(packed(tmp_path / "a.tar.gz", [("a.txt", b"A"), (entry.name, entry)]))


def test_writing_through_a_link_of_the_same_archive_is_refused(tmp_path):
    path = packed(tmp_path / "a.tar", [("d", link("d", str(tmp_path))), ("d/out.txt", b"x")], "w")
    with pytest.raises(TaskError, match="a link"):
        fixture_folder(path)
    assert not (tmp_path / "out.txt").exists()


def test_a_link_or_a_lock_in_a_zip_is_refused(tmp_path):
    entry = zipfile.ZipInfo("link.txt")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(TaskError, match="a symbolic link"):
        fixture_folder(tmp_path / "a.zip")
    locked = bytearray(zipped(tmp_path / "b.zip", FILES).read_bytes())
    for at in (locked.find(b"PK\x03\x04") + 6, locked.find(b"PK\x01\x02") + 8):
        locked[at] |= 1
    (tmp_path / "b.zip").write_bytes(locked)
    with pytest.raises(TaskError, match="encrypted"):
        fixture_folder(tmp_path / "b.zip")


def test_a_zip_that_is_packed_in_another_way_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.txt", b"x" * 1000)
    with pytest.raises(TaskError, match="deflate"):
        fixture_folder(tmp_path / "a.zip")


def test_links_in_a_folder_are_refused(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to("/etc")
    with pytest.raises(TaskError, match="'link', which is a symbolic link"):
        fixture_folder(folder)


def test_a_bomb_is_refused_before_it_goes_off(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(fixtures, "_CHUNK_BYTES", 64 * 1024)
    real = fixtures._chunks

    def counted(content):
        for chunk in real(content):
            written.append(len(chunk))
            yield chunk

    monkeypatch.setattr(fixtures, "_chunks", counted)
    big = bytes(QUOTA_BYTES + 1)
    for path in (zipped(tmp_path / "a.zip", [("zeros", big)]), packed(tmp_path / "a.tar.gz", [("zeros", big)])):
        assert path.stat().st_size < 200_000
        with pytest.raises(TaskError, match=r"the workspace's quota; take some away"):
            fixture_folder(path)
    assert written == [], "what is told to be too large is not begun with"
    half = bytes(QUOTA_BYTES // 2 + 1)
    with pytest.raises(TaskError, match="quota"):
        fixture_folder(zipped(tmp_path / "b.zip", [("one", half), ("two", half)]))


def test_a_header_that_unpacks_to_gigabytes_is_refused(tmp_path):
    entry = tarfile.TarInfo("pax")
    entry.type, entry.size = tarfile.XHDTYPE, 3 * 1024**3
    path = tmp_path / "a.tar.gz"
    import gzip

    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(entry.tobuf(tarfile.GNU_FORMAT))
        for _ in range(80):
            file.write(bytes(1024 * 1024))
    with pytest.raises(TaskError, match=r"quota|sound archive"):
        fixture_folder(path)


def test_too_many_files_are_refused(tmp_path):
    many = [(f"{i}.txt", b"") for i in range(QUOTA_FILES + 1)]
    for path in (zipped(tmp_path / "a.zip", many), packed(tmp_path / "a.tar.gz", many)):
        with pytest.raises(TaskError, match=f"more than {QUOTA_FILES} files"):
            fixture_folder(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_same_path_twice_is_refused(tmp_path):
    for entries in ([("a", b"1"), ("a", b"2")], [("a", b"1"), ("a/b", b"2")]):
        for path in (zipped(tmp_path / "a.zip", entries), packed(tmp_path / "a.tar", entries, "w")):
            with pytest.raises(TaskError, match="twice"):
                fixture_folder(path)
            path.unlink()


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
@pytest.mark.parametrize("damage", ["cut", "garbage"])
def test_a_damaged_archive_is_told_as_such(tmp_path, name, damage):
    path = tmp_path / name
    entries = [("a.txt", os.urandom(5000))]
    whole = zipped(path, entries) if name == "a.zip" else packed(path, entries, "w:gz" if name.endswith("gz") else "w")
    data = whole.read_bytes()
    path.write_bytes(data[: len(data) // 2] if damage == "cut" else b"garbage " * 500)
    with pytest.raises(TaskError, match=r"workspace: .*pack it again"):
        fixture_folder(path)


def test_something_else_is_refused(tmp_path):
    (tmp_path / "a.rar").write_bytes(b"Rar!")
    with pytest.raises(TaskError, match=r"a folder or an archive \(\.zip"):
        fixture_folder(tmp_path / "a.rar")
    with pytest.raises(TaskError, match="cannot be read: No such file"):
        fixture_folder(tmp_path / "absent")
