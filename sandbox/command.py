"""Run a command on a copy of the workspace, inside bubblewrap, within limits; then take over what it left.

The command is a line for the box's own `sh`, so pipes and redirections work: the box is the boundary, not the parsing.
Time, processes, memory and the quota are watched from outside; what breaks a limit is killed with all its
descendants, and nothing returns before the last of them is gone. What a command that broke the quota wrote is
discarded; what a command that ran out of time wrote is kept.

Not limited: reading /usr, and two processors for as long as the time lasts. Not protected: against flaws of the kernel.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Literal

from .command_box import ENVIRONMENT, Box, find_box
from .command_filter import open_filter
from .command_watch import load_of
from .errors import ActionError, SandboxError
from .events import Process
from .workspace import Workspace
from .workspace_checkout import Checkout, check_out

MAX_COMMAND_BYTES = 16 * 1024
POLL_S = 0.05
KILL_DEADLINE_S = 10.0
CHUNK_BYTES = 1 << 16
FLOOD_PAUSE_S = 0.002

Stopped = Literal["time", "memory", "processes", "quota"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLimits:
    """What a command may use.

    Attributes:
        wall_s: seconds from its start to its end.
        cpu_s: whole seconds of processor time, of each process.
        memory_bytes: address space of each process, and resident memory of all together.
        processes: processes and threads at one time, the box's own (one) included.
        output_bytes: how much of what it prints is kept.
        open_files: of each process.
    """

    wall_s: float = 10.0
    cpu_s: int = 10
    memory_bytes: int = 1024 * 1024 * 1024
    processes: int = 32
    output_bytes: int = 64 * 1024
    open_files: int = 64

    def __post_init__(self) -> None:
        for each in fields(self):
            if getattr(self, each.name) <= 0:
                raise ValueError(f"the limit {each.name} must be above 0, got {getattr(self, each.name)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """How a command ended.

    Attributes:
        command: the line that was run.
        exit_code: the shell's (128 and more: ended by signal `exit_code - 128`); None if it was stopped.
        output: what it printed, standard output and error as they came, as UTF-8 with U+FFFD for what is not.
        truncated: whether it printed more than was kept.
        stopped: the limit for which it was killed, or None.
        changes_kept: whether what it wrote was taken over into the workspace; not if it broke the quota.
        left_out: how many links, special files and files with unprintable names it left, which were not taken over.
        duration_s: seconds it ran.
    """

    command: str
    exit_code: int | None
    output: str
    truncated: bool = False
    stopped: Stopped | None = None
    changes_kept: bool = True
    left_out: int = 0
    duration_s: float

    @property
    def timed_out(self) -> bool:
        """Whether it was killed because its time was up."""
        return self.stopped == "time"

    def text(self) -> str:
        """Return the output for an agent, with a last line that says what else is to be known, if anything."""
        notes = [f"exit code {self.exit_code}"] if self.exit_code else []
        if self.stopped is not None:
            notes.append(f"stopped: it exceeded its limit of {self.stopped}")
        if self.truncated:
            notes.append("there was more output")
        if not self.changes_kept:
            notes.append("the files it wrote were discarded")
        if self.left_out:
            notes.append(f"{self.left_out} links or files with unusable names were left out")
        output = self.output if not notes or not self.output or self.output.endswith("\n") else self.output + "\n"
        return output + (f"({'; '.join(notes)})" if notes else "")

    def event(self, step: int) -> Process:
        """Return it as an event."""
        return Process(
            step=step,
            t=time.monotonic(),
            origin="agent",
            command=self.command,
            exit_code=self.exit_code,
            timed_out=self.timed_out,
            output_sha256=hashlib.sha256(self.output.encode()).hexdigest(),
            duration_s=self.duration_s,
        )


async def run_command(command: str, workspace: Workspace, limits: CommandLimits | None = None) -> CommandResult:
    """Run a line of shell with the workspace as its folder, without a network; the event loop is not blocked.

    Raises:
        ActionError: the command is empty, too long or holds a NUL.
        SandboxError: bubblewrap is absent or unusable, or the machine failed. Nothing is ever run outside of it.
    """
    limits = limits or CommandLimits()
    line = _checked(command)
    box = await asyncio.to_thread(find_box)
    checkout = await asyncio.to_thread(check_out, workspace, owner=box.owner)
    try:
        run = _Run(line, box, checkout, limits)
        await run.to_its_end()
        stopped, left_out, is_kept = run.stopped, 0, run.stopped != "quota"
        if is_kept:
            try:
                left_out = await asyncio.to_thread(checkout.check_in)
            except ActionError:
                stopped, is_kept = stopped or "quota", False
        return CommandResult(
            command=command,
            exit_code=run.exit_code if stopped is None else None,
            output=bytes(run.output).decode("utf-8", errors="replace"),
            truncated=run.is_truncated,
            stopped=stopped,
            changes_kept=is_kept,
            left_out=left_out,
            duration_s=run.duration_s,
        )
    finally:
        checkout.remove()


def _checked(command: str) -> str:
    if not isinstance(command, str) or not command.strip():
        raise ActionError("a command is needed, such as 'python chart.py'")
    try:
        size_bytes = len(command.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise ActionError(f"the command is not valid text: {error.reason}") from error
    if "\0" in command:
        raise ActionError("the command must not hold a NUL character")
    if size_bytes > MAX_COMMAND_BYTES:
        raise ActionError(
            f"the command has {size_bytes} bytes; at most {MAX_COMMAND_BYTES} can be run; write it into a file first"
        )
    return command


class _Run:
    """One command's processes, from their start until all are gone."""

    def __init__(self, line: str, box: Box, checkout: Checkout, limits: CommandLimits) -> None:
        self.output = bytearray()
        self.is_truncated = False
        self.exit_code: int | None = None
        self.stopped: Stopped | None = None
        self.duration_s = 0.0
        self._limits = limits
        self._checkout = checkout
        self._box = box
        self._command = (
            "prlimit",
            f"--as={limits.memory_bytes}",
            f"--cpu={limits.cpu_s}",
            f"--fsize={checkout.workspace.quota_bytes}",
            f"--nofile={limits.open_files}",
            f"--nproc={limits.processes}",
            "--core=0",
            *("--", "sh", "-c", line),
        )
        self._first: int | None = None  # the box's first process; the kernel ends all others with it
        self._started, self._first_gone = asyncio.Event(), asyncio.Event()
        self._ended, self._silent = asyncio.Event(), asyncio.Event()
        self._first_pid: int | None = None
        self._status = b""
        self._is_closed = False
        self._readers = contextlib.ExitStack()

    async def to_its_end(self) -> None:
        """Start it, wait until it ends or breaks a limit, and return when none of its processes is left.

        Raises:
            SandboxError: it could not be started, or not be ended.
        """
        began = time.monotonic()
        with self._readers:
            self._readers.callback(setattr, self, "_is_closed", True)
            process = self._start()
            try:
                while not self._ended.is_set() and self.stopped is None:
                    left_s = began + self._limits.wall_s - time.monotonic()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._ended.wait(), max(0.0, min(left_s, POLL_S)))
                    if left_s <= POLL_S and not self._ended.is_set():
                        self.stopped = "time"
                    elif not self._ended.is_set():
                        with contextlib.suppress(TimeoutError):  # the deadline holds even where no thread is free
                            self.stopped = await asyncio.wait_for(asyncio.to_thread(self._excess), left_s)
            finally:
                self.duration_s = time.monotonic() - began
                await self._finish(process)
        if self.stopped is None and self.exit_code is None:
            said = self.output.decode(errors="replace").strip()
            raise SandboxError(f"bubblewrap could not set up the command's box: {said or 'it said nothing'}")

    def _start(self) -> subprocess.Popen[bytes]:
        """Start the box, and hear of its output, its state and its end."""
        status, status_write = os.pipe()
        output, output_write = os.pipe()
        filter_fd = open_filter()
        argv = self._box.argv(self._checkout.folder, self._command, status_fd=status_write, filter_fd=filter_fd)
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output_write,
                stderr=output_write,
                env=ENVIRONMENT,
                pass_fds=(status_write, filter_fd),
            )
        except OSError as error:
            os.close(status)
            os.close(output)
            raise SandboxError(f"bubblewrap could not be started: {error}") from error
        finally:
            for fd in (status_write, output_write, filter_fd):
                os.close(fd)
        self._hear(status, self._on_status)
        self._hear(output, self._on_output)
        try:
            self._hear(os.pidfd_open(process.pid), self._on_end)
        except OSError as error:
            process.kill()
            process.wait()
            raise SandboxError(f"a command's end cannot be watched: {error}") from error
        return process

    async def _finish(self, process: subprocess.Popen[bytes]) -> None:
        """Kill what is left of it and wait until nothing is."""
        deadline = time.monotonic() + KILL_DEADLINE_S
        if not self._ended.is_set():  # to be killed: but without its first process it could not be known to be gone
            await _first_of(self._started, self._ended, deadline)
        with contextlib.suppress(ProcessLookupError):
            if self._first is not None:
                signal.pidfd_send_signal(self._first, signal.SIGKILL)
        process.kill()
        for event in (self._ended, self._silent, self._first_gone):
            if event is self._first_gone and self._first is None:
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), max(0.0, deadline - time.monotonic()))
            if not event.is_set():
                raise SandboxError(f"a command could not be ended within {KILL_DEADLINE_S:g} s of being killed")
        process.wait()

    def _excess(self) -> Stopped | None:
        if self._first_pid is not None:
            load = load_of(self._first_pid)
            if load.processes > self._limits.processes:
                return "processes"
            if load.memory_bytes > self._limits.memory_bytes:
                return "memory"
            if load.hidden_bytes > self._checkout.workspace.quota_bytes:
                return "quota"
        return "quota" if self._checkout.excess() else None

    def _hear(self, fd: int, on_ready: Callable[[int], None]) -> None:
        """Call `on_ready` with a descriptor whenever it can be read, until it is closed with the others."""
        loop = asyncio.get_running_loop()
        os.set_blocking(fd, False)
        loop.add_reader(fd, on_ready, fd)
        self._readers.callback(os.close, fd)
        self._readers.callback(loop.remove_reader, fd)

    def _on_status(self, fd: int) -> None:
        chunk = os.read(fd, CHUNK_BYTES)
        if not chunk:
            asyncio.get_running_loop().remove_reader(fd)
        *lines, self._status = (self._status + chunk).split(b"\n")
        for line in lines:
            facts = json.loads(line)
            self.exit_code = facts.get("exit-code", self.exit_code)
            if "child-pid" in facts:
                self._first_pid = int(facts["child-pid"])
                try:
                    self._first = os.pidfd_open(self._first_pid)
                except ProcessLookupError:
                    self._first_gone.set()
                else:
                    self._hear(self._first, self._on_first_gone)
                self._started.set()

    def _on_output(self, fd: int) -> None:
        chunk = os.read(fd, CHUNK_BYTES)
        loop = asyncio.get_running_loop()
        room = self._limits.output_bytes - len(self.output)
        self.output += chunk[:room]
        if not chunk:
            loop.remove_reader(fd)
            self._silent.set()
        elif len(chunk) > room:
            self.is_truncated = True
            loop.remove_reader(fd)  # a flood is drained, so that it does not stop the command, but not at full speed
            loop.call_later(FLOOD_PAUSE_S, self._resume, fd)

    def _resume(self, fd: int) -> None:
        if not self._is_closed:
            asyncio.get_running_loop().add_reader(fd, self._on_output, fd)

    def _on_end(self, fd: int) -> None:
        asyncio.get_running_loop().remove_reader(fd)
        self._ended.set()

    def _on_first_gone(self, fd: int) -> None:
        asyncio.get_running_loop().remove_reader(fd)
        self._first_gone.set()


async def _first_of(one: asyncio.Event, other: asyncio.Event, deadline: float) -> None:
    """Wait until either is set, or the deadline (of the monotonic clock)."""
    waits = [asyncio.ensure_future(event.wait()) for event in (one, other)]
    try:
        await asyncio.wait(waits, timeout=max(0.0, deadline - time.monotonic()), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()


__all__ = ["CommandLimits", "CommandResult", "run_command"]
