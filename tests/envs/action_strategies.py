"""Hypothesis strategies for actions: every class of the registry, from its own fields."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from milepost.envs.actions import ACTION_TYPES, Action

LINES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)
TEXTS = st.one_of(st.just(""), LINES)
TARGETS = st.one_of(st.integers(0, 10**6), LINES)
ROLES = st.sampled_from(["button", "link"])
SMALL = st.integers(1, 3)
BY_NAME: dict[str, st.SearchStrategy[Any]] = {
    "target": TARGETS,
    "onto": TARGETS,
    "role": ROLES,
    "onto_role": ROLES,
    "nth": SMALL,
    "onto_nth": SMALL,
    "tab": SMALL,
    "count": SMALL,
    "direction": st.sampled_from(["up", "down", "left", "right"]),
    "button": st.sampled_from(["left", "right", "middle"]),
    "x": st.floats(0, 1280, exclude_max=True),
    "to_x": st.floats(0, 1280, exclude_max=True),
    "y": st.floats(0, 720, exclude_max=True),
    "to_y": st.floats(0, 720, exclude_max=True),
    "ms": st.integers(1, 60_000),
}
MAY_BE_EMPTY = {
    ("fill", "text"),
    ("write_file", "text"),
    ("append_file", "text"),
    ("done", "text"),
    ("dialog_accept", "text"),
}


def _action(verb: str) -> st.SearchStrategy[Action]:
    cls = ACTION_TYPES[verb]
    required: dict[str, st.SearchStrategy[Any]] = {}
    optional: dict[str, st.SearchStrategy[Any]] = {}
    for name, field in cls.model_fields.items():
        if name != "kind":
            values = BY_NAME.get(name, TEXTS if (verb, name) in MAY_BE_EMPTY else LINES)
            (required if field.is_required() else optional)[name] = values
    made: st.SearchStrategy[Any] = st.fixed_dictionaries(required, optional=optional).map(lambda values: cls(**values))
    return made


actions: st.SearchStrategy[Action] = st.sampled_from(sorted(ACTION_TYPES)).flatmap(_action)
