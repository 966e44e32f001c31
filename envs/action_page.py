"""Further actions on the page, which a task allows by group: pointer, forms, history, tabs, dialogs, and more."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from .action_base import MAX_ACTION_CHARS, Across, ActionBase, Down, Line, LongText, Nth, Role, Target, TargetedAction

Button = Literal["left", "right", "middle"]
_TabNumber = Annotated[int, Field(strict=True, ge=1, le=1000)]


class DoubleClick(TargetedAction):
    """Click an element twice in quick succession."""

    group: ClassVar[str] = "pointer"
    examples: ClassVar[tuple[str, ...]] = ('double_click("report.csv")',)
    kind: Literal["double_click"] = "double_click"


class RightClick(TargetedAction):
    """Click an element with the right mouse button, which opens its context menu where the page has one."""

    group: ClassVar[str] = "pointer"
    examples: ClassVar[tuple[str, ...]] = ('right_click("report.csv")',)
    kind: Literal["right_click"] = "right_click"


class Hover(TargetedAction):
    """Move the mouse pointer onto an element and leave it there."""

    group: ClassVar[str] = "pointer"
    examples: ClassVar[tuple[str, ...]] = ('hover("Products")',)
    kind: Literal["hover"] = "hover"


class Drag(TargetedAction):
    """Drag an element with the mouse and drop it onto another."""

    group: ClassVar[str] = "pointer"
    positional: ClassVar[tuple[str, ...]] = ("target", "onto")
    examples: ClassVar[tuple[str, ...]] = ('drag("Write report", "Done")', 'drag("Card", "Column", onto_nth=2)')
    kind: Literal["drag"] = "drag"
    onto: Target = Field(description="where to drop it: an element's name or number")
    onto_role: Role | None = Field(default=None, description="as role, for the element it is dropped onto")
    onto_nth: Nth | None = Field(default=None, description="as nth, for the element it is dropped onto")


class Type(ActionBase):
    """Type a text key by key where the focus is, after what already stands there."""

    group: ClassVar[str] = "forms"
    positional: ClassVar[tuple[str, ...]] = ("text",)
    examples: ClassVar[tuple[str, ...]] = ('type("hello")',)
    kind: Literal["type"] = "type"
    text: Annotated[str, Field(strict=True, min_length=1, max_length=1000)] = Field(description="what to type")


class Check(TargetedAction):
    """Switch a checkbox, a switch or a radio button on; one that is on stays on."""

    group: ClassVar[str] = "forms"
    examples: ClassVar[tuple[str, ...]] = ('check("I agree")',)
    kind: Literal["check"] = "check"


class Uncheck(TargetedAction):
    """Switch a checkbox or a switch off; one that is off stays off."""

    group: ClassVar[str] = "forms"
    examples: ClassVar[tuple[str, ...]] = ('uncheck("Newsletter")',)
    kind: Literal["uncheck"] = "uncheck"


class Upload(TargetedAction):
    """Put a file of the workspace into a file field."""

    group: ClassVar[str] = "forms"
    positional: ClassVar[tuple[str, ...]] = ("target", "path")
    examples: ClassVar[tuple[str, ...]] = ('upload("Attachment", "downloads/report.csv")',)
    kind: Literal["upload"] = "upload"
    path: Line = Field(description="the file, relative to the workspace")


class Forward(ActionBase):
    """Go one entry forward in the page's history."""

    group: ClassVar[str] = "history"
    examples: ClassVar[tuple[str, ...]] = ("forward()",)
    kind: Literal["forward"] = "forward"


class Reload(ActionBase):
    """Load the page again."""

    group: ClassVar[str] = "history"
    examples: ClassVar[tuple[str, ...]] = ("reload()",)
    kind: Literal["reload"] = "reload"


class TabNew(ActionBase):
    """Open a tab and go to it, empty or at an address."""

    group: ClassVar[str] = "tabs"
    positional: ClassVar[tuple[str, ...]] = ("url",)
    examples: ClassVar[tuple[str, ...]] = ('tab_new("/reports")', "tab_new()")
    kind: Literal["tab_new"] = "tab_new"
    url: Line | None = Field(default=None, description="a path or address, as for goto")


class TabSwitch(ActionBase):
    """Go to another tab, by its number in the list of tabs."""

    group: ClassVar[str] = "tabs"
    positional: ClassVar[tuple[str, ...]] = ("tab",)
    examples: ClassVar[tuple[str, ...]] = ("tab_switch(2)",)
    kind: Literal["tab_switch"] = "tab_switch"
    tab: _TabNumber = Field(description="the tab's number, from 1")


class TabClose(ActionBase):
    """Close a tab: the one that is shown, or one by its number."""

    group: ClassVar[str] = "tabs"
    positional: ClassVar[tuple[str, ...]] = ("tab",)
    examples: ClassVar[tuple[str, ...]] = ("tab_close()", "tab_close(2)")
    kind: Literal["tab_close"] = "tab_close"
    tab: _TabNumber | None = Field(default=None, description="the tab's number, from 1; else the one that is shown")


class DialogAccept(ActionBase):
    """Answer the page's open dialog with OK, with a text where it asks for one."""

    group: ClassVar[str] = "dialogs"
    positional: ClassVar[tuple[str, ...]] = ("text",)
    examples: ClassVar[tuple[str, ...]] = ("dialog_accept()", 'dialog_accept("Ada")')
    kind: Literal["dialog_accept"] = "dialog_accept"
    text: LongText | None = Field(default=None, description="the answer to a prompt; else the one it proposes")


class DialogDismiss(ActionBase):
    """Answer the page's open dialog with Cancel."""

    group: ClassVar[str] = "dialogs"
    examples: ClassVar[tuple[str, ...]] = ("dialog_dismiss()",)
    kind: Literal["dialog_dismiss"] = "dialog_dismiss"


class ClipboardCopy(ActionBase):
    """Put a text on the clipboard, or, without one, what is selected on the page."""

    group: ClassVar[str] = "clipboard"
    positional: ClassVar[tuple[str, ...]] = ("text",)
    examples: ClassVar[tuple[str, ...]] = ('clipboard_copy("EX-1042")', "clipboard_copy()")
    kind: Literal["clipboard_copy"] = "clipboard_copy"
    text: Annotated[str, Field(strict=True, min_length=1, max_length=MAX_ACTION_CHARS)] | None = Field(
        default=None, description="the text; else what is selected"
    )


class ClipboardPaste(ActionBase):
    """Paste the clipboard's text where the focus is."""

    group: ClassVar[str] = "clipboard"
    examples: ClassVar[tuple[str, ...]] = ("clipboard_paste()",)
    kind: Literal["clipboard_paste"] = "clipboard_paste"


class MouseClick(ActionBase):
    """Click at a point of the viewport, which is 1280 pixels wide and 720 high."""

    group: ClassVar[str] = "mouse"
    positional: ClassVar[tuple[str, ...]] = ("x", "y")
    examples: ClassVar[tuple[str, ...]] = ("mouse_click(640, 360)", 'mouse_click(20, 30.5, button="right", count=2)')
    kind: Literal["mouse_click"] = "mouse_click"
    x: Across = Field(description="pixels from the left edge")
    y: Down = Field(description="pixels from the top edge")
    button: Button = Field(default="left", description="which mouse button")
    count: Annotated[int, Field(strict=True, ge=1, le=3)] = Field(default=1, description="2 for a double click")


class MouseMove(ActionBase):
    """Move the mouse pointer to a point of the viewport."""

    group: ClassVar[str] = "mouse"
    positional: ClassVar[tuple[str, ...]] = ("x", "y")
    examples: ClassVar[tuple[str, ...]] = ("mouse_move(640, 360)",)
    kind: Literal["mouse_move"] = "mouse_move"
    x: Across = Field(description="pixels from the left edge")
    y: Down = Field(description="pixels from the top edge")


class MouseDrag(ActionBase):
    """Press the left mouse button at one point of the viewport and let it go at another."""

    group: ClassVar[str] = "mouse"
    positional: ClassVar[tuple[str, ...]] = ("x", "y", "to_x", "to_y")
    examples: ClassVar[tuple[str, ...]] = ("mouse_drag(100, 200, 300, 200)",)
    kind: Literal["mouse_drag"] = "mouse_drag"
    x: Across = Field(description="pixels from the left edge, where it begins")
    y: Down = Field(description="pixels from the top edge, where it begins")
    to_x: Across = Field(description="pixels from the left edge, where it ends")
    to_y: Down = Field(description="pixels from the top edge, where it ends")


class Wait(ActionBase):
    """Let time pass on the page, in milliseconds of its own clock."""

    group: ClassVar[str] = "time"
    positional: ClassVar[tuple[str, ...]] = ("ms",)
    examples: ClassVar[tuple[str, ...]] = ("wait(500)",)
    kind: Literal["wait"] = "wait"
    ms: Annotated[int, Field(strict=True, ge=1, le=60_000)] = Field(description="milliseconds")


__all__ = [
    "Button",
    "Check",
    "ClipboardCopy",
    "ClipboardPaste",
    "DialogAccept",
    "DialogDismiss",
    "DoubleClick",
    "Drag",
    "Forward",
    "Hover",
    "MouseClick",
    "MouseDrag",
    "MouseMove",
    "Reload",
    "RightClick",
    "TabClose",
    "TabNew",
    "TabSwitch",
    "Type",
    "Uncheck",
    "Upload",
    "Wait",
]
