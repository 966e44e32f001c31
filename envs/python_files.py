"""Python of a task's author: modules by name, and files by path."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from ..sandbox.errors import MilepostError, TaskError


def load_module(module: str, reference: str) -> Any:
    """Import a module by its dotted name, or a .py file by its path, once per process.

    Args:
        module: the name or path.
        reference: where it was named, for messages.

    Raises:
        TaskError: it is not there, or raises while it is imported.
    """
    try:
        if not module.endswith(".py"):
            return importlib.import_module(module)
        return _load_file(Path(module))
    except ModuleNotFoundError as error:
        raise TaskError(
            f"{reference!r} cannot be imported ({error}); install the package, or name a file: ./server.py:app"
        ) from error
    except MilepostError:
        raise
    except Exception as error:  # the author's code: whatever it raises is the answer
        raise TaskError(f"{reference!r} raises {type(error).__name__} when imported: {error}; mend it") from error


def _load_file(path: Path) -> Any:
    if not path.is_file():
        raise TaskError(f"expected a Python file at {path}, found none; paths are relative to the task's file")
    name = f"milepost_file_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise TaskError(f"{path} is no Python file")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded
    sys.path.insert(0, str(path.parent))  # so that it can import what lies beside it
    try:
        spec.loader.exec_module(loaded)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(str(path.parent))
    return loaded


__all__ = ["load_module"]
