"""The eighteen ready-made milestones: name -> default reward, detector kinds and preset fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry:
    """One ready-made milestone.

    Attributes:
        category: its family.
        description: one line for people.
        reward: what it pays unless the task says otherwise.
        kinds: detector kinds that may recognise it, the default first.
        presets: fields of the default kind's detector that differ from the detector's own defaults; a task may override
            them.
    """

    category: str
    description: str
    reward: float
    kinds: tuple[str, ...]
    presets: Mapping[str, Any] = field(default_factory=dict)


_WEB = "web navigation and data extraction"
_FORM = "form interaction"
_FILE = "file handling and downloads"
_MAIL = "e-mail and documents"
_SYSTEM = "system configuration"
_SEARCH = "search and retrieval"

CATALOGUE: dict[str, CatalogueEntry] = {
    name: CatalogueEntry(category=category, description=description, reward=reward, kinds=kinds, presets=presets)
    for name, category, description, reward, kinds, presets in (
        ("url_loaded", _WEB, "the target page loaded", 0.25, ("url_loaded",), {}),
        ("element_present", _WEB, "the expected element is there", 0.25, ("element_present",), {}),
        ("data_extracted", _WEB, "the data was read and reported", 0.5, ("answer", "server_state"), {}),
        ("field_filled", _FORM, "the field holds the right value", 0.2, ("field_filled",), {}),
        ("submit_dialog", _FORM, "submitted, and the confirmation dialog appeared", 0.3, ("submit_dialog",), {}),
        ("success_banner", _FORM, "the success message appeared", 0.5, ("banner", "element_present"), {}),
        ("file_downloaded", _FILE, "the file arrived by download", 1.0, ("file_created",), {"download_only": True}),
        ("file_matches", _FILE, "the file is as expected", 0.5, ("file_matches",), {}),
        ("directory_updated", _FILE, "the folder was updated without loss", 0.25, ("directory_updated",), {}),
        ("editor_populated", _MAIL, "the editor holds recipient and subject", 0.25, ("fields_filled",), {}),
        ("attachment_added", _MAIL, "the attachment is listed", 0.5, ("element_present", "server_state"), {}),
        ("message_sent", _MAIL, "the message was sent", 1.0, ("banner", "server_state", "element_present"), {}),
        ("settings_opened", _SYSTEM, "the settings are open", 0.25, ("title_matches", "url_loaded"), {}),
        ("toggle_changed", _SYSTEM, "the switch was set", 0.25, ("toggle_changed",), {}),
        ("changes_saved", _SYSTEM, "the changes were reported as saved", 0.5, ("banner", "element_present"), {}),
        ("query_filled", _SEARCH, "the search field holds the right term", 0.25, ("query_filled",), {}),
        ("results_rendered", _SEARCH, "the search showed its results", 0.5, ("results_rendered",), {}),
        ("entry_opened", _SEARCH, "the right entry was opened", 0.5, ("entry_opened",), {}),
    )
}
"""The catalogue by name."""
