"""Gymnasium wrappers for environments of milepost: see docs/wrappers.md.

Gymnasium's own work as well; these know what an observation of ours holds, and leave `info` as it was measured.
"""

from __future__ import annotations

from .history import HistoryStack
from .limits import TimeLimit
from .recording import RecordEpisode
from .rewards import RewardScale
from .views import ScreenshotOnly, TextOnly

__all__ = ["HistoryStack", "RecordEpisode", "RewardScale", "ScreenshotOnly", "TextOnly", "TimeLimit"]
