"""Further actions on the workspace, which a task allows by group: more about files, and commands."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from .action_base import ActionBase, Line, LongText


class AppendFile(ActionBase):
    """Write a text at the end of a file of the workspace, which is made if it does not exist."""

    group: ClassVar[str] = "files"
    positional: ClassVar[tuple[str, ...]] = ("path", "text")
    examples: ClassVar[tuple[str, ...]] = ('append_file("notes.txt", "one more line\\n")',)
    kind: Literal["append_file"] = "append_file"
    path: Line = Field(description="the file, relative to the workspace")
    text: LongText = Field(description="what is added")


class CopyFile(ActionBase):
    """Copy a file of the workspace."""

    group: ClassVar[str] = "files"
    positional: ClassVar[tuple[str, ...]] = ("path", "to")
    examples: ClassVar[tuple[str, ...]] = ('copy_file("report.csv", "archive/report.csv")',)
    kind: Literal["copy_file"] = "copy_file"
    path: Line = Field(description="the file, relative to the workspace")
    to: Line = Field(description="the path of the copy")


class MoveFile(ActionBase):
    """Move or rename a file of the workspace."""

    group: ClassVar[str] = "files"
    positional: ClassVar[tuple[str, ...]] = ("path", "to")
    examples: ClassVar[tuple[str, ...]] = ('move_file("draft.txt", "final.txt")',)
    kind: Literal["move_file"] = "move_file"
    path: Line = Field(description="the file, relative to the workspace")
    to: Line = Field(description="its new path")


class DeleteFile(ActionBase):
    """Delete a file or an empty folder of the workspace."""

    group: ClassVar[str] = "files"
    positional: ClassVar[tuple[str, ...]] = ("path",)
    examples: ClassVar[tuple[str, ...]] = ('delete_file("draft.txt")',)
    kind: Literal["delete_file"] = "delete_file"
    path: Line = Field(description="the file or folder, relative to the workspace")


class MakeFolder(ActionBase):
    """Make a folder in the workspace."""

    group: ClassVar[str] = "files"
    positional: ClassVar[tuple[str, ...]] = ("path",)
    examples: ClassVar[tuple[str, ...]] = ('make_folder("archive")',)
    kind: Literal["make_folder"] = "make_folder"
    path: Line = Field(description="the folder, relative to the workspace")


class FindFiles(ActionBase):
    """Find the workspace's files whose path fits a pattern, where * stands for any characters."""

    group: ClassVar[str] = "files"
    positional: ClassVar[tuple[str, ...]] = ("pattern",)
    examples: ClassVar[tuple[str, ...]] = ('find_files("*.csv")',)
    kind: Literal["find_files"] = "find_files"
    pattern: Line = Field(description="the pattern")


class Run(ActionBase):
    """Run a command in the workspace, inside a sandbox without network, and read what it prints."""

    group: ClassVar[str] = "command"
    positional: ClassVar[tuple[str, ...]] = ("command",)
    examples: ClassVar[tuple[str, ...]] = ('run("python3 chart.py")',)
    kind: Literal["run"] = "run"
    command: Annotated[str, Field(strict=True, min_length=1, max_length=2000)] = Field(description="the command line")


__all__ = ["AppendFile", "CopyFile", "DeleteFile", "FindFiles", "MakeFolder", "MoveFile", "Run"]
