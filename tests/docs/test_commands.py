"""Every command of the documentation is one: it is run here, or its words are held against the real command line.

What a page shows is run in a folder of its own, top to bottom. What would take minutes, or never ends, or needs what
only its reader has, is listed below with the reason; of such a command the options, the values and the files are
checked, and the settings of a training are loaded and validated.
"""

import itertools
import re
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel

from milepost.agents.hand_play import HandPlay
from milepost.cli import app
from milepost.command_help import commands as declared
from milepost.envs.registration import BUNDLED_TASKS, isolated_registry
from milepost.envs.suites import expand
from milepost.sandbox.errors import RunError
from milepost.trainers.config import load_config, load_settings
from milepost.trainers.demonstrations import Demonstrations
from milepost.trainers.offline_config import PreferenceTrainingConfig, ReSTConfig, SFTConfig
from milepost.trainers.ppo_config import load_ppo_config
from milepost.trainers.reward_model_config import RewardModelConfig

from .pages import ROOT, Command, blocks, commands, pages
from .running import run, without_redirection, workplace

NOT_RUN: dict[str, str] = {
    r"milepost train ": "trains for minutes; its configuration and settings are loaded instead",
    r"milepost serve ": "serves until Ctrl-C; tests/serving starts it",
    r"milepost view (?!.*--export)": "serves until Ctrl-C; tests/cli/test_view.py starts it",
    r"milepost view .*--episode 17": "a run of the reader's; tests/cli/test_view.py",
    r"milepost label ": "needs people's choices; tests/cli/test_label.py runs all three",
    r"milepost play .*--page": "serves until Ctrl-C; tests/playing plays on the page",
    r"milepost record ": "needs a trained policy; tests/trainers/test_offline_runs.py and tests/cli/test_offline.py",
    r"milepost preferences ": "needs recorded runs and a judge; tests/cli/test_preferences_from_judge.py",
    r"milepost tasks check --suite ": "plays 72 tasks; tests/apps/test_suite_episodes.py and `make suites`",
    r"milepost eval core": "plays 54 or 72 tasks",
    r"milepost eval .*--policy runs/": "needs a trained policy; tests/cli/test_train.py and the tutorials",
    r"milepost eval .*--reward ": "needs a judge's server; tests/cli/test_eval.py",
    r"milepost report evals/core": "evaluations of the reader's; the tutorial compares two",
}
"""Commands that are not run: what they begin with or look like, and why."""

SMALLER: dict[str, tuple[str, ...]] = {
    r"milepost eval .* -k 8": ("--seeds", "1", "-k", "2"),
    r"milepost eval ": ("--seeds", "1"),
    r"milepost tasks check \S+\.yaml": ("--seeds", "1", "--null-steps", "2"),
}
"""Arguments that make a run command smaller; the last word on an option counts."""

FOLLOWED = "docs/tutorials/"
"""Pages that test_tutorials.py follows block by block."""

OF_THE_READER = (
    "runs/mine", "runs/new", "runs/notes", "runs/first", "runs/levels", "runs/quickstart", "evals/core-",
    "my_suite.yaml", "my_tasks/", "my-task", "my-form.yaml", "tasks/",
)  # fmt: skip
"""Names that stand for something of the reader's; `given` makes those that are run."""

LAUNCHERS = {"accelerate", "torchrun"}
ELSEWHERE = {*LAUNCHERS, "pip", "docker", "python", "make", ".", ".ci/run", ".venv/bin/pre-commit"}
"""Programs that are not ours to run here: what they name is checked."""

_SETTINGS: dict[str, type[BaseModel]] = {
    "sft": SFTConfig, "dpo": PreferenceTrainingConfig, "rest": ReSTConfig, "rm": RewardModelConfig,
}  # fmt: skip


def given(page: str) -> None:
    """Put into the working folder what a page takes for granted."""
    if page in {"README.md", "docs/quickstart.md"}:
        run_folder = Path("runs/quickstart")
        with (
            Demonstrations.open(run_folder) as demonstrations,
            HandPlay.begin("expense-form", seed=3, ledger_dir=demonstrations.ledger_dir()) as play,
        ):
            for action in play.oracle:
                play.act(action)
            assert demonstrations.keep(play.trajectory())
        Path("my-form.yaml").write_text((BUNDLED_TASKS / "expense-form.yaml").read_text(), encoding="utf-8")
    if page == "docs/tasks.md":
        (train,) = [block.text for block in blocks(page) if block.text.startswith("tasks: [order-parts.yaml]")]
        Path("parts").mkdir()
        Path("parts/train.yaml").write_text(train, encoding="utf-8")
        Path("parts/tasks").mkdir()
        (task,) = [block.text for block in blocks(page) if "\nname: order-parts\n" in block.text]
        Path("parts/tasks/order-parts.yaml").write_text(task.replace("./order-parts", "../order-parts"))
    for block in blocks(page):
        if block.title and block.language != "html":
            Path(block.title).write_text(block.text, encoding="utf-8")


def reason_not_to_run(command: Command) -> str | None:
    return next((why for pattern, why in NOT_RUN.items() if re.match(pattern, command.text)), None)


ALL = [(page, list(commands(page))) for page in pages() if any(commands(page))]
OURS = [(page, [c for c in found if c.words[0] == "milepost"]) for page, found in ALL]


@pytest.mark.parametrize(
    ("page", "found"), [pair for pair in OURS if pair[1]], ids=lambda v: v if isinstance(v, str) else ""
)
def test_every_command_of_ours_parses(page: str, found: list[Command]):
    for command in found:
        parsed(command)


@pytest.mark.browser
@pytest.mark.parametrize("page", [page for page, _ in ALL if not page.startswith(FOLLOWED)])
def test_the_commands_of_a_page_do_what_they_say(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    workplace(tmp_path / "work", monkeypatch)
    with isolated_registry():
        given(page)
        for command in commands(page):
            where = f"{page}:{command.line}: {command.text}"
            if command.words[0] in ELSEWHERE:
                continue
            if command.words[:2] == ("mkdir", "parts") and Path("parts").is_dir():
                continue
            if reason_not_to_run(command) is None:
                more = next((m for pattern, m in SMALLER.items() if re.match(pattern, command.text)), ())
                ran = run(command, *more)
                assert ran.code == 0, f"{where}\n{ran.out}"
            elif command.words[:2] == ("milepost", "train"):
                settings_of(command)
            named_files_are_there(command)


def test_every_program_of_others_names_what_there_is():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for _, found in ALL:
        for command in found:
            name, *words = command.words
            where = f"{command.page}:{command.line}: {command.text}"
            match name:
                case "make":
                    for target in words:
                        assert re.search(rf"^{target.partition('=')[0]}( *\?=|:)", makefile, re.MULTILINE), where
                case "pip":
                    for extra in re.findall(r"\[([a-z,]+)\]", command.text):
                        assert set(extra.split(",")) <= set(extras), where
                case "python":
                    check_script(words, where)
                case "accelerate" | "torchrun":
                    module, config = words[words.index("-m") + 1 :][:2]
                    assert find_spec(module) is not None, where
                    kind = module.rpartition(".")[2]
                    settings_of(Command(page="", line=0, words=("milepost", "train", kind, config)))
                case "docker":
                    assert (ROOT / "docker" / "Dockerfile").is_file(), where
                case "." | ".ci/run" | ".venv/bin/pre-commit" | "milepost" | "mkdir" | "cd":
                    pass
                case _:
                    pytest.fail(f"{where}: a program that this test does not know")


def check_script(words: list[str], where: str) -> None:
    if words[0] == "-m":
        assert find_spec(words[1]) is not None, where
        return
    script = ROOT / words[0]
    assert script.is_file(), where
    source = script.read_text(encoding="utf-8")
    for option in re.findall(r"--[a-z-]+", " ".join(words)):
        assert f'"{option}"' in source, f"{where}: {words[0]} has no {option}"


def test_commands_in_running_text_exist():
    """`milepost eval` and the like between back-ticks, wherever they stand."""
    known = {words for words, _ in declared(app)}
    groups = {words[:1] for words in known if len(words) > 1}
    for page in pages():
        for text in re.findall(r"`milepost ([a-z][^`]*)`", (ROOT / page).read_text(encoding="utf-8")):
            words = tuple(text.split())
            assert (
                words[:1] in known
                or words[:2] in known
                or (words[:1] in groups and not words[1:2])
                or (
                    words[0] == "label"  # `milepost label RUN` is short for `milepost label serve RUN`
                )
            ), f"{page}: milepost {text}"


def test_every_reason_not_to_run_is_needed():
    """A pattern that no command fits any more is taken out of the list."""
    texts = [command.text for _, found in OURS for command in found]
    assert [pattern for pattern in NOT_RUN if not any(re.match(pattern, text) for text in texts)] == []


def test_what_is_wrong_is_found():
    for text in ("tasks lits", "eval expense-form --polcy oracle", "play expense-form --seed x", "record expense-form"):
        with pytest.raises(Exception, match=r"(?i)no such|missing|a valid integer"):
            parsed(Command(page="", line=1, words=("milepost", *text.split())))
    misspelt = Command(page="", line=1, words=("milepost", "train", "grpo", "examples/quickstart/config.yaml", "sed=1"))
    with pytest.raises(RunError, match="nearest setting"):
        settings_of(misspelt)


def parsed(command: Command) -> Any:
    """Hold a command's words against the command line without running it."""
    arguments = without_redirection(command.words)[1:]
    if arguments[0] == "label" and arguments[1] not in {"serve", "report", "consensus"}:
        arguments.insert(1, "serve")
    here = typer.main.get_command(app)
    name = "milepost"
    context: Any = None
    while commands_below := getattr(here, "commands", None):
        name = arguments.pop(0)
        if name not in commands_below:
            raise AssertionError(f"no such command: {command.text}")
        here = commands_below[name]
    context = here.make_context(name, arguments)
    return context.params


def settings_of(command: Command) -> None:
    """Load the settings of a training's command, as it would."""
    _, _, kind, path, *overrides = command.words
    here = Path(path) if Path(path).exists() else ROOT / path
    match kind:
        case "grpo":
            tasks = load_config(here, overrides).tasks
        case "ppo":
            tasks = load_ppo_config(here, overrides).tasks
        case _:
            loaded: Any = load_settings(here, overrides, _SETTINGS[kind], kind=kind, example=str(path))
            tasks = getattr(loaded, "tasks", ())
    assert expand(tasks) or not tasks


def named_files_are_there(command: Command) -> None:
    """What looks like a file or folder is in the checkout, was made by an earlier command, or is the reader's."""
    made_here = ("--out", "--html", "--csv", "--export", "--record")
    words = without_redirection(command.words)
    for before, word in itertools.pairwise(words):
        if before in made_here or "=" in word or "@" in word or not re.search(r"/|\.(yaml|jsonl|py)$", word):
            continue
        there = Path(word.rpartition(":")[0] or word).exists() or (ROOT / word).exists()
        assert there or word.startswith(OF_THE_READER) or promised(command, word), (
            f"{command.page}:{command.line}: {word}"
        )


def promised(command: Command, word: str) -> bool:
    """Whether an earlier command of the page, one that is not run here, would have made it."""
    for earlier in commands(command.page):
        if earlier.line > command.line:
            return False
        if earlier.words[:2] == ("milepost", "train"):
            config = Path(earlier.words[3])
            text = (config if config.exists() else ROOT / config).read_text(encoding="utf-8")
            if re.search(rf"^(run|out): {re.escape(word)}$", text, re.MULTILINE) or f"run={word}" in earlier.words:
                return True
        for option in ("--out", "--record"):
            if option in earlier.words and earlier.words[earlier.words.index(option) + 1] == word:
                return True
    return False
