"""Commands trying to get out: to files, the network, other processes, the kernel; and never a command without a box."""

import asyncio
import contextlib
import json
import os
import platform
import socket
import stat
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from milepost.sandbox import command_box
from milepost.sandbox.command import CommandLimits, run_command
from milepost.sandbox.command_filter import filter_program
from milepost.sandbox.errors import ActionError, SandboxError
from milepost.sandbox.workspace import Workspace

from .test_command import next_mark, run, sleeping, why_not

needs_box = pytest.mark.skipif(bool(why_not()), reason=why_not() or "bubblewrap works")


@pytest.fixture
def wide():
    made = Workspace.create(quota_bytes=1_000_000, quota_files=100)
    yield made
    made.close()
    assert os.listdir(made.scratch.run) == []


def ask(workspace, script, **limits):
    """Run a Python script in the box and return what it prints as JSON."""
    workspace.write_text("ask.py", textwrap.dedent(script))
    result = run(workspace, "python3 ask.py", **limits)
    assert result.exit_code == 0, result
    return json.loads(result.output)


@needs_box
def test_nothing_of_this_machine_s_files_is_to_be_seen(wide, tmp_path, monkeypatch):
    (tmp_path / "secret").write_text("gold")
    monkeypatch.setenv("MILEPOST_SECRET", "gold")
    ours = [Path.home(), Path(sys.prefix), Path(__file__).parent, tmp_path, wide.root]
    hidden = [f"/{name}" for name in ("root", "home", "var", "opt", "mnt", "boot", "sys", "proc/sys/kernel")]
    hidden += [f"/etc/{name}" for name in ("passwd", "shadow", "hostname", "hosts", "ssl")]
    hidden += ["/proc/1/root/etc/passwd", *(str(path) for path in ours if not path.is_relative_to("/usr"))]
    seen = ask(
        wide,
        f"""
        import json, os
        paths = {hidden!r}
        print(json.dumps({{
            "there": [p for p in paths if os.path.exists(p)],
            "environment": dict(os.environ), "folder": os.getcwd(), "user": os.getuid(),
            "root": sorted(os.listdir("/")), "tmp": os.listdir("/tmp"),
        }}))
        """,
    )
    assert seen["there"] == []
    assert "gold" not in json.dumps(seen)
    assert set(seen["environment"]) <= {*command_box.ENVIRONMENT, "LC_CTYPE", "_", "OLDPWD", "SHLVL"}
    assert (seen["folder"], seen["user"], seen["tmp"]) == ("/work", 1000, [])
    assert set(seen["root"]) <= {*command_box.SYSTEM_FOLDERS, "dev", "etc", "proc", "run", "tmp", "usr", "work"}


@needs_box
def test_the_workspace_is_the_only_place_that_can_be_written(wide):
    written = ask(
        wide,
        """
        import json, os
        found, places = [], 0
        for place, folders, names in os.walk("/"):
            if place.startswith("/proc"):
                folders[:] = []
                continue
            places += 1
            try:
                path = os.path.join(place, "planted")
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
                found.append(place)
                os.unlink(path)
            except OSError:
                pass
            if place.count("/") > 3:
                folders[:] = []
        kinds = [line.split()[1:4] for line in open("/proc/self/mounts")]
        loose = [place for place, _, options in kinds if "rw" in options.split(",")]
        suid = [place for place, _, options in kinds if "nosuid" not in options.split(",")]
        print(json.dumps([found, places > 50, loose, suid]))
        """,
    )
    places, are_many, loose, suid = written
    assert (places, are_many) == (["/work"], True)
    assert set(loose) <= {"/work", "/proc", "/dev/pts", *(f"/dev/{each}" for each in DEVICES)}
    assert suid == []


DEVICES = ("full", "null", "random", "tty", "urandom", "zero")


@needs_box
def test_the_kernel_s_switches_are_out_of_reach(wide):
    """Asked by permission, not by trying: a box that failed this test would otherwise change the machine."""
    reachable = ask(
        wide,
        """
        import json, os
        paths = ["/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys", "/proc/irq", "/proc/bus"]
        print(json.dumps([p for p in paths if os.access(p, os.W_OK)]))
        """,
    )
    assert reachable == []


@needs_box
def test_root_does_not_enter_the_box(wide):
    owners = ask(
        wide,
        """
        import json
        status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
        kernel = open("/proc/self/uid_map").read().split()
        print(json.dumps([status["NoNewPrivs"].strip(), status["CapEff"].strip(), status["CapBnd"].strip(), kernel]))
        """,
    )
    assert owners[:2] == ["1", "0" * 16]
    assert owners[2] == "0" * 16
    assert command_box.find_box().owner == (command_box.NOBODY if os.geteuid() == 0 else None)
    wide.write_text("f", "x")
    run(wide, "stat -c %u ask.py > uid; touch made")
    assert wide.read_text("uid") == "1000\n"
    assert (wide.root / "made").stat().st_uid == os.geteuid()


@needs_box
def test_there_is_no_network_not_even_to_this_machine(wide):
    name = f"milepost-test-{os.getpid()}"
    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind(f"\0{name}")
        abstract.listen()
        port = tcp.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), socket.socket(socket.AF_UNIX) as near:
            near.connect(f"\0{name}")  # from outside both can be reached
        reached = ask(
            wide,
            f"""
            import json, socket
            reached = []
            def attempt(what, family, kind, address):
                try:
                    with socket.socket(family, kind) as s:
                        s.settimeout(2)
                        s.connect(address)
                        s.send(b"x")
                        reached.append(what)
                except OSError:
                    pass
            attempt("tcp", socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", {port}))
            attempt("udp", socket.AF_INET, socket.SOCK_DGRAM, ("10.0.0.1", 53))
            attempt("outside", socket.AF_INET, socket.SOCK_STREAM, ("1.1.1.1", 53))
            attempt("six", socket.AF_INET6, socket.SOCK_STREAM, ("::1", {port}))
            attempt("abstract", socket.AF_UNIX, socket.SOCK_STREAM, "\\0{name}")
            attempt("machine", socket.AF_VSOCK, socket.SOCK_STREAM, (2, 1024))
            try:
                socket.getaddrinfo("example.org", 80)
                reached.append("name")
            except OSError:
                pass
            families = []
            for family in range(64):
                try:
                    socket.socket(family, socket.SOCK_RAW if family == 17 else socket.SOCK_DGRAM).close()
                    families.append(family)
                except OSError:
                    pass
            print(json.dumps([reached, families, [name for _, name in socket.if_nameindex()]]))
            """,
        )
    assert reached[0] == []
    assert set(reached[1]) <= {1, 2, 10, 16}
    assert set(reached[2]) <= {"lo"}


@needs_box
def test_other_processes_can_be_neither_seen_nor_touched(wide):
    seen = ask(
        wide,
        f"""
        import ctypes, json, os
        reached = []
        for pid in ({os.getpid()}, {os.getppid()}):
            if pid > 20:
                try:
                    os.kill(pid, 0)
                    reached.append(pid)
                except OSError:
                    pass
        libc = ctypes.CDLL(None, use_errno=True)
        own = os.fork()
        if own == 0:
            os.read(os.pipe()[0], 1)
        traced = libc.ptrace(16, own, 0, 0)
        os.kill(own, 9)
        try:
            os.kill(1, 9)
        except OSError:
            pass
        print(json.dumps([reached, traced, len([p for p in os.listdir("/proc") if p.isdigit()])]))
        """,
    )
    assert seen[:2] == [[], -1]
    assert seen[2] < 8


CALLS = {
    "unshare": (272, 97),
    "mount": (165, 40),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "io_uring_setup": (425, 425),
}
CALLS |= {"userfaultfd": (323, 282), "setns": (308, 268), "clone3": (435, 435), "shmget": (29, 194)}


@needs_box
def test_the_kernel_s_weak_spots_are_closed(wide):
    column = 0 if platform.machine() == "x86_64" else 1
    numbers = {name: pair[column] for name, pair in CALLS.items()}
    clone = (56, 220)[column]
    answers = ask(
        wide,
        f"""
        import ctypes, json
        libc = ctypes.CDLL(None, use_errno=True)
        answers = {{}}
        for name, number in {numbers!r}.items():
            ctypes.set_errno(0)
            answers[name] = [libc.syscall(number, 0, 0, 0, 0, 0), ctypes.get_errno()]
        answers["clone"] = [libc.syscall({clone}, 0x10000000 | 17, 0, 0, 0, 0), ctypes.get_errno()]
        print(json.dumps(answers))
        """,
    )
    assert {name: answer[0] for name, answer in answers.items()} == dict.fromkeys([*CALLS, "clone"], -1)
    assert {name: answer[1] for name, answer in answers.items() if name != "clone3"} == dict.fromkeys(
        [name for name in [*CALLS, "clone"] if name != "clone3"], 1
    )
    assert answers["clone3"][1] == 38


def test_the_filter_is_made_for_known_machines_only():
    assert len(filter_program("x86_64")) % 8 == 0
    assert filter_program("x86_64") != filter_program("aarch64")
    with pytest.raises(SandboxError, match="mips"):
        filter_program("mips")


@needs_box
def test_the_terminal_cannot_be_typed_into(wide):
    answer = ask(
        wide,
        """
        import fcntl, json, os, termios
        try:
            fd = os.open("/dev/tty", os.O_RDWR)
            fcntl.ioctl(fd, termios.TIOCSTI, b"x")
            print(json.dumps("typed"))
        except OSError as error:
            print(json.dumps(error.errno))
        """,
    )
    assert isinstance(answer, int)


@needs_box
def test_a_link_planted_by_a_command_leads_nowhere(wide, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("gold")
    wide.make_folder("d")
    result = run(wide, f"ln -s {secret} l; rmdir d; ln -s {tmp_path} d; ln -s / root; ln {secret} hard; true")
    assert result.left_out == 3
    for path in ("l", "d/secret", "root/etc/passwd", "hard"):
        with pytest.raises(ActionError):
            wide.read_text(path)
    wide.write_text("d/secret", "mine")
    assert secret.read_text() == "gold"
    assert os.listdir(tmp_path) == ["secret"]


@needs_box
def test_a_set_uid_file_is_of_no_use(wide):
    run(wide, "cp /bin/sh shell; chmod 6755 shell")
    assert not (wide.root / "shell").stat().st_mode & (stat.S_ISUID | stat.S_ISGID | 0o111)


@needs_box
def test_one_command_does_not_see_another(wide):
    mark = next_mark()

    async def two():
        first = asyncio.ensure_future(run_command(f"sleep {mark}", wide, CommandLimits(wall_s=3.0)))
        while not sleeping(mark) and not first.done():
            await asyncio.sleep(0.02)
        assert sleeping(mark)
        second = await run_command("cat /proc/[0-9]*/cmdline | tr '\\0' ' '", wide)
        await first
        return second.output

    seen = asyncio.run(two())
    assert "cat" in seen
    assert str(mark) not in seen


def refusal(workspace, marker):
    with pytest.raises(SandboxError) as raised:
        asyncio.run(run_command(f"touch {marker}; touch made", workspace))
    assert not marker.exists()
    assert workspace.files() == ()
    assert os.listdir(workspace.scratch.run) == []
    return str(raised.value)


def test_without_bubblewrap_nothing_is_run(workspace, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert "apt-get install bubblewrap" in refusal(workspace, tmp_path / "ran")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no `bwrap` on PATH" in refusal(workspace, tmp_path / "ran")


@pytest.mark.parametrize("script", ["echo 'bwrap: No permissions to create new namespace' >&2; exit 1", "exit 0"])
def test_a_bubblewrap_that_does_not_work_is_not_gone_around(workspace, tmp_path, monkeypatch, script):
    tools = tmp_path / "tools"
    tools.mkdir(mode=0o755)
    tmp_path.chmod(0o755)
    (tools / "bwrap").write_text(f"#!/bin/sh\n{script}\n")
    (tools / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))
    said = refusal(workspace, tmp_path / "ran")
    assert "user namespaces" in said or "could not set up" in said


def test_refusals_do_not_block_other_threads(workspace, monkeypatch):
    monkeypatch.setenv("PATH", "")
    errors = []

    def attempt():
        try:
            asyncio.run(run_command("true", workspace))
        except SandboxError as error:
            errors.append(error)

    threads = [threading.Thread(target=attempt) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors) == 4
