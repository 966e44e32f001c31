"""Carries actions out on the computer of one episode: its page, its workspace, and commands in it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, assert_never

from ..sandbox.errors import ActionError
from ..sandbox.snapshot import Element
from .action_targets import resolve_target
from .actions import Action, Drag, Scroll, TargetedAction
from .observation import LIMITS_CHARS, cut, render_files

if TYPE_CHECKING:
    from ..sandbox.command import CommandResult
    from ..sandbox.page import PageSession
    from ..sandbox.workspace import Workspace

_RESULT_CHARS = LIMITS_CHARS["last_action_result"]


class Hands:
    """Does what the agent says.

    Args:
        page: the episode's page.
        workspace: its files.
        verbs: what the task allows; errors propose nothing else.
        address: turns an address as the agent writes it into the real one.
        on_command: called with every command that was run.
    """

    def __init__(
        self,
        *,
        page: PageSession,
        workspace: Workspace,
        verbs: Collection[str],
        address: Callable[[str], str],
        on_command: Callable[[CommandResult], None],
    ) -> None:
        self._page = page
        self._workspace = workspace
        self._verbs = verbs
        self._address = address
        self._on_command = on_command

    async def perform(self, action: Action, elements: Sequence[Element]) -> str:
        """Do one action.

        Args:
            action: what to do; `done` and `noop` do nothing.
            elements: what the agent was shown, and names.

        Returns:
            Its output for the agent; "" where the page shows what happened.

        Raises:
            ActionError: the agent asked for something impossible.
            SandboxError: the machine failed.
        """
        page, files = self._page, self._workspace
        match action.kind:
            case "click":
                await page.click(self._ref(action, elements))
            case "double_click":
                await page.click(self._ref(action, elements), count=2)
            case "right_click":
                await page.click(self._ref(action, elements), button="right")
            case "hover":
                await page.hover(self._ref(action, elements))
            case "drag":
                await page.drag(self._ref(action, elements), self._onto(action, elements))
            case "fill":
                await page.fill(self._ref(action, elements), action.text)
            case "type":
                await page.type(action.text)
            case "select":
                await page.select(self._ref(action, elements), action.option)
            case "check":
                await page.check(self._ref(action, elements), True)
            case "uncheck":
                await page.check(self._ref(action, elements), False)
            case "upload":
                ref = self._ref(action, elements)
                await page.upload(ref, [(action.path.rpartition("/")[2], files.read_bytes(action.path))])
            case "press":
                await page.press(action.keys)
            case "scroll":
                await page.scroll(action.direction, self._scrolled(action, elements))
            case "goto":
                await page.goto(self._address(action.url))
            case "back":
                await page.back()
            case "forward":
                await page.forward()
            case "reload":
                await page.reload()
            case "tab_new":
                await page.new_tab(None if action.url is None else self._address(action.url))
            case "tab_switch":
                await page.switch_tab(action.tab)
            case "tab_close":
                await page.close_tab(action.tab)
            case "dialog_accept":
                await page.answer_dialog(True, action.text)
            case "dialog_dismiss":
                await page.answer_dialog(False)
            case "clipboard_copy":
                await (self._copy_selected() if action.text is None else page.set_clipboard(action.text))
            case "clipboard_paste":
                await page.press("Control+V")
            case "mouse_click":
                await page.mouse_click(action.x, action.y, button=action.button, count=action.count)
            case "mouse_move":
                await page.mouse_move(action.x, action.y)
            case "mouse_drag":
                await page.mouse_drag(action.x, action.y, action.to_x, action.to_y)
            case "wait":
                await page.wait(action.ms)
            case "list_files":
                return render_files(files.files()) or "no files"
            case "read_file":
                return cut(files.read_text(action.path), _RESULT_CHARS) or "(empty file)"
            case "write_file":
                files.write_text(action.path, action.text)
            case "append_file":
                files.append_text(action.path, action.text)
            case "copy_file":
                files.copy(action.path, action.to)
            case "move_file":
                files.move(action.path, action.to)
            case "delete_file":
                files.delete(action.path)
            case "make_folder":
                files.make_folder(action.path)
            case "find_files":
                return cut("\n".join(files.find(action.pattern)), _RESULT_CHARS) or f'no file fits "{action.pattern}"'
            case "run":
                return await self._run(action.command)
            case "done" | "noop":
                pass
            case _:
                assert_never(action.kind)
        return ""

    async def _copy_selected(self) -> None:
        before = self._page.clipboard
        await self._page.set_clipboard("")
        await self._page.press("Control+C")
        if not self._page.clipboard:
            await self._page.set_clipboard(before)
            raise ActionError("nothing is selected to copy; give the text, or select one first")

    async def _run(self, command: str) -> str:
        from ..sandbox.command import run_command

        result = await run_command(command, self._workspace)
        self._on_command(result)
        return _shortened(result.text()) or "(no output)"

    def _ref(self, action: TargetedAction, elements: Sequence[Element]) -> int:
        return resolve_target(
            action.target, elements, verb=action.kind, role=action.role, nth=action.nth, allowed=self._verbs
        ).ref

    def _onto(self, action: Drag, elements: Sequence[Element]) -> int:
        return resolve_target(
            action.onto,
            elements,
            verb="drag",
            role=action.onto_role,
            nth=action.onto_nth,
            argument="onto",
            allowed=self._verbs,
        ).ref

    def _scrolled(self, action: Scroll, elements: Sequence[Element]) -> int | None:
        if action.target is None:
            return None
        return resolve_target(
            action.target, elements, verb="scroll", role=action.role, nth=action.nth, allowed=self._verbs
        ).ref


def _shortened(output: str) -> str:
    """Return the beginning and the end of an output that is too long to show: errors stand at its end."""
    if len(output) <= _RESULT_CHARS:
        return output
    half = _RESULT_CHARS // 2 - 30
    return f"{output[:half]}\n... ({len(output) - 2 * half} characters left out) ...\n{output[-half:]}"


__all__ = ["Hands"]
