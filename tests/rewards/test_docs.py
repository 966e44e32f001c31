"""What the page about combined detectors shows is right: its YAML loads, its Python runs."""

import re
from pathlib import Path

import pytest
import yaml

from milepost.envs.milestone_spec import MilestoneSpec
from milepost.rewards import detections, detectors
from milepost.rewards.types import Evidence, Moment

from .scenes import moments, page

PAGE = (Path(__file__).parents[2] / "docs" / "combining_detectors.md").read_text(encoding="utf-8")
EXAMPLES = [entry for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) for entry in yaml.safe_load(block)]


@pytest.mark.parametrize("written", EXAMPLES, ids=lambda written: written["id"])
def test_examples_load(written):
    milestone = MilestoneSpec.model_validate(written).build({})
    assert detections(milestone.detector, moments(([], page(state={"mails": []})))) == [None]


def three_tabs(moment: Moment) -> Evidence | None:
    return Evidence(summary="three tabs are open") if len(moment.snapshot.tabs) >= 3 else None


def test_the_python_example_builds():
    assert "three_tabs, detectors.clicked" in PAGE
    compared = detectors.then(
        detectors.url_loaded(path="/products/{product}"), three_tabs, detectors.clicked(name="Buy")
    )
    milestone = MilestoneSpec.of("compared", compared, reward=0.5).build({"product": "lamp"})
    assert detections(milestone.detector, moments(([], page()), ([], page()))) == [None, None]
