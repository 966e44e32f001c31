"""Policies written in Python: a function from an observation to the text of an action, or a `Policy`."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...sandbox.errors import EngineError, MilepostError, RunError
from ..policies import Decision, Policy, View


class FunctionPolicy:
    """Plays what a function answers to each observation.

    Args:
        function: from an observation (see docs/actions.md; a mapping of texts) to the text of an action.
        name: how errors call it.
    """

    def __init__(self, function: Callable[[Mapping[str, Any]], str], name: str) -> None:
        self._function, self._name = function, name

    def decide(self, views: Sequence[View]) -> list[Decision]:
        """Return its answer for each episode.

        Raises:
            EngineError: it raised, or answered something else than text.
        """
        return [Decision(action=self._act(view)) for view in views]

    def _act(self, view: View) -> str:
        try:
            action = self._function(dict(view.observation))
        except Exception as error:
            raise _broken(self._name, error) from error
        if not isinstance(action, str):
            raise EngineError(
                f"the policy {self._name} answered {action!r:.80}; expected the text of an action, such as 'click(3)'"
            )
        return action


class GuardedPolicy:
    """A `Policy` of the user's, whose errors say whose they are."""

    def __init__(self, policy: Policy, name: str) -> None:
        self._policy, self._name = policy, name

    def decide(self, views: Sequence[View]) -> list[Decision]:
        """Return its decisions.

        Raises:
            EngineError: it raised, or returned something else than a decision for each view.
        """
        try:
            decisions = list(self._policy.decide(views))
        except MilepostError:
            raise
        except Exception as error:
            raise _broken(self._name, error) from error
        if len(decisions) != len(views) or not all(isinstance(d, Decision) for d in decisions):
            raise EngineError(
                f"the policy {self._name}: expected a list of {len(views)} Decisions, one for each view, got "
                f"{decisions!r:.80}"
            )
        return decisions


def python_policy(name: str, where: str, what: str) -> tuple[dict[str, Any], Callable[[], Policy]]:
    """Return what identifies the policy `where:what`, and what makes it.

    Args:
        name: how errors call it.
        where: a module's name, or a Python file.
        what: the function, class or object in it, with dots for what lies within.

    Raises:
        RunError: there is no such module or file.
        EngineError: it cannot be imported, or has no such function.
    """
    found: Any = _module(name, where)
    for part in what.split("."):
        if not hasattr(found, part):
            raise EngineError(f"policy {name!r}: {where} has no {part!r}; name a function or a class that it defines")
        found = getattr(found, part)
    file = getattr(sys.modules.get(getattr(found, "__module__", "")), "__file__", None)
    source = None if file is None else hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16]
    identity: dict[str, Any] = {"kind": "python", "name": name, "source": source}

    def load() -> Policy:
        made: Any = found
        if isinstance(found, type):
            try:
                made = found()
            except Exception as error:
                raise _broken(name, error) from error
        if hasattr(made, "decide"):
            return GuardedPolicy(made, name)
        if not callable(made):
            raise EngineError(
                f"policy {name!r}: expected a function of an observation, or a class or object with `decide(views)`, "
                f"got {made!r:.80}"
            )
        return FunctionPolicy(made, name)

    return identity, load


def _module(name: str, where: str) -> Any:
    if not where.endswith(".py"):
        sys.path.insert(0, "")  # as `python -m` does: modules of the folder one stands in
        try:
            return importlib.import_module(where)
        except ModuleNotFoundError as error:
            if error.name is None or not (where == error.name or where.startswith(f"{error.name}.")):
                raise _broken(name, error) from error
            raise RunError(
                f"policy {name!r}: there is no module {where!r} here. A policy is a scripted one such as "
                "oracle, a folder, openai:MODEL@URL, module:callable or file.py:callable."
            ) from error
        except Exception as error:
            raise _broken(name, error) from error
        finally:
            sys.path.remove("")
    path = Path(where)
    if not path.is_file():
        raise RunError(f"policy {name!r}: there is no file {where}; name one, as in my_policy.py:act")
    spec = importlib.util.spec_from_file_location(f"milepost_policy_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise _broken(name, error) from error
    return module


def _broken(name: str, error: Exception) -> EngineError:
    trace, place = error.__traceback__, ""
    while trace is not None:
        place = f" ({Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno})"
        trace = trace.tb_next
    return EngineError(
        f"the policy {name} raised {type(error).__name__}: {error}{place}. Mend it; episodes that have ended are kept."
    )


__all__ = ["FunctionPolicy", "GuardedPolicy", "python_policy"]
