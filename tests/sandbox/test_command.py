"""Commands: what they print, leave and cost; limits hold, and nothing of them is left."""

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import pytest

from milepost.sandbox.command import CommandLimits, run_command
from milepost.sandbox.command_box import find_box
from milepost.sandbox.errors import ActionError, SandboxError
from milepost.sandbox.events import Process, event_from_json, event_to_json
from milepost.sandbox.workspace import Workspace

from .test_workspace import changes

MARKS = count(7_000_000 + os.getpid() % 1000 * 1000)  # a sleep of so many seconds is one of ours


def why_not():
    try:
        find_box()
    except SandboxError as error:
        return str(error)
    return ""


pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "bubblewrap works")


@pytest.fixture
def wide():
    made = Workspace.create(quota_bytes=1_000_000, quota_files=100)
    yield made
    made.close()
    assert os.listdir(made.scratch.run) == []


def run(workspace, command, **limits):
    return asyncio.run(run_command(command, workspace, CommandLimits(**{"wall_s": 20.0, **limits})))


def python(script):
    return "python - <<'END'\n" + script + "\nEND"


def next_mark():
    return next(MARKS)


def sleeping(mark):
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                line = (process / "cmdline").read_bytes().split(b"\0")
                state = (process / "stat").read_text().rsplit(")", 1)[1].split()[0]
            except (OSError, IndexError):
                continue
            if str(mark).encode() in line and state != "Z":
                found.append(process.name)
    return found


def tree(workspace):
    return {file.path: workspace.read_bytes(file.path) for file in workspace.files()}


def test_a_command_works_on_the_files_and_what_it_leaves_is_taken_over(wide):
    wide.write_text("in.csv", "b,2\na,1\n")
    wide.write_text("old/gone.txt", "x")
    changes(wide)
    result = run(wide, "sort in.csv | tee sorted.csv; mkdir -p out/deep && wc -l < in.csv > out/deep/n; rm -r old")
    assert (result.exit_code, result.output, result.stopped) == (0, "a,1\nb,2\n", None)
    assert wide.read_text("sorted.csv") == "a,1\nb,2\n"
    assert wide.read_text("out/deep/n").strip() == "2"
    assert "old/gone.txt" not in tree(wide)
    told = changes(wide)
    assert ("created", "out/deep/n") in told
    assert ("deleted", "old") in told


def test_python_runs_under_both_names_and_modifies_files(wide):
    wide.write_text("chart.py", "import pathlib; p = pathlib.Path('n.txt'); p.write_text(str(int(p.read_text()) + 1))")
    wide.write_text("n.txt", "1")
    changes(wide)
    assert run(wide, "python chart.py && python3 chart.py").exit_code == 0
    assert wide.read_text("n.txt") == "3"
    assert changes(wide) == [("modified", "n.txt")]


def test_output_comes_in_order_with_errors_and_exit_code(wide):
    result = run(wide, "echo one; echo two >&2; printf 'three\\377'; exit 3")
    assert result.output == "one\ntwo\nthree\N{REPLACEMENT CHARACTER}"
    assert result.exit_code == 3
    assert result.text() == "one\ntwo\nthree\N{REPLACEMENT CHARACTER}\n(exit code 3)"
    assert run(wide, "kill -9 $$").exit_code == 128 + 9
    assert run(wide, "no-such-program").exit_code == 127


def test_the_event_tells_what_ran(wide):
    result = run(wide, "echo hi")
    event = result.event(4)
    assert (event.step, event.origin, event.command, event.exit_code, event.timed_out) == (
        4,
        "agent",
        "echo hi",
        0,
        False,
    )
    assert event.output_sha256 == hashlib.sha256(b"hi\n").hexdigest()
    assert event.duration_s > 0
    assert event == run(wide, "echo hi").event(4)
    assert event_from_json(event_to_json(event)) == event
    assert isinstance(event, Process)


@pytest.mark.parametrize("command", ["", "  ", "a\0b", "\ud800", "x" * 20_000])
def test_what_is_no_command_is_the_agent_s_mistake(wide, command):
    with pytest.raises(ActionError):
        run(wide, command)


def test_limits_must_be_positive():
    with pytest.raises(ValueError, match="processes"):
        CommandLimits(processes=0)


def test_time_is_limited_and_the_whole_tree_goes(wide):
    mark = next(MARKS)
    began = time.monotonic()
    result = run(wide, f"echo kept > kept; (sleep {mark} &); setsid sleep {mark} & sleep {mark}", wall_s=1.5)
    assert time.monotonic() - began < 15
    assert (result.timed_out, result.exit_code, result.stopped) == (True, None, "time")
    assert "exceeded its limit of time" in result.text()
    assert sleeping(mark) == []
    assert tree(wide) == {"kept": b"kept\n"}
    assert result.event(1).timed_out


def test_daemons_end_with_their_command(wide):
    mark = next(MARKS)
    script = f"""
import os, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in range(3): os.close(fd)
        os.execvp("sleep", ["sleep", "{mark}"])
    os._exit(0)
os.wait()
"""
    result = run(wide, python(script) + "\necho done")
    assert (result.output, result.exit_code) == ("done\n", 0)
    assert sleeping(mark) == []


def test_a_fork_bomb_ends_at_its_limit(wide):
    mark = next(MARKS)
    bomb = f"while true; do (sleep {mark} & sleep {mark} &) || true; done"
    result = run(wide, bomb, wall_s=3.0, processes=16)
    assert result.stopped in ("time", "processes") or "fork" in result.output
    assert sleeping(mark) == []
    forks = (
        "import os\nn = 0\ntry:\n  while n < 500:\n    if os.fork() == 0:\n      os.read(os.pipe()[0], 1)\n    n += 1\n"
    )
    forks += "except OSError: pass\nprint(n)"
    assert 0 < int(run(wide, python(forks), processes=16, wall_s=5.0).output.split()[-1]) < 16


def test_memory_is_limited_for_one_and_for_all_together(wide):
    hungry = "b = bytearray(300_000_000)"
    assert "MemoryError" in run(wide, python(hungry), memory_bytes=200_000_000).output
    many = python("import os, time\nfor _ in range(3): os.fork()\nb = bytearray(60_000_000)\ntime.sleep(30)")
    assert run(wide, many, memory_bytes=200_000_000).stopped == "memory"


def test_processor_time_is_limited(wide):
    result = run(wide, "python -c 'while True: pass'", cpu_s=1, wall_s=60.0)
    assert result.stopped is None
    assert result.exit_code in (128 + signal.SIGXCPU, 128 + signal.SIGKILL)


def test_a_flood_of_output_is_cut_and_does_not_stop_the_loop_or_the_command(wide):
    async def flooded():
        gaps, last = [], time.monotonic()
        task = asyncio.ensure_future(
            run_command("yes | head -c 20000000; echo end > end", wide, CommandLimits(wall_s=60.0, output_bytes=1000))
        )
        while not task.done():
            await asyncio.sleep(0.005)
            gaps.append(time.monotonic() - last)
            last = time.monotonic()
        return task.result(), max(gaps)

    result, gap_s = asyncio.run(flooded())
    assert (result.exit_code, result.truncated, result.output) == (0, True, "y\n" * 500)
    assert result.text().endswith("(there was more output)")
    assert tree(wide) == {"end": b"end\n"}
    assert gap_s < 2
    assert run(wide, "yes", wall_s=1.0).stopped == "time"


@pytest.mark.parametrize(
    "command",
    [
        "i=0; while true; do i=$((i+1)); echo > f$i; done",
        "while true; do cat /dev/zero > f$RANDOM$(date +%N); done",
        "truncate -s 999990 a; truncate -s 20 b; sleep 30",
        "i=0; while [ $i -lt 40 ]; do mkdir d && cd d; i=$((i+1)); done; sleep 30",
        python(
            "import os\nn = 0\nwhile True:\n  n += 1\n  fd = os.open(f'u{n}', os.O_CREAT | os.O_WRONLY)\n"
            "  os.unlink(f'u{n}')\n  os.write(fd, b'x' * 300_000)\n  n > 9 and __import__('time').sleep(30)"
        ),
        python("import os, time\nfor n in range(5): os.ftruncate(os.memfd_create(str(n)), 900_000)\ntime.sleep(30)"),
    ],
    ids=["files", "bytes", "sparse", "deep", "unlinked", "memory files"],
)
def test_what_breaks_the_quota_is_stopped_and_discarded(wide, command):
    wide.write_text("kept", "x")
    changes(wide)
    result = run(wide, command, wall_s=25.0)
    assert (result.stopped, result.exit_code, result.changes_kept) == ("quota", None, False)
    assert "discarded" in result.text()
    assert tree(wide) == {"kept": b"x"}
    assert changes(wide) == []


def test_a_file_cannot_outgrow_the_quota_and_open_files_are_few(wide):
    assert run(wide, "head -c 2000000 /dev/zero > big; ls -l big | cut -d' ' -f5; rm big").output.endswith("1000000\n")
    script = "fds = []\ntry:\n  while True: fds.append(open('/dev/null'))\nexcept OSError as e: print(len(fds), e)"
    assert "Too many open files" in run(wide, python(script), open_files=20).output


def test_a_tree_deeper_than_python_s_stack_is_discarded_quickly(wide):
    script = "import os\nfor _ in range(3000):\n  os.mkdir('d'); os.chdir('d')"
    result = run(wide, python(script), wall_s=30.0)
    assert (result.stopped, tree(wide)) == ("quota", {})


def test_links_special_files_and_odd_names_stay_outside_hard_links_become_files(wide):
    script = "import os\nos.symlink('/etc/passwd', 'link')\nos.symlink('.', 'loop')\nos.mkfifo('pipe')\n"
    script += "open(b'bad\\xff', 'w')\nopen('line\\nbreak', 'w')\nopen('rtl\\u202e', 'w')\nopen('a', 'w').write('1')\n"
    script += "os.link('a', 'b')\nos.chmod('a', 0o4777)\nopen('locked', 'w').write('2')\nos.chmod('locked', 0)"
    result = run(wide, python(script))
    assert (result.exit_code, result.left_out) == (0, 6)
    assert "6 links or files" in result.text()
    assert tree(wide) == {"a": b"1", "b": b"1", "locked": b"2"}
    for path in ("link", "loop/a", "pipe"):
        with pytest.raises(ActionError, match="does not exist"):
            wide.read_text(path)
    for name in ("a", "b", "locked"):
        status = (wide.root / name).stat()
        assert (status.st_nlink, status.st_mode & 0o7777, status.st_uid) == (1, 0o644, os.geteuid())
    assert run(wide, "rm a; cat b").output == "1"


def test_what_arrives_meanwhile_stays(wide):
    wide.write_text("d/old", "x")

    async def both():
        task = asyncio.ensure_future(run_command("sleep 1; rm -r d", wide))
        await asyncio.sleep(0.6)
        wide.save_download("report.csv", b"1")
        wide.write_text("d/new", "y")
        return await task

    assert asyncio.run(both()).exit_code == 0
    assert tree(wide) == {"downloads/report.csv": b"1", "d/new": b"y"}


def test_a_cancelled_command_is_killed(wide):
    mark = next(MARKS)

    async def cancelled():
        task = asyncio.ensure_future(run_command(f"touch started; sleep {mark}", wide, CommandLimits(wall_s=60.0)))
        deadline = time.monotonic() + 30
        while not sleeping(mark) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        assert sleeping(mark)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert sleeping(mark) == []
    assert tree(wide) == {}


def test_several_run_at_once(wide):
    async def all_at_once():
        return await asyncio.gather(*(run_command(f"sleep 0.2; echo {n} > f{n}; cat f*", wide) for n in range(6)))

    results = asyncio.run(all_at_once())
    assert [result.output for result in results] == [f"{n}\n" for n in range(6)]
    assert sorted(tree(wide)) == [f"f{n}" for n in range(6)]


def test_nothing_outlives_a_killed_parent():
    mark = next(MARKS)
    script = (
        "import asyncio\nfrom milepost.sandbox.command import *\nfrom milepost.sandbox.workspace import Workspace\n"
        f"asyncio.run(run_command('setsid sleep {mark} & sleep {mark}', Workspace.create(), CommandLimits(wall_s=100)))"
    )
    process = subprocess.Popen([sys.executable, "-c", script])
    deadline = time.monotonic() + 60
    while len(sleeping(mark)) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(sleeping(mark)) == 2
    process.kill()
    process.wait()
    deadline = time.monotonic() + 10
    while sleeping(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert sleeping(mark) == []
