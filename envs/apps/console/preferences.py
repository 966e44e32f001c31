"""The sections of a workspace's settings, and what each of their fields may hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A setting that is one of several words."""

    label: str
    options: tuple[str, ...]

    def problem(self, value: str) -> str:
        """Return what is wrong with a value, "" if nothing."""
        return "" if value in self.options else "Choose one of these"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A setting that is a short text."""

    label: str
    first: str

    def problem(self, value: str) -> str:
        """Return what is wrong with a value, "" if nothing."""
        if not value:
            return f"{self.label} is missing"
        return f"{self.label} is too long" if len(value) > 60 else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A setting that is a whole number."""

    label: str
    first: int
    low: int
    high: int

    def problem(self, value: str) -> str:
        """Return what is wrong with a value, "" if nothing."""
        fits = value.isascii() and value.isdigit() and len(value) < 6 and self.low <= int(value) <= self.high
        return "" if fits else f"{self.label} must be a whole number from {self.low} to {self.high}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """A setting that is on or off: "yes" or ""."""

    label: str

    def problem(self, value: str) -> str:
        """Return what is wrong with a value, "" if nothing."""
        return "" if value in ("", "yes") else "This is on or off"


Setting = Choice | Line | Number | Switch

SECTIONS: Mapping[str, Mapping[str, Setting]] = {
    "General": {
        "workspace": Line(label="Workspace name", first="Harbor Office"),
        "language": Choice(label="Language", options=("English", "French", "German", "Italian", "Spanish", "Swedish")),
        "week": Choice(label="Week begins on", options=("Monday", "Saturday", "Sunday")),
    },
    "Appearance": {
        "theme": Choice(
            label="Theme", options=("Light", "Dark", "Paper", "Ocean", "Forest", "Sunset", "Slate", "Sand")
        ),
        "density": Choice(label="Density", options=("Compact", "Normal", "Wide")),
        "motion": Switch(label="Reduce motion"),
    },
    "Security": {
        "timeout": Number(label="Session timeout in minutes", first=30, low=5, high=600),
        "length": Number(label="Shortest password", first=8, low=6, high=64),
        "two_step": Switch(label="Two-step sign-in"),
        "guests": Switch(label="Guests may sign in"),
    },
    "Notifications": {
        "digest": Choice(label="Summary by mail", options=("Never", "Every day", "Every week", "Every month")),
        "mentions": Switch(label="Mentions"),
        "uploads": Switch(label="New files"),
        "signins": Switch(label="New sign-ins"),
    },
}
"""Section -> key -> setting."""

__all__ = ["SECTIONS", "Choice", "Line", "Number", "Setting", "Switch"]
