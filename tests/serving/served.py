"""A server of tasks on a thread of this process, and a client that speaks to it frame by frame."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.sync.client import ClientConnection, connect

from milepost.envs.serving.catalogue import Catalogue
from milepost.envs.serving.server import EnvServer
from milepost.envs.serving.sessions import Sessions

HELD_OUT_SEED = 1_000_000


@contextmanager
def serving(
    name: str, *, most: int = 16, idle_s: float = 60.0, seeds: int = 10, **settings: Any
) -> Iterator[EnvServer]:
    catalogue = Catalogue.of(name, held_out_seed=HELD_OUT_SEED, seeds=seeds)
    with EnvServer(Sessions(catalogue, most=most, idle_s=idle_s), **settings) as server:
        server.start()
        yield server


def dialled(server: EnvServer, **settings: Any) -> ClientConnection:
    socket: ClientConnection = connect(server.url.replace("http", "ws", 1) + "/ws", proxy=None, **settings)
    return socket


def ask(socket: ClientConnection, kind: str, **data: Any) -> tuple[str, Any]:
    """Send one message; return the answer's type and data."""
    socket.send(json.dumps({"type": kind, "data": data}))
    answer = json.loads(socket.recv(timeout=60))
    return answer["type"], answer["data"]
