"""Fleets of a test's own, and what their processes are doing."""

import contextlib
import os
import signal
import time

import numpy as np

from milepost.sandbox import browser_process
from milepost.sandbox.app_server import AppServer
from milepost.sandbox.browser_thread import BrowserThread
from milepost.sandbox.fleet import Fleet, FleetLimits

DEADLINE_S = 60.0


def run(coro, timeout_s=DEADLINE_S):
    return BrowserThread.get().run(coro, timeout_s)


class OwnFleet:
    """A fleet with limits of its own, driven synchronously, and the episodes begun on it."""

    def __init__(self, app, limits):
        self._app = app
        self._instances = []
        self.fleet = run(self._make(limits))

    async def _make(self, limits):
        return Fleet(FleetLimits(**limits))

    async def begin(self, html="<title>T</title>"):
        """Begin an episode and return its page."""
        instance = AppServer.shared().open(self._app, rng=np.random.default_rng(0), parameters={"pages": {"/": html}})
        self._instances.append(instance)
        page = await self.fleet.acquire()
        try:
            await page.open(url=instance.origin + "/", allowed_hosts=[instance.host], seed=1)
        except BaseException:
            await self.fleet.release(page)
            raise
        return page

    def page(self, html="<title>T</title>"):
        return run(self.begin(html))

    def release(self, page):
        run(self.fleet.release(page))

    @property
    def browsers(self):
        return self.fleet.browsers()

    def loads(self):
        return [browser.lent for browser in self.browsers]

    def close(self):
        run(self.fleet.close())
        for instance in self._instances:
            instance.close()


def title(page):
    return run(page.look()).title


def eventually(holds, timeout_s=15.0):
    """Wait until something holds; return whether it did in time."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def members(pid):
    """Return the living processes of the group that a process leads."""
    leader = browser_process.read_process(pid)
    if leader is not None:
        return browser_process.family(leader)
    return [p for p in browser_process.process_table().values() if p.group == pid and not p.ended]


def busy(pid, during_s=1.0):
    """Return those of a browser's processes that used more than a tenth of a core (the machine may be loaded)."""
    before = {process.pid: process.cpu_s for process in members(pid)}
    time.sleep(during_s)
    return [p for p in members(pid) if p.cpu_s - before.get(p.pid, p.cpu_s) > 0.1 * during_s]


def signal_group(pid, number=signal.SIGKILL):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)
