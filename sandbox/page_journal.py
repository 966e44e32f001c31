"""Turns what one page's browser reports into typed events, in the order in which it came."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .channel import Channel
from .errors import ActionError
from .events import Click, Dialog, Download, Event, Focus, Input, Load, Navigation, Request, Submit, Title
from .page_frames import FRAME_REFS
from .page_json import read_json
from .request_body import body_of
from .snapshot import DialogInfo

if TYPE_CHECKING:
    from playwright.async_api import Download as PlaywrightDownload
    from playwright.async_api import Page

    from .page_frames import FrameTree
    from .workspace import Workspace

BINDING = "milepostJournal"
DOWNLOAD_START_S = 5.0
REQUEST_DEADLINE_S = 2.0
DOWNLOAD_DEADLINE_S = 30.0
Recorded = tuple[type[Event], dict[str, Any]]


@dataclass(slots=True)
class _Sent:
    """A request under way."""

    method: str
    url: str
    body: str | None
    status: int | None = None


class PageJournal:
    """Collects one page's events until they are drained.

    Attributes:
        url: the address of the main frame's last committed document; "about:blank" before the first.
        unreachable: the address that the main frame could not load, if it shows an error page now.
        downloads: how many the browser has begun since the episode began.
        refused: what went wrong with the last downloads, for the agent; emptied by `take_refusals`.
    """

    def __init__(self, channel: Channel, page: Page, tree: FrameTree) -> None:
        self.url = "about:blank"
        self.unreachable: str | None = None
        self._frame_id = tree.main_id
        self._tree = tree
        self._workspace: Workspace | None = None
        self._events: list[Recorded] = []
        self._title: str | None = None
        self._requests: dict[str, _Sent] = {}
        self._keeps_bodies = False
        self._document_url = "about:blank"
        self._asked = False
        self._documents: dict[str, bool] = {}
        self._endless: set[str] = set()
        self._fetched = False
        self._quiet = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.downloads = 0
        self._expected = 0
        self._coming = 0
        self._begun = asyncio.Event()
        self._refusals: list[str] = []
        channel.on("Runtime.bindingCalled", self._on_binding)
        channel.on("Page.frameNavigated", self._on_navigated)
        channel.on("Page.navigatedWithinDocument", self._on_same_document)
        channel.on("Page.domContentEventFired", lambda _: self._on_load("domcontentloaded"))
        channel.on("Page.loadEventFired", lambda _: self._on_load("load"))
        channel.on("Network.requestWillBeSent", self._on_request)
        channel.on("Network.responseReceived", self._on_response)
        channel.on("Network.loadingFinished", self._on_finished)
        channel.on("Network.loadingFailed", self._on_failed)
        channel.on("Page.downloadWillBegin", self._on_download_coming)
        page.on("download", self._on_download)

    def begin(self, workspace: Workspace | None, *, request_bodies: bool = False) -> None:
        """Start an episode: forget everything.

        Args:
            workspace: where downloads are saved; without one they are cancelled.
            request_bodies: record what requests carry.
        """
        self.abandon_downloads()
        self._workspace, self._keeps_bodies = workspace, request_bodies
        self._events.clear()
        self._requests.clear()
        self._documents.clear()
        self._endless.clear()
        self._refusals.clear()
        self._title = None
        self._asked = False
        self.downloads = self._expected = self._coming = 0

    def drain(self, step: int) -> list[Event]:
        """Return the events since the last drain, stamped with `step`."""
        events = [cls(step=step, **values) for cls, values in self._events]
        self._events.clear()
        self._asked = False
        return events

    def take_refusals(self) -> list[str]:
        """Return, and forget, why downloads were not saved."""
        refusals, self._refusals = self._refusals, []
        return refusals

    def expect_asked(self) -> None:
        """Say that the next navigation of this step is one that the agent itself asks for."""
        self._asked = True

    def saw_title(self, title: str) -> None:
        """Record the title if it is another one than last time."""
        if title != self._title:
            self._title = title
            self._add(Title, "browser", title=title)

    def acted(self, description: dict[str, Any]) -> None:
        """Record a field that the action set itself; vouched for by the action, not by trusted input."""
        self._add(Input, "agent", **description)

    def answered(self, dialog: DialogInfo, *, accepted: bool, text: str | None = None) -> None:
        """Record a dialog and how it was answered: a prompt's text is the agent's input, into no element (ref 0)."""
        if accepted and text is not None:
            self._add(Input, "agent", ref=0, role="dialog", name=dialog.message, value=text, url=self.url)
        self._add(Dialog, "browser", dialog_type=dialog.dialog_type, message=dialog.message, accepted=accepted)

    def take_fetched(self) -> bool:
        """Return whether scripts have made requests since the last call."""
        fetched, self._fetched = self._fetched, False
        return fetched

    async def requests_done(self) -> None:
        """Wait until the requests under way have been reported as ended.

        One that has not ended after REQUEST_DEADLINE_S seconds is taken for endless and never waited for again.
        """
        deadline = time.monotonic() + REQUEST_DEADLINE_S
        while waiting := self._requests.keys() - self._endless:
            self._quiet.clear()
            try:
                await asyncio.wait_for(self._quiet.wait(), deadline - time.monotonic())
            except TimeoutError:
                self._endless |= waiting

    async def downloads_done(self) -> None:
        """Wait until downloads are in the workspace; an announced one has DOWNLOAD_START_S seconds to begin."""
        while self._expected or self._coming or self._tasks:
            if self._tasks:
                await asyncio.wait(set(self._tasks))
                continue
            self._begun.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._begun.wait(), DOWNLOAD_START_S)
            if not self._tasks:
                self._expected = self._coming = 0

    def abandon_downloads(self) -> None:
        """Cancel what is still under way."""
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()

    def _add(self, cls: type[Event], origin: str, **values: Any) -> None:
        self._events.append((cls, {"t": time.monotonic(), "origin": origin, **values}))

    def _on_binding(self, event: dict[str, Any]) -> None:
        number = self._tree.number_of(event["executionContextId"])
        if event["name"] != BINDING or number is None:
            return
        entry = read_json(event["payload"])
        kind = entry.pop("kind")
        if "ref" in entry:
            entry["ref"] += number * FRAME_REFS
        if kind == "download-link":
            self._expected += 1
        elif kind == "focus":
            del entry["url"]
            self._add(Focus, "input", **entry)
        else:
            self._add({"click": Click, "input": Input, "submit": Submit}[kind], "input", **entry)

    def _on_navigated(self, event: dict[str, Any]) -> None:
        frame = event["frame"]
        if frame["id"] != self._frame_id:
            return
        self._documents.pop(frame["loaderId"], None)
        self.unreachable = frame.get("unreachableUrl")
        if self.unreachable is None:
            self._navigated(frame["url"] + frame.get("urlFragment", ""), same_document=False)

    def _on_same_document(self, event: dict[str, Any]) -> None:
        if event["frameId"] == self._frame_id:
            self._navigated(event["url"], same_document=True)

    def _navigated(self, url: str, *, same_document: bool) -> None:
        previous = None if self.url == "about:blank" else self.url
        self.url = url
        if not same_document:
            self._document_url = url
        asked, self._asked = self._asked, False
        if url != "about:blank":
            self._add(Navigation, "browser", url=url, previous_url=previous, same_document=same_document, asked=asked)

    def _on_load(self, state: str) -> None:
        # The address that was loaded, whatever a script has made of it since with history.replaceState.
        if self.unreachable is None and self._document_url != "about:blank":
            self._add(Load, "browser", url=self._document_url, state=state)

    def _on_request(self, event: dict[str, Any]) -> None:
        url, request_id = event["request"]["url"], event["requestId"]
        redirect = event.get("redirectResponse")
        if redirect is not None and request_id in self._requests:
            self._requests[request_id].status = redirect["status"]
            self._request_ended(self._requests[request_id])
        if url.startswith("http"):
            body = body_of(event["request"]) if self._keeps_bodies else None
            self._requests[request_id] = _Sent(event["request"]["method"], url, body)
            self._fetched |= event.get("type") in ("Fetch", "XHR")
            if event.get("type") == "Document" and event.get("frameId") == self._frame_id:
                self._documents[request_id] = False

    def _on_response(self, event: dict[str, Any]) -> None:
        known = self._requests.get(event["requestId"])
        if known is not None:
            status = event["response"]["status"]
            known.status = status
            if event["requestId"] in self._documents:
                self._documents[event["requestId"]] = status not in (204, 205)

    def _on_finished(self, event: dict[str, Any]) -> None:
        self._ended(event["requestId"])

    def _on_failed(self, event: dict[str, Any]) -> None:
        # A document that was answered and then aborted has become a download.
        if self._documents.pop(event["requestId"], False) and event.get("canceled"):
            self._expected += 1
        self._ended(event["requestId"])

    def _ended(self, request_id: str) -> None:
        known = self._requests.pop(request_id, None)
        self._quiet.set()
        if known is not None:
            self._request_ended(known)

    def _request_ended(self, sent: _Sent) -> None:
        self._add(Request, "browser", method=sent.method, url=sent.url, status=sent.status, body=sent.body)

    def _on_download_coming(self, _: dict[str, Any]) -> None:
        """Our own connection hears of a download before Playwright does, whatever began it."""
        self.downloads += 1
        self._expected = max(0, self._expected - 1)
        self._coming += 1

    def _on_download(self, download: PlaywrightDownload) -> None:
        self._coming = max(0, self._coming - 1)
        self._spawn(self._save(download))
        self._begun.set()

    async def _save(self, download: PlaywrightDownload) -> None:
        from playwright.async_api import Error

        workspace = self._workspace
        name = download.suggested_filename
        try:
            if workspace is None:
                await download.cancel()
                return
            source = Path(await asyncio.wait_for(download.path(), DOWNLOAD_DEADLINE_S))
            if source.stat().st_size > workspace.quota_bytes:
                raise ActionError(f"it is larger than the workspace's quota of {workspace.quota_bytes} bytes")
            data = source.read_bytes()
            path = workspace.save_download(name, data)
            await download.delete()
        except (ActionError, Error, TimeoutError, OSError) as error:
            self._refusals.append(f"the download {name!r} was not saved: {error}")
            return
        digest = hashlib.sha256(data).hexdigest()
        self._add(Download, "browser", url=download.url, path=path, size_bytes=len(data), sha256=digest)

    def _spawn(self, coro: Any) -> None:
        task = asyncio.ensure_future(coro)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


__all__ = ["BINDING", "PageJournal"]
