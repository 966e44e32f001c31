"""The `milepost label` commands: people compare episodes, and what can be made of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table
from typer.core import TyperGroup

from .console import HELP_OPTIONS, Json, print_json, stderr, stdout

if TYPE_CHECKING:
    from .trainers.labelling.consensus import Consensus
    from .trainers.labelling.label_report import LabelReport
    from .trainers.labelling.plan import LabelPlan

_FALLBACK = "serve"


class _ServeByDefault(TyperGroup):
    """Takes `label RUN` for `label serve RUN`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # click's Context, or the one that typer brings
        """Put the command in front if none is named."""
        if args and args[0] not in self.commands and args[0] not in HELP_OPTIONS["help_option_names"]:
            args = [_FALLBACK, *args]
        return super().parse_args(ctx, args)


label_app = typer.Typer(
    cls=_ServeByDefault,
    help="Compare recorded episodes in the browser; `milepost label RUN` is short for `milepost label serve RUN`.",
    no_args_is_help=True,
    context_settings=HELP_OPTIONS,
)

Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files that `milepost label RUN` wrote.")]


@label_app.command(_FALLBACK)
def serve(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs with recorded episodes.")],
    *,
    annotator: Annotated[str | None, typer.Option(help="Your name; the user's of this machine if left out.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="The JSONL file to add to; labels.jsonl in the first run if left out.")
    ] = None,
    pairs: Annotated[int, typer.Option(min=1, help="Most pairs to label.")] = 50,
    seeds: Annotated[int | None, typer.Option(min=1, help="Most seeds of each task; all if left out.")] = None,
    calibration: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Pairs with a known answer, as a share of the pairs to label.")
    ] = 0.15,
    repeats: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Pairs shown again with sides swapped, as a share likewise.")
    ] = 0.1,
    tasks: Annotated[
        list[str] | None,
        typer.Option(help="Task files of your own, to take pictures of their episodes; may be repeated."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 0,
) -> None:
    """Show pairs of episodes in the browser and write down which is better; goes on where it stopped."""
    from tempfile import TemporaryDirectory

    from .envs.registration import register_tasks
    from .trainers.labelling.plan import PlanSettings, make_plan
    from .trainers.labelling.server import LabelPage
    from .trainers.labelling.session import LabelSession
    from .trainers.local_page.server import LocalServer
    from .trainers.pictures import PictureMaker, picture_folder
    from .trainers.recorded import RecordedEpisodes

    for file in tasks or ():
        register_tasks(file)
    console = stderr()
    settings = PlanSettings(pairs=pairs, seeds=seeds, calibration=calibration, repeats=repeats)
    with console.status("reading"):
        plan = make_plan(runs, _user() if annotator is None else annotator, settings)
    session = LabelSession(plan, runs[0] / "labels.jsonl" if out is None else out)
    episodes = RecordedEpisodes()
    with TemporaryDirectory(prefix="milepost-pictures-") as temporary:
        folders = {run.resolve(): picture_folder(run.resolve(), Path(temporary)) for run in runs}
        maker = PictureMaker(episodes.trajectory, lambda ref: folders[ref.run])
        server = LocalServer(LabelPage(session, maker, episodes.trajectory).app(), port=port)
        try:
            with server:
                _announce(plan, session.done, session.out, maker.note, server.url)
                server.run()
        except KeyboardInterrupt:
            pass  # how labelling ends
        finally:
            maker.close()
    console.print(
        f"{session.done} of {session.total} answered, in {session.out}. The same command goes on from there.",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""  # which the session refuses, naming the option


def _announce(plan: LabelPlan, done: int, out: Path, note: str, url: str) -> None:
    from .rewards.labels import Purpose

    console = stderr()
    new, known, again = (plan.count(p) for p in (Purpose.NEW, Purpose.CALIBRATION, Purpose.SWAPPED))
    console.print(
        f"{plan.annotator}: {len(plan.slots)} pairs of {plan.episodes} episodes in {plan.groups} groups of task and "
        f"seed ({new} to label, {known} with a known answer, {again} shown again); {done} answered in {out}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    if note:
        console.print(note, style="yellow", highlight=False, markup=False, soft_wrap=True)
    print(url, flush=True)
    console.print("Open this address in a browser on this machine. Ctrl-C ends; nothing is lost.", highlight=False)


@label_app.command("consensus")
def consensus_command(
    labels: Files,
    *,
    out: Annotated[Path, typer.Option(help="The JSONL file of preferences to write.")],
    min_accuracy: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Annotators who did worse on known answers have no vote.")
    ] = 0.75,
    min_calibration: Annotated[
        int, typer.Option(min=1, help="Known answers from which on an annotator's accuracy counts.")
    ] = 4,
    min_votes: Annotated[int, typer.Option(min=1, help="Least votes on a pair.")] = 1,
    with_calibration: Annotated[
        bool, typer.Option("--with-calibration", help="Also take pairs whose answer was known.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Merge annotators' choices into preferences to train on, by majority.

    Exits with 1 if there is no pair with a majority for one episode.
    """
    from .rewards.label_files import read_labels
    from .rewards.preferences import write_preferences
    from .sandbox.errors import RewardError
    from .trainers.labelling.consensus import ConsensusSettings, consensus

    if out.resolve() in [file.resolve() for file in labels]:
        raise RewardError(f"{out} holds choices that people made, and would be replaced. Give another file as --out.")
    made = consensus(
        read_labels(labels),
        ConsensusSettings(
            min_accuracy=min_accuracy,
            min_calibration=min_calibration,
            min_votes=min_votes,
            with_calibration=with_calibration,
        ),
    )
    if made.rankings:
        write_preferences(out, made.rankings)
    if as_json:
        print_json({"out": str(out), **made.to_json()})
    else:
        _show_consensus(made, out)
    if not made.rankings:
        raise typer.Exit(1)


def _show_consensus(made: Consensus, out: Path) -> None:
    console = stdout()
    written = (
        f"{len(made.rankings)} preferences of {made.pairs} pairs in {out} ({made.unanimous} unanimous)"
        if made.rankings
        else f"nothing to write of {made.pairs} pairs, {out} is left as it was"
    )
    print(
        f"{written}; left out: "
        f"{made.tied} ties, {made.disagreed} without a majority, {made.too_few} with too few votes, "
        f"{made.calibration_pairs} with a known answer"
    )
    for name, calibration in made.excluded.items():
        console.print(
            f"excluded: {name}, {calibration.right} of {calibration.answered} known answers right",
            style="yellow",
            highlight=False,
            markup=False,
        )
    for name in made.unchecked:
        console.print(
            f"kept unchecked: {name}, who answered {made.accepted[name].answered} pairs with a known answer",
            highlight=False,
            markup=False,
        )


@label_app.command("report")
def report_command(labels: Files, *, as_json: Json = False) -> None:
    """Say how far annotators agree, whether they favour a side, and how they do on pairs whose answer is known."""
    from .rewards.label_files import read_labels
    from .trainers.labelling.label_report import label_report

    report = label_report(read_labels(labels))
    if as_json:
        print_json(report.to_json())
    else:
        _show_report(report)


def _show_report(report: LabelReport) -> None:
    console = stdout()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("annotator")
    for column in ("left", "right", "tie", "skip", "left share", "p", "known answers", "same when swapped", "seconds"):
        table.add_column(column, justify="right")
    for name, a in report.annotators.items():
        table.add_row(
            escape(name),
            *(str(a.choices[choice]) for choice in ("left", "right", "tie", "skip")),
            _number(a.side.share),
            _number(a.side.p_value) if a.side.chosen else "-",
            f"{a.calibration_right} of {a.calibration_answered}",
            f"{a.swapped.same} of {a.swapped.shown}",
            "-" if a.seconds is None else f"{a.seconds:.1f}",
        )
    console.print(table)
    lines = [
        f"{report.choices} choices on {report.pairs} pairs, {report.shared_pairs} of them by two or more annotators"
    ]
    lines += [
        f"{two.first} and {two.second}: same answer on {_number(two.observed)} of {two.pairs} pairs, Cohen's kappa "
        f"{_number(two.kappa)}"
        for two in report.agreement
        if two.pairs
    ]
    if report.shared_pairs:
        lines.append(f"Krippendorff's alpha of all: {_number(report.alpha)}")
    lines.append(
        f"left was chosen {report.side.left} times of {report.side.chosen}, p = {report.side.p_value:.3f} if sides are "
        "even (pairs shown again not counted)"
    )
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.2f}"


__all__ = ["label_app"]
