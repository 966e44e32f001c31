"""The browser thread: deadlines, no self-deadlock, forks and closing."""

import asyncio
import subprocess
import sys
import threading

import pytest

from milepost.sandbox.browser_thread import BrowserThread
from milepost.sandbox.errors import PageHungError, SandboxError


@pytest.fixture
def thread():
    made = BrowserThread()
    yield made
    made.close()


async def name():
    return threading.current_thread().name


def test_coroutines_run_on_the_one_thread(thread):
    assert thread.run(name(), 5) == "milepost-browser"
    assert thread.submit(name()).result(5) == "milepost-browser"
    assert not thread.on_thread()
    assert BrowserThread.get() is BrowserThread.get()


def test_a_deadline_cancels_and_is_a_hang(thread):
    cancelled = threading.Event()

    async def forever():
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(PageHungError, match=r"0\.05 s"):
        thread.run(forever(), 0.05)
    assert cancelled.wait(5)


def test_a_coroutine_s_own_timeout_error_is_not_taken_for_the_deadline(thread):
    async def fails():
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        thread.run(fails(), 5)


def test_waiting_on_its_own_thread_is_refused(thread):
    async def deadlock():
        thread.run(name(), 5)

    with pytest.raises(SandboxError, match="await"):
        thread.run(deadlock(), 5)


def test_it_works_inside_another_event_loop(thread):
    async def elsewhere():
        return thread.run(name(), 5)

    assert asyncio.run(elsewhere()) == "milepost-browser"


def test_closing_closes_what_was_registered_last_first(thread):
    closed = []

    async def close(what):
        closed.append(what)
        if what == "b":
            raise OSError("already gone")

    thread.on_close(lambda: close("a"))
    thread.on_close(lambda: close("b"))
    thread.close()
    thread.close()
    assert closed == ["b", "a"]
    with pytest.raises(SandboxError, match="closed"):
        thread.run(name(), 1)


FORK = """
import os, signal, threading
from milepost.sandbox.browser_thread import BrowserThread
async def name():
    return threading.current_thread().name
parent = BrowserThread.get()
assert parent.run(name(), 5) == "milepost-browser"
child = os.fork()
if child == 0:
    signal.alarm(10)
    own = BrowserThread.get()
    os._exit(0 if own is not parent and own.run(name(), 5) == "milepost-browser" else 2)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert parent.run(name(), 5) == "milepost-browser"
"""


def test_a_forked_child_gets_its_own():
    # In a process of its own: forking this one, full of other threads, would test them too.
    subprocess.run([sys.executable, "-c", FORK], check=True, timeout=30)
