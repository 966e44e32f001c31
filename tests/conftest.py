"""Test processes that run side by side share the machine: each keeps torch to its part of the cores."""

import os

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Before anything imports torch: two that take every core each wait for one another most of the time."""
    if worker := getattr(config, "workerinput", None):
        threads = max(1, (os.cpu_count() or 1) // int(worker["workercount"]))
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))
