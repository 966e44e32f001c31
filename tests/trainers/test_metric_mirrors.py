import sys
from types import SimpleNamespace

import pytest

from milepost.sandbox.errors import RunError
from milepost.trainers.metrics import MetricsWriter
from milepost.trainers.run_folder import RunFolder


class Service:
    """What a mirror needs of wandb: runs by id, which remember what they were told."""

    def __init__(self):
        self.runs = {}
        self.asked = []

    def init(self, **how):
        self.asked.append(how)
        run = self.runs.setdefault(how["id"] or f"run{len(self.runs)}", SimpleNamespace(logged=[], finished=0))
        run.id = next(k for k, v in self.runs.items() if v is run)
        run.step = run.logged[-1][0] + 1 if run.logged else 0
        run.log = lambda values, step: run.logged.append((step, values))
        run.finish = lambda: setattr(run, "finished", run.finished + 1)
        return run


@pytest.fixture
def folder(tmp_path):
    with RunFolder.create(tmp_path / "mine", {"tasks": ["a"]}, 3) as made:
        yield made


def test_a_resumed_run_goes_on_in_the_same_place_and_repeats_nothing(folder, monkeypatch):
    service = Service()
    monkeypatch.setitem(sys.modules, "wandb", service)
    with MetricsWriter(folder, tensorboard=False, wandb="clicks") as metrics:
        for i in range(3):
            metrics.log(i, {"train/success": i / 10})
    with MetricsWriter(folder, tensorboard=False, wandb="clicks") as metrics:
        metrics.truncate_after(1)
        metrics.log(2, {"train/success": 0.9})
        metrics.log(3, {"train/success": 0.3})
    (run,) = service.runs.values()
    assert run.logged == [(i, {"train/success": i / 10}) for i in range(4)]
    assert run.finished == 2
    assert [(a["project"], a["name"], a["id"]) for a in service.asked] == [
        ("clicks", "mine", None), ("clicks", "mine", "run0"),
    ]  # fmt: skip
    assert service.asked[0]["config"]["tasks"] == ["a"]


def test_without_the_package_it_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(RunError, match="pip install wandb"):
        MetricsWriter(folder, tensorboard=False, wandb="clicks")


def test_a_service_that_refuses_is_named_with_its_cure(folder, monkeypatch):
    def refuse(**how):
        raise ValueError("api_key not configured")

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=refuse))
    with pytest.raises(RunError, match=r"api_key not configured.*WANDB_MODE=offline"):
        MetricsWriter(folder, tensorboard=False, wandb="clicks")
