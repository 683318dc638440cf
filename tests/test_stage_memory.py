"""What stages remember: fed once each, kept in a file that may go, and made again where it does not fit."""

import json

import numpy as np
import pytest

from adaptd.plugin import Moment, Pool
from daemon.night_settings import WorkloadSettings
from daemon.stage_line import Failed, StageLine
from daemon.stage_memory import PAGE_ROWS, StageMemory
from tests.test_stage_line import write_stage

REMEMBERS = """
    heard = ()
    pages = 0

    def remember(self, page):
        self.heard += tuple(page["example"].tolist())
        self.pages += 1

    def memory(self):
        return ",".join(map(str, sorted(set(self.heard)))).encode()

    def restore(self, memory):
        self.heard = tuple(int(word) for word in memory.decode().split(","))
"""


@pytest.fixture
def load(tmp_path):
    write_stage(tmp_path, "remembers", "return pool", REMEMBERS)

    def load(**settings):
        table = WorkloadSettings(stages=("remembers",), stage={"remembers": settings})
        return StageLine.load("sbert", table, tmp_path)

    return load


def pool_of(rows):
    return Pool.of({"example": np.arange(1, rows + 1)})


def fed(line, folder, newest, position):
    """The stage after a turn at that position; `newest` are the numbers of the newest feedback on each example."""
    newest = np.asarray(newest, np.int64)
    memory = StageMemory(folder, pool_of(len(newest)), lambda examples: newest[examples - 1])
    shaped = line.shape(pool_of(len(newest)), Moment(0, position, 1), memory)
    return line.stages[0].stage, shaped


def test_only_what_was_said_since_is_fed(load, tmp_path):
    """An example comes again when more was said of it."""
    stage, first = fed(load(), tmp_path / "kept", [3, 4, 5], 5)
    assert (stage.heard, stage.pages) == ((1, 2, 3), 1)
    stage, second = fed(load(), tmp_path / "kept", [3, 9, 5, 8], 9)
    assert stage.heard == (1, 2, 3, 4, 2)  # what it remembered, then in the order in which they were spoken of
    assert first.stages[0]["memory"] != second.stages[0]["memory"]


def test_pages_are_bounded(load, tmp_path):
    """However many examples there are."""
    stage, _ = fed(load(), None, np.arange(1, 2 * PAGE_ROWS + 2), 3 * PAGE_ROWS)
    assert (stage.pages, len(stage.heard)) == (3, 2 * PAGE_ROWS + 1)


def test_a_memory_that_is_gone_or_damaged_is_made_from_the_start(load, tmp_path):
    """Nothing is in it but what the log says."""
    _, kept = fed(load(), tmp_path / "kept", [3, 4], 4)
    (file,) = (tmp_path / "kept").iterdir()
    for damage in (b"", b"no head", file.read_bytes()[:-1], b"[1]\n1,2"):
        file.write_bytes(damage)
        stage, shaped = fed(load(), tmp_path / "kept", [3, 4], 4)
        assert (stage.pages, shaped.stages) == (1, kept.stages)
    file.unlink()
    assert fed(load(), tmp_path / "kept", [3, 4], 4)[1].stages == kept.stages


def test_a_memory_of_other_settings_or_from_the_future_is_not_taken(load, tmp_path):
    """It begins from the first example, and a look back leaves the newer memory's file alone."""
    fed(load(), tmp_path / "kept", [3, 4, 9], 9)
    assert fed(load(), tmp_path / "kept", [3, 4], 4)[0].heard == (1, 2)
    assert fed(load(), tmp_path / "kept", [3, 4], 4)[0].pages == 0
    assert fed(load(amount=1.0), tmp_path / "kept", [3, 4], 4)[0].pages == 1


def test_without_a_folder_nothing_is_kept(load, tmp_path):
    """As for a batch that is formed again."""
    fed(load(), None, [3], 3)
    assert not (tmp_path / "kept").exists()


def test_its_file_is_its_owners_alone(load, tmp_path):
    """A stage may remember what somebody wrote."""
    fed(load(), tmp_path / "derived" / "kept", [3], 3)
    (file,) = (tmp_path / "derived" / "kept").iterdir()
    assert [path.stat().st_mode & 0o077 for path in (file, *file.parents[:2])] == [0, 0, 0]
    assert json.loads(file.read_bytes().partition(b"\n")[0])["position"] == 3


def test_a_stage_that_cannot_remember_fails_like_any_other(load, tmp_path):
    """With the place in its code."""
    write_stage(tmp_path, "forgets", "return pool", REMEMBERS.replace("self.pages += 1", "raise KeyError('a text')"))
    line = StageLine.load("sbert", WorkloadSettings(stages=("forgets",)), tmp_path)
    _, shaped = fed(line, None, [3], 3)
    assert shaped.failures == [Failed("forgets", "KeyError at forgets.py:25")]
