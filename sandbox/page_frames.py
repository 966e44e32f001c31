"""The documents of one tab: its main frame's and those of the frames within, whatever their origin.

Each document has its own isolated world, which knows only itself. What leaves here is numbered through: a reference of
the frame with number n is n * FRAME_REFS plus its reference there. The main frame has number 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .channel import Channel, ContextGoneError
from .errors import ActionError

WORLD = "milepost"
FRAME_REFS = 100_000
MAX_FRAMES = 20


@dataclass(slots=True)
class _Frame:
    parent_id: str | None
    number: int
    context_id: int | None = None
    owner_ref: int | None = None  # of its element, in the parent's document


class FrameTree:
    """Follows the frames of a tab as they come and go.

    Attributes:
        main_id: DevTools' id of the main frame.
    """

    def __init__(self, channel: Channel, main_id: str) -> None:
        self.main_id = main_id
        self._channel = channel
        self._frames = {main_id: _Frame(None, 0)}
        self._last_number = 0
        self._numbers: dict[
            int, int
        ] = {}  # of every isolated world so far: a click may be told after its document went
        channel.on("Page.frameAttached", self._on_attached)
        channel.on("Page.frameDetached", lambda event: self._forget(event["frameId"]))
        channel.on("Page.frameNavigated", lambda event: self._forget(event["frame"]["id"], only_within=True))
        channel.on("Runtime.executionContextCreated", self._on_context)
        channel.on("Runtime.executionContextDestroyed", self._on_context_gone)
        channel.on("Runtime.executionContextsCleared", lambda _: self._on_cleared())

    def begin(self) -> None:
        """Start an episode: frames are numbered from 1 again."""
        self._last_number = 0
        self._numbers = {f.context_id: f.number for f in self._frames.values() if f.context_id is not None}

    def number_of(self, context_id: int) -> int | None:
        """Return the number of the frame whose isolated world this is, or was; None if it is none of ours."""
        return self._numbers.get(context_id)

    def children(self, parent_id: str) -> list[str]:
        """Return the ids of a frame's own frames that have a document, oldest first, at most MAX_FRAMES."""
        found = [i for i, f in self._frames.items() if f.parent_id == parent_id and f.context_id is not None]
        return found[:MAX_FRAMES]

    def has_children(self) -> bool:
        """Whether there is more than the main frame."""
        return len(self._frames) > 1

    def contexts(self) -> list[int]:
        """Return the isolated worlds of all documents."""
        return [f.context_id for f in self._frames.values() if f.context_id is not None]

    def number(self, frame_id: str) -> int:
        """Return a frame's number."""
        return self._frames[frame_id].number

    def split(self, ref: int) -> tuple[str, int]:
        """Return the frame that a reference belongs to, and the reference there.

        Raises:
            ActionError: there is no such frame (any more).
        """
        number, own = divmod(ref, FRAME_REFS)
        for frame_id, frame in self._frames.items():
            if frame.number == number:
                return frame_id, own
        raise ActionError(f"element {ref} is not on the page any more")

    def path(self, frame_id: str) -> list[str]:
        """Return the frames from the main one down to this one."""
        found = [frame_id]
        while (parent := self._frames[found[0]].parent_id) is not None:
            found.insert(0, parent)
        return found

    async def evaluate(self, frame_id: str, expression: str) -> Any:
        """Evaluate in a frame's isolated world and return the JSON value.

        Raises:
            ContextGoneError: its document is being replaced.
            PageHungError, BrowserCrashedError: as `Channel.finish`.
        """
        frame = self._frames.get(frame_id)
        if frame is None or frame.context_id is None:
            raise ContextGoneError("the frame has no document")
        answer = await self._channel.send(
            "Runtime.evaluate", expression=expression, contextId=frame.context_id, returnByValue=True, awaitPromise=True
        )
        return value_of(answer)

    async def node(self, frame_id: str, ref: int) -> str:
        """Return DevTools' id of an element, for commands that take one; raises like `evaluate`."""
        frame = self._frames[frame_id]
        if frame.context_id is None:
            raise ContextGoneError("the frame has no document")
        answer = await self._channel.send(
            "Runtime.evaluate", expression=f"milepostPage.node({ref})", contextId=frame.context_id
        )
        return str(answer["result"]["objectId"])

    async def owner_ref(self, frame_id: str) -> int:
        """Return the reference of a frame's element in the parent's document; raises like `evaluate`."""
        frame = self._frames[frame_id]
        if frame.owner_ref is None:
            assert frame.parent_id is not None
            parent = self._frames[frame.parent_id]
            await self._channel.send("DOM.enable")
            owner = await self._channel.send("DOM.getFrameOwner", frameId=frame_id)
            node = await self._channel.send(
                "DOM.resolveNode", backendNodeId=owner["backendNodeId"], executionContextId=parent.context_id
            )
            answer = await self._channel.send(
                "Runtime.callFunctionOn",
                objectId=node["object"]["objectId"],
                functionDeclaration="function () { return milepostPage.ref(this); }",
                returnByValue=True,
            )
            frame.owner_ref = int(value_of(answer))
        return frame.owner_ref

    def _on_attached(self, event: dict[str, Any]) -> None:
        self._last_number += 1
        self._frames[event["frameId"]] = _Frame(event["parentFrameId"], self._last_number)

    def _forget(self, frame_id: str, *, only_within: bool = False) -> None:
        gone = {frame_id}
        while more := {i for i, f in self._frames.items() if f.parent_id in gone} - gone:
            gone |= more
        for lost in gone - ({self.main_id, frame_id} if only_within else {self.main_id}):
            self._frames.pop(lost, None)

    def _on_context(self, event: dict[str, Any]) -> None:
        context = event["context"]
        frame = self._frames.get(context["auxData"].get("frameId"))
        if frame is not None and context["name"] == WORLD:
            frame.context_id = context["id"]
            self._numbers[context["id"]] = frame.number
            for other in self._frames.values():  # a new parent document has other elements
                if other.parent_id == context["auxData"]["frameId"]:
                    other.owner_ref = None

    def _on_context_gone(self, event: dict[str, Any]) -> None:
        for frame in self._frames.values():
            if frame.context_id == event["executionContextId"]:
                frame.context_id = None

    def _on_cleared(self) -> None:
        for frame in self._frames.values():
            frame.context_id = None


def value_of(answer: dict[str, Any]) -> Any:
    """Return the JSON value of an evaluation's answer."""
    details = answer.get("exceptionDetails")
    if details is not None:
        text = details.get("exception", {}).get("description", details.get("text"))
        raise RuntimeError(f"milepost's own page script failed: {text}")
    return answer["result"].get("value")


__all__ = ["FRAME_REFS", "WORLD", "FrameTree", "value_of"]
