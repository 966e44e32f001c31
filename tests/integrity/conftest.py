"""One player for the whole suite: its pages stay warm, each attack is an episode of its own."""

import pytest

from .stage import Player


@pytest.fixture(scope="package")
def play():
    player = Player()
    yield player
    player.close()
