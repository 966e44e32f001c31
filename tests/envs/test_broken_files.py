"""Every way that we know of to break a task file, one file each: its place, what was expected, what came, the cure.

A file begins with two comments: `# expect line N: word | word` and `# cure: words`.
"""

import re
from pathlib import Path

import pytest

from milepost.envs.task import load_tasks
from milepost.errors import TaskError

FILES = sorted((Path(__file__).parent / "broken").glob("*.yaml"))
EXPECTED = re.compile(r"# expect line (?P<line>\d+): (?P<words>.*)\n# cure: (?P<cure>.+)\n")


def test_there_are_at_least_twenty_kinds():
    assert len(FILES) >= 20


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_broken_file_says_where_what_and_how_to_mend_it(path: Path):
    expected = EXPECTED.match(path.read_text(encoding="utf-8"))
    assert expected is not None
    with pytest.raises(TaskError) as caught:
        load_tasks(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:{expected['line']}: ")
    assert "\n" not in message
    for word in expected["words"].split(" | "):
        assert word in message
    assert expected["cure"] in message
    assert "accordingly" not in message
