"""The actions that every task allows unless it says otherwise: enough to read, fill in, follow and answer."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from .action_base import ActionBase, Line, LongText, Nth, Role, Target, TargetedAction


class Click(TargetedAction):
    """Click an element; `nth` counts from 1 among those that fit."""

    group: ClassVar[str] = "basic"
    examples: ClassVar[tuple[str, ...]] = ('click("Save")', "click(12)", 'click("Open", role="link", nth=2)')
    kind: Literal["click"] = "click"


class Fill(TargetedAction):
    """Replace the text of a field."""

    group: ClassVar[str] = "basic"
    positional: ClassVar[tuple[str, ...]] = ("target", "text")
    examples: ClassVar[tuple[str, ...]] = ('fill("Name", "Ada")',)
    kind: Literal["fill"] = "fill"
    text: LongText = Field(description="what the field is to hold")


class Select(TargetedAction):
    """Choose an option of a list by its name."""

    group: ClassVar[str] = "basic"
    positional: ClassVar[tuple[str, ...]] = ("target", "option")
    examples: ClassVar[tuple[str, ...]] = ('select("Country", "France")',)
    kind: Literal["select"] = "select"
    option: Line = Field(description="the option's name")


class Press(ActionBase):
    """Press a key or a chord such as "Control+A" on the focused element."""

    group: ClassVar[str] = "basic"
    positional: ClassVar[tuple[str, ...]] = ("keys",)
    examples: ClassVar[tuple[str, ...]] = ('press("Enter")', 'press("Control+A")')
    kind: Literal["press"] = "press"
    keys: Line = Field(description="a key's name, one character, or several joined by +")


class Goto(ActionBase):
    """Open a path of the task's site, or a whole http(s) address on one of the task's hosts."""

    group: ClassVar[str] = "basic"
    positional: ClassVar[tuple[str, ...]] = ("url",)
    examples: ClassVar[tuple[str, ...]] = ('goto("/reports")',)
    kind: Literal["goto"] = "goto"
    url: Line = Field(description="the path or address")


class Back(ActionBase):
    """Go one entry back in the page's history."""

    group: ClassVar[str] = "basic"
    examples: ClassVar[tuple[str, ...]] = ("back()",)
    kind: Literal["back"] = "back"


class Scroll(ActionBase):
    """Scroll the page by most of a viewport, or the part of it that holds an element."""

    group: ClassVar[str] = "basic"
    positional: ClassVar[tuple[str, ...]] = ("direction",)
    examples: ClassVar[tuple[str, ...]] = ('scroll("down")', 'scroll("right", target="Timetable")')
    kind: Literal["scroll"] = "scroll"
    direction: Literal["up", "down", "left", "right"] = Field(default="down", description="where to")
    target: Target | None = Field(default=None, description="an element in the part to scroll; else the whole page")
    role: Role | None = Field(default=None, description="only elements of this role, such as button")
    nth: Nth | None = Field(default=None, description="which one of several that fit, from 1")


class ListFiles(ActionBase):
    """List the workspace's files."""

    group: ClassVar[str] = "basic"
    examples: ClassVar[tuple[str, ...]] = ("list_files()",)
    kind: Literal["list_files"] = "list_files"


class ReadFile(ActionBase):
    """Read a text file of the workspace."""

    group: ClassVar[str] = "basic"
    positional: ClassVar[tuple[str, ...]] = ("path",)
    examples: ClassVar[tuple[str, ...]] = ('read_file("downloads/report.csv")',)
    kind: Literal["read_file"] = "read_file"
    path: Line = Field(description="the file, relative to the workspace")


class WriteFile(ActionBase):
    """Write a text file of the workspace, replacing what was there."""

    group: ClassVar[str] = "basic"
    positional: ClassVar[tuple[str, ...]] = ("path", "text")
    examples: ClassVar[tuple[str, ...]] = ('write_file("notes.txt", "first line\\nsecond line")',)
    kind: Literal["write_file"] = "write_file"
    path: Line = Field(description="the file, relative to the workspace")
    text: LongText = Field(description="its whole content")


class Done(ActionBase):
    """End the episode, with an answer where the task asks for one."""

    group: ClassVar[str] = "basic"
    positional: ClassVar[tuple[str, ...]] = ("text",)
    examples: ClassVar[tuple[str, ...]] = ('done("42")', "done()")
    kind: Literal["done"] = "done"
    text: LongText = Field(default="", description="the answer")


class Noop(ActionBase):
    """Do nothing for a step."""

    group: ClassVar[str] = "basic"
    examples: ClassVar[tuple[str, ...]] = ("noop()",)
    kind: Literal["noop"] = "noop"


__all__ = [
    "Back",
    "Click",
    "Done",
    "Fill",
    "Goto",
    "ListFiles",
    "Noop",
    "Press",
    "ReadFile",
    "Scroll",
    "Select",
    "WriteFile",
]
