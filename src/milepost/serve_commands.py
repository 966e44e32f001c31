"""The `milepost serve` command: tasks for other frameworks, by the protocol of OpenEnv."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from .console import Json, print_json, stderr

if TYPE_CHECKING:
    from .envs.serving.server import EnvServer

TOKEN_VARIABLE = "MILEPOST_SERVE_TOKEN"


def serve(
    name: Annotated[
        str,
        typer.Argument(
            metavar="TASK|SUITE", help="A task, a suite or a part of one (core:train), or a file of either."
        ),
    ],
    *,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    max_sessions: Annotated[int, typer.Option(min=1, help="Most episodes at once; each has a page of its own.")] = 16,
    idle_timeout: Annotated[
        float, typer.Option(min=1.0, help="Seconds without a request after which a session ends.")
    ] = 1800.0,
    screenshots: Annotated[bool, typer.Option(help="Send a picture of the page with every observation.")] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="A name that clients may call this server by, besides numbers and localhost; '*': any."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of each task that the task API counts in a split.")] = 1000,
    as_json: Json = False,
) -> None:
    """Serve tasks as an OpenEnv environment, until Ctrl-C.

    Clients connect to ws://HOST:PORT/ws. If the environment variable MILEPOST_SERVE_TOKEN is set, they must send it as
    `Authorization: Bearer TOKEN`. --json prints the address as one JSON document when the server listens.
    """
    from .agents.evaluate import HELD_OUT_SEED
    from .envs.serving.catalogue import Catalogue
    from .envs.serving.server import EnvServer
    from .envs.serving.sessions import Sessions
    from .sandbox.chromium import find_chromium

    find_chromium()  # without one every reset would fail; better said at once
    catalogue = Catalogue.of(name, held_out_seed=HELD_OUT_SEED, seeds=seeds)
    sessions = Sessions(catalogue, most=max_sessions, idle_s=idle_timeout, screenshots=screenshots)
    token = os.environ.get(TOKEN_VARIABLE) or None
    try:
        with EnvServer(sessions, host=host, port=port, hosts=allow_host or (), token=token) as server:
            if as_json:
                print_json({"url": server.url, "name": catalogue.name, "tasks": list(catalogue.ids)})
            _announce(server, catalogue.name, len(catalogue.ids), closed=token is not None)
            server.run()
    except KeyboardInterrupt:
        pass  # how serving ends


def _announce(server: EnvServer, name: str, tasks: int, *, closed: bool) -> None:
    console = stderr()
    console.print(
        f"{name}: {tasks} {'task' if tasks == 1 else 'tasks'} at {server.url}, at most {server.sessions.most} "
        "sessions; Ctrl-C ends it",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    if not closed and not server.is_local:
        console.print(
            f"Whoever reaches {server.host}:{server.port} can make this machine run pages. Set {TOKEN_VARIABLE} to ask "
            "for a token.",
            style="yellow",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


__all__ = ["TOKEN_VARIABLE", "serve"]
