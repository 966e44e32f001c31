"""The one private thread of a process that owns Playwright's event loop (design section 2).

Synchronous code, notebooks, other event loops and many threads all reach the browser by handing coroutines to it.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ClassVar, TypeVar

from .errors import PageHungError, SandboxError

T = TypeVar("T")

CLOSE_DEADLINE_S = 10.0


class BrowserThread:
    """An event loop on a daemon thread, started on first use and closed at interpreter exit.

    `get()` returns the process's instance. After a fork the child gets a fresh one: the parent's loop and browser are
    not usable there.
    """

    _instance: ClassVar[BrowserThread | None] = None
    _instance_lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._closers: list[Callable[[], Awaitable[None]]] = []
        self._closed = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._main, name="milepost-browser", daemon=True)
        self._thread.start()

    @classmethod
    def get(cls) -> BrowserThread:
        """Return this process's browser thread, starting it if there is none or the old one was closed."""
        instance = cls._instance
        if instance is not None and instance._pid == os.getpid() and not instance._closed:
            return instance
        if instance is not None and instance._pid != os.getpid():
            cls._instance_lock = threading.Lock()  # the parent's may have been held while it forked
        with cls._instance_lock:
            instance = cls._instance
            if instance is None or instance._pid != os.getpid() or instance._closed:
                instance = cls._instance = cls()
                atexit.register(instance.close)
            return instance

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The thread's event loop."""
        return self._loop

    def on_thread(self) -> bool:
        """Whether the caller runs on this thread."""
        return threading.get_ident() == self._thread.ident

    def on_close(self, closer: Callable[[], Awaitable[None]]) -> None:
        """Register a coroutine function to be awaited on the loop when the thread closes, last registered first."""
        self._closers.append(closer)
        if self is BrowserThread._instance:
            # At exit the thread must close before anything that was registered so far: its closers may rely on it.
            atexit.unregister(self.close)
            atexit.register(self.close)

    def submit(self, coro: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Schedule a coroutine on the thread and return at once.

        Raises:
            SandboxError: the thread has been closed.
        """
        if self._closed or self._pid != os.getpid():
            coro.close()
            raise SandboxError("the browser thread is closed; call BrowserThread.get() again for a new one")
        return asyncio.run_coroutine_threadsafe(coro, self._loop)

    def run(self, coro: Coroutine[Any, Any, T], timeout_s: float) -> T:
        """Run a coroutine on the thread and block the caller until it ends.

        Args:
            coro: the coroutine; it is cancelled when the deadline passes or the caller is interrupted.
            timeout_s: deadline in seconds, > 0.

        Raises:
            PageHungError: the deadline passed.
            SandboxError: called on the browser thread itself, where waiting would never end.
        """
        if self.on_thread():
            coro.close()
            raise SandboxError("run() would wait for its own thread; await the coroutine instead")
        future = self.submit(coro)
        try:
            return future.result(timeout_s)
        except concurrent.futures.TimeoutError as error:
            if future.done() and not future.cancelled():
                raise
            future.cancel()
            raise PageHungError(f"the browser did not answer within {timeout_s:g} s; the call was cancelled") from error
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Close everything registered with `on_close`, stop the loop and join the thread; idempotent."""
        if self._closed or self._pid != os.getpid() or self.on_thread():
            return
        with contextlib.suppress(concurrent.futures.TimeoutError, concurrent.futures.CancelledError):
            asyncio.run_coroutine_threadsafe(self._close_all(), self._loop).result(CLOSE_DEADLINE_S)
        self._closed = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSE_DEADLINE_S)
        atexit.unregister(self.close)

    async def _close_all(self) -> None:
        for closer in reversed(self._closers):
            # A dead browser must not keep the rest from closing; its failure was reported where it happened.
            with contextlib.suppress(Exception):
                await asyncio.wait_for(closer(), CLOSE_DEADLINE_S / 2)
        current = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() if task is not current]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.get_running_loop().shutdown_asyncgens()

    def _main(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()


__all__ = ["BrowserThread"]
