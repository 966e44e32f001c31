"""Which tasks are served, and how the task API numbers them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milepost.envs.registration import task_for
from milepost.envs.serving.catalogue import Catalogue
from milepost.envs.suites import Suite, register_suite
from milepost.sandbox.errors import TaskError

from .served import HELD_OUT_SEED

SUITE = Suite(name="served", tasks=("expense-form", "search-open"), held_out=("report-download",))


@pytest.fixture(scope="module", autouse=True)
def _suite():
    from milepost.envs.suites import _suites

    register_suite(SUITE)
    yield
    del _suites["served"]


def of(name: str, **settings: int) -> Catalogue:
    return Catalogue.of(name, held_out_seed=HELD_OUT_SEED, **settings)


def test_a_task_is_split_by_seed():
    catalogue = of("expense-form", seeds=5)
    assert (catalogue.name, list(catalogue.splits)) == ("expense-form", ["train", "test"])
    assert [i["seed"] for i in catalogue.items("train")] == [0, 1, 2, 3, 4]
    assert [i["seed"] for i in catalogue.items("test", -2)] == [HELD_OUT_SEED + 3, HELD_OUT_SEED + 4]
    item = catalogue.item("test", 1)
    assert item["goal"] == task_for("expense-form").instantiate(HELD_OUT_SEED + 1).goal
    assert not set(item) & {"oracle", "milestones"}, "an agent may see what the task API says"


def test_a_suite_is_split_by_template_as_well():
    catalogue = of("served", seeds=3)
    assert list(catalogue.splits) == ["train", "test", "held_out"]
    assert {i["task"] for i in catalogue.items("held_out")} == {"milepost/report-download-v0"}
    assert not {i["task"] for i in catalogue.items("train")} & {i["task"] for i in catalogue.items("held_out")}
    assert of("served:held_out").ids == ("milepost/report-download-v0",)


@given(seeds=st.integers(1, 7), split=st.sampled_from(["train", "test", "held_out"]))
def test_items_are_each_task_with_each_seed_once(seeds: int, split: str):
    catalogue = of("served", seeds=seeds)
    items = catalogue.items(split)
    assert len({(i["task"], i["seed"]) for i in items}) == len(items) == catalogue.count(split)
    assert [i["index"] for i in items] == list(range(len(items)))
    assert all(a["seed"] <= b["seed"] for a, b in pairwise(items))
    assert all((i["seed"] >= HELD_OUT_SEED) == (split != "train") for i in items)


def test_training_seeds_never_reach_the_held_out_ones():
    assert of("expense-form", seeds=10 * HELD_OUT_SEED).count("train") == HELD_OUT_SEED


def test_what_is_not_there_is_said():
    catalogue = of("expense-form", seeds=5)
    with pytest.raises(TaskError, match="there are train, test"):
        catalogue.item("valid", 0)
    for index in (-1, 5):
        with pytest.raises(IndexError, match="has items 0 to 4"):
            catalogue.item("train", index)
    with pytest.raises(TaskError, match="is not served here"):
        catalogue.resolve("search-open")
    with pytest.raises(TaskError, match="did you mean"):
        of("expense-fork")


def test_a_file_is_served(tmp_path):
    from milepost.envs.registration import BUNDLED_TASKS, isolated_registry

    text = (BUNDLED_TASKS / "expense-form.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(text.replace("name: expense-form", "name: my-form", 1))
    (tmp_path / "ours.yaml").write_text("name: ours\nfiles: [mine.yaml]\ntasks: [my-form]\n")
    with isolated_registry():
        assert of(str(tmp_path / "mine.yaml")).ids == ("milepost/my-form-v0",)
        assert of(str(tmp_path / "ours.yaml")).ids == ("milepost/my-form-v0",)
