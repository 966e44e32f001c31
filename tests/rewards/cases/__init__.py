"""Every detector's three episodes, by family; `tests/rewards/test_every_detector.py` plays them."""

from .case import Case
from .combined import COMBINED
from .outside import OUTSIDE
from .pages import PAGES

CASES: dict[str, Case] = {**PAGES, **OUTSIDE, **COMBINED}
"""By detector kind."""

__all__ = ["CASES", "Case"]
