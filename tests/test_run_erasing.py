"""Texts that stages derived are erased in the folders of runs, in place."""

import json

import pytest

from daemon import forgetting
from daemon.clock_and_chance import SeededChance
from daemon.run_erasing import erase_derived_texts
from tests.derived_world import DerivedWorld
from tests.intake_world import feedback


@pytest.fixture
def runs(tmp_path):
    """Two runs; derived texts of the outputs 5 and 6."""
    for run in ("run-0001", "run-0002"):
        folder = tmp_path / "runs" / run
        folder.mkdir(parents=True)
        lines = [{"example": -2 - n, "derived_from": 5 + n % 2, "input": f"secret {5 + n % 2} é"} for n in range(4)]
        (folder / "derived.jsonl").write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    return tmp_path


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_texts_of_an_output_are_gone_and_their_numbers_stay(runs):
    """In every run; others' texts are as they were, and so is each line's place."""
    path = runs / "runs" / "run-0002" / "derived.jsonl"
    size = path.stat().st_size
    assert erase_derived_texts(runs, [5]) == 4
    assert path.stat().st_size == size
    assert lines_of(path)[:2] == [
        {"example": -2, "derived_from": 5},
        {"example": -3, "derived_from": 6, "input": "secret 6 é"},
    ]
    assert erase_derived_texts(runs, [5]) == 0


def test_a_line_that_cannot_be_read_goes_too(runs):
    """It may hold anything; a torn end, say."""
    path = runs / "runs" / "run-0001" / "derived.jsonl"
    path.write_bytes(path.read_bytes() + b'{"example": -9, "derived_from": 5, "input": "sec')
    assert erase_derived_texts(runs, [5]) == 5
    assert b"secret 5" not in path.read_bytes()
    assert b"sec\n" not in path.read_bytes() + b"\n"


def test_nothing_to_erase_touches_nothing(runs):
    """Without outputs no file is read."""
    assert erase_derived_texts(runs, []) == 0
    assert erase_derived_texts(runs / "nowhere", [5]) == 0


def test_a_rater_who_is_forgotten_takes_what_was_derived_from_the_correction(tmp_path):
    """The output is another's; what was made of it may hold the correction's words."""
    world = DerivedWorld(tmp_path)
    seq = world.output_on("learn", "a", subject="anna")
    world.send(feedback("c", "a", correction="ben's words", subject="ben"))
    path = world.state_dir / "runs" / "run-0001" / "derived.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"example": -2, "derived_from": seq, "output": "ben's words"}) + "\n")
    assert forgetting.forget(world.state, "ben", world.clock.now(), SeededChance(9)).derived == 1
    assert "ben" not in path.read_text()
    world.close()
