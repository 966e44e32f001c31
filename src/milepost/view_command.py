"""The `milepost view` command: look at a run in the browser, or put episodes into one file to send."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import Json, print_json, stderr
from .sandbox.errors import RunError

if TYPE_CHECKING:
    from .trainers.viewing.index import RunIndex

_MOST_EXPORTED = 200


def view(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a training run or of an evaluation.")],
    *,
    tasks: Annotated[
        list[str] | None,
        typer.Option(help="Task files of your own, to take pictures of their episodes; may be repeated."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 0,
    export: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write one HTML file to send to somebody, and serve nothing.")
    ] = None,
    episode: Annotated[
        list[int] | None,
        typer.Option(min=0, help="An episode to export, by its number in the list; may be repeated."),
    ] = None,
    pictures: Annotated[bool, typer.Option(help="Export pictures, for which episodes are played again.")] = True,
    as_json: Json = False,
) -> None:
    """Open a run or an evaluation in the browser: its episodes step by step, two side by side, its curves.

    Prints an address to open; Ctrl-C ends. With --export, writes a file instead.
    """
    from .envs.registration import register_tasks
    from .trainers.viewing.index import RunIndex

    for file in tasks or ():
        register_tasks(file)
    if episode and export is None:
        raise RunError("expected --export FILE with --episode, got none; name a file, or leave --episode out.")
    with stderr().status("reading"):
        index = RunIndex.open(run)
    if export is None:
        _serve(index, port, as_json=as_json)
    else:
        _export(index, export, episode or [], pictures=pictures, as_json=as_json)


def _serve(index: RunIndex, port: int, *, as_json: bool) -> None:
    from tempfile import TemporaryDirectory

    from .trainers.local_page.server import LocalServer
    from .trainers.pictures import picture_folder
    from .trainers.viewing.server import Viewer
    from .trainers.viewing.tokens import TokenTexts

    console = stderr()
    with TemporaryDirectory(prefix="milepost-pictures-") as temporary:
        viewer = Viewer(index, TokenTexts(index.run), picture_folder(index.run, Path(temporary)))
        try:
            with LocalServer(viewer.app(), port=port) as server:
                console.print(f"{len(index.rows)} episodes in {index.run}", highlight=False, markup=False)
                if viewer.maker.note:
                    console.print(viewer.maker.note, style="yellow", highlight=False, markup=False, soft_wrap=True)
                if as_json:
                    print_json({"url": server.url, "episodes": len(index.rows)})
                else:
                    print(server.url, flush=True)
                console.print("Open this address in a browser on this machine. Ctrl-C ends.", highlight=False)
                server.run()
        except KeyboardInterrupt:
            pass  # how looking ends
        finally:
            viewer.maker.close()


def _export(index: RunIndex, out: Path, numbers: list[int], *, pictures: bool, as_json: bool) -> None:
    from tempfile import TemporaryDirectory

    from .agents.prompts import render_observation
    from .trainers.pictures import Pictures, picture_folder, pictures_of
    from .trainers.run_folder import write_atomically
    from .trainers.viewing.evaluations import page_alone
    from .trainers.viewing.export import Exported, exported_page
    from .trainers.viewing.tokens import TokenTexts

    last = len(index.rows) - 1
    if beyond := [number for number in numbers if number > last]:
        raise RunError(f"expected episodes from 0 to {last}, got {beyond[0]}; `milepost view` lists them.")
    chosen = list(dict.fromkeys(numbers)) or list(range(min(len(index.rows), _MOST_EXPORTED)))
    if not numbers and len(index.rows) > _MOST_EXPORTED:
        raise RunError(
            f"{index.run} holds {len(index.rows)} episodes, and a file of more than {_MOST_EXPORTED} would be too "
            "large to send; name some with --episode."
        )
    made: list[Exported] = []
    with TemporaryDirectory(prefix="milepost-pictures-") as temporary, stderr().status("reading") as status:
        folder = picture_folder(index.run, Path(temporary)) if pictures else Path(temporary)
        for done, number in enumerate(chosen, start=1):
            status.update(f"{done}/{len(chosen)} episodes")
            trajectory = index.trajectory(number)
            without = Pictures(files=(None,) * (len(trajectory.steps) + 1), note="Pictures were left out.")
            look = page_alone if index.is_evaluation else render_observation
            taken = pictures_of(trajectory, folder, look=look) if pictures else without
            made.append(Exported(number=number, pictures=taken))
        page = exported_page(index, TokenTexts(index.run), made)
        write_atomically(out, page)
    if as_json:
        print_json({"file": str(out), "episodes": chosen, "bytes": len(page)})
    else:
        print(out)


__all__ = ["view"]
