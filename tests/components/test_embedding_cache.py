"""What was embedded once is found again, by any process, after any interruption; and is gone when forgotten."""

import fcntl
import multiprocessing
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from components import embedding_cache
from components.bad_input import BadInput
from components.embedding_cache import EmbeddingCache, content_hash, forget_in

WIDE = 6  # not a multiple of four, so that rows are padded


def vector_of(text: str, dimension: int = WIDE) -> np.ndarray:
    return np.random.default_rng(len(text) * 1000 + sum(map(ord, text))).normal(size=dimension).astype(np.float16)


def put(cache: EmbeddingCache, *texts: str) -> None:
    cache.put([content_hash(text) for text in texts], np.array([vector_of(text) for text in texts]))


def found(cache: EmbeddingCache, *texts: str) -> list[bool]:
    """Which of them are there; those that are, are right."""
    there, vectors = cache.get([content_hash(text) for text in texts])
    for text, row, known in zip(texts, vectors, there, strict=True):
        assert np.array_equal(row, vector_of(text) if known else np.zeros(WIDE))
    return there.tolist()


@pytest.fixture
def cache(tmp_path):
    return EmbeddingCache(tmp_path, "model-a", WIDE)


def test_what_was_put_is_found_by_another(cache, tmp_path) -> None:
    """Vectors come back to the last bit of float16, in the order asked, also from a cache opened later."""
    put(cache, "one", "two", "three")
    assert found(cache, "three", "nothing", "one") == [True, False, True]
    assert found(EmbeddingCache(tmp_path, "model-a", WIDE), "two") == [True]


def test_a_cache_opened_before_sees_what_others_wrote(cache, tmp_path) -> None:
    """No reopening is needed."""
    assert found(cache, "late") == [False]
    put(EmbeddingCache(tmp_path, "model-a", WIDE), "late")
    assert found(cache, "late") == [True]


def test_models_never_share_a_row(cache, tmp_path) -> None:
    """Another fingerprint or another dimension is another file."""
    put(cache, "one")
    assert found(EmbeddingCache(tmp_path, "model-b", WIDE), "one") == [False]
    assert EmbeddingCache(tmp_path, "model-a", 3).get([content_hash("one")])[0].tolist() == [False]


def test_rows_are_found_among_many(cache, monkeypatch) -> None:
    """Sorted rows and the tail behind them are both looked at, in pages."""
    monkeypatch.setattr(embedding_cache, "_LONGEST_TAIL", 50)
    monkeypatch.setattr(embedding_cache, "_PAGE_ROWS", 7)
    texts = [f"text {i}" for i in range(170)]
    for start in range(0, 170, 17):
        put(cache, *texts[start : start + 17])
        assert all(found(cache, *texts[: start + 17]))
    assert found(cache, "text 170") == [False]
    assert len(cache) == 170


@pytest.mark.parametrize(
    ("ending", "lost"), [("keys", n) for n in range(1, 25)] + [("vectors", n) for n in range(1, 17)]
)
def test_a_torn_tail_is_ignored_and_mended(cache, tmp_path, ending, lost) -> None:
    """Whatever part of the last row is missing, in either file: the rest is found, and the next row is found too."""
    put(cache, "whole", "torn")
    (file,) = tmp_path.glob(f"*.{ending}")
    os.truncate(file, file.stat().st_size - lost)
    later = EmbeddingCache(tmp_path, "model-a", WIDE)
    assert found(later, "whole", "torn") == [True, False]
    put(later, "next")
    assert found(later, "whole", "torn", "next") == [True, False, True]
    assert found(cache, "whole", "torn", "next") == [True, False, True]


@pytest.mark.parametrize("damage", [b"\0" * 16, b"\xff\xff"])
def test_a_damaged_row_counts_as_absent(cache, tmp_path, damage) -> None:
    """Zeros where the disk lost a block, or a flipped bit: the row is embedded again and then found."""
    put(cache, "first", "damaged", "last")
    (file,) = tmp_path.glob("*.vectors")
    with file.open("r+b") as opened:
        opened.seek(16)
        opened.write(damage)
    assert found(cache, "first", "damaged", "last") == [True, False, True]
    put(cache, "damaged")
    assert found(cache, "damaged") == [True]


def test_forgetting_overwrites_the_row_of_every_model(cache, tmp_path) -> None:
    """No byte of its hash or its vector stays in any file, and other texts keep theirs."""
    other = EmbeddingCache(tmp_path, "model-b", WIDE)
    for one in (cache, other):
        put(one, "mine", "yours", "mine")
    mine = [content_hash("mine"), vector_of("mine").tobytes()]
    assert all(secret in everything(tmp_path) for secret in mine)
    assert forget_in(tmp_path, ["mine"]) == 4
    assert not any(secret in everything(tmp_path) for secret in mine)
    assert found(other, "mine", "yours") == [False, True]
    assert (len(cache), len(other)) == (1, 1)


def test_a_reader_that_knew_the_row_no_longer_finds_it(cache, tmp_path) -> None:
    """Another process forgets; what this one holds in memory leads nowhere."""
    put(cache, "mine", "yours")
    assert found(cache, "mine") == [True]
    assert EmbeddingCache(tmp_path, "model-a", WIDE).forget([content_hash("mine")]) == 1
    assert found(cache, "mine", "yours") == [False, True]
    put(cache, "mine")
    assert found(cache, "mine") == [True]


def test_forgetting_takes_away_what_a_broken_writer_left(cache, tmp_path) -> None:
    """A vector whose key never arrived belongs to nobody that can be named, so it goes."""
    put(cache, "one", "mine")
    (keys,) = tmp_path.glob("*.keys")
    os.truncate(keys, keys.stat().st_size - 5)
    assert vector_of("mine").tobytes() in everything(tmp_path)
    forget_in(tmp_path, ["somebody else"])
    assert vector_of("mine").tobytes() not in everything(tmp_path)
    assert found(cache, "one") == [True]


def test_forgetting_where_nothing_is_forgets_nothing(tmp_path) -> None:
    """An empty or missing folder, and files that are not ours, are no trouble."""
    (tmp_path / "notes.keys").write_text("not ours")
    assert forget_in(tmp_path, ["a"]) == 0
    assert forget_in(tmp_path / "missing", ["a"]) == 0
    assert (tmp_path / "notes.keys").read_text() == "not ours"


def test_a_deleted_cache_begins_again(cache, tmp_path) -> None:
    """The folder may be emptied while a process has it open."""
    put(cache, "one", "two")
    assert found(cache, "one") == [True]
    for file in tmp_path.iterdir():
        file.unlink()
    assert found(cache, "one") == [False]
    put(cache, "three")
    assert found(cache, "one", "three") == [False, True]


def test_a_cache_that_was_made_anew_is_not_taken_for_the_old_one(cache, tmp_path) -> None:
    """Deleted, and written again by another process with as many rows: other rows stand at the old places."""
    put(cache, "one", "two")
    assert found(cache, "one") == [True]
    for file in tmp_path.iterdir():
        file.unlink()
    put(EmbeddingCache(tmp_path, "model-a", WIDE), "three", "one", "four")
    assert found(cache, "one", "two", "three", "four") == [True, False, True, True]


def test_a_file_that_was_cut_is_read_anew(cache, tmp_path) -> None:
    """Somebody shortens a file: its rows are gone, and nothing beyond its end is touched."""
    put(cache, "one", "two")
    assert found(cache, "two") == [True]
    (keys,) = tmp_path.glob("*.keys")
    os.truncate(keys, 24)
    assert found(cache, "one", "two") == [True, False]


def test_a_writer_waits_for_the_lock(cache, tmp_path) -> None:
    """While another has the lock nothing is written; then everything is."""
    put(cache, "one")
    (lock,), (keys,) = tmp_path.glob("*.lock"), tmp_path.glob("*.keys")
    with lock.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        writer = threading.Thread(target=put, args=(cache, "two"))
        writer.start()
        writer.join(0.2)
        assert writer.is_alive()
        assert keys.stat().st_size == 24
    writer.join()
    assert found(cache, "one", "two") == [True, True]


def test_hashes_that_begin_alike_are_told_apart(cache) -> None:
    """Forgetting compares all 16 bytes."""
    one, other = b"same8ch." + b"12345678", b"same8ch." + b"abcdefgh"
    cache.put([one, other], np.ones((2, WIDE)))
    assert cache.forget([one]) == 1
    assert cache.get([one, other])[0].tolist() == [False, True]


def test_what_float16_cannot_hold_is_left_out(cache) -> None:
    """Too large, infinite or NaN: not cached, and the others are."""
    keys = [content_hash(name) for name in "abcd"]
    rows = np.ones((4, WIDE))
    rows[0, 0], rows[1, 1], rows[2, 2] = 1e9, np.nan, np.inf
    cache.put(keys, rows)
    assert cache.get(keys)[0].tolist() == [False, False, False, True]


def test_a_hash_of_zeros_is_nobody(cache) -> None:
    """Zeros mark forgotten rows; they are never found."""
    put(cache, "mine", "yours")
    cache.forget(["mine"])
    assert cache.get([bytes(16)])[0].tolist() == [False]


def test_half_a_surrogate_pair_is_hashed_like_any_character() -> None:
    """JSON may bring one; two different ones are two texts."""
    assert content_hash("\ud800") != content_hash("\ud801") != content_hash("?")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (
            lambda c: c.get([b"short"]),
            r"hashes\[0\]: found b'short', expected 16 bytes. content_hash\(text\) makes them.",
        ),
        (lambda c: c.put([bytes(16)], [[1.0]]), r"vectors: found 'an array of shape \(1, 1\)', expected \(1, 6\)"),
        (lambda c: c.forget("one"), r"texts_or_hashes: found 'one', expected a list of them. Write \[text\]."),
        (
            lambda c: EmbeddingCache(c.folder, "a/b", 3),
            "fingerprint: found 'a/b', expected letters, digits and hyphens",
        ),
        (lambda c: EmbeddingCache(c.folder, "a", 0), "dimension: found 0, expected a whole number of at least 1"),
    ],
)
def test_what_cannot_be_used_is_refused(cache, wrong, words) -> None:
    """Each complaint names the thing and what was expected."""
    with pytest.raises(BadInput, match=words):
        wrong(cache)


def write_many(folder: str, name: str) -> None:
    cache = EmbeddingCache(folder, "model-a", WIDE)
    for i in range(25):
        put(cache, f"{name} {i}", f"shared {i}")


def test_processes_may_write_at_once(tmp_path) -> None:
    """Four writers in one folder: every row of each is found afterwards, and each is right."""
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_many, args=(str(tmp_path), name)) for name in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 4
    cache = EmbeddingCache(tmp_path, "model-a", WIDE)
    assert all(found(cache, *[f"{name} {i}" for name in (*"abcd", "shared") for i in range(25)]))


def everything(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.iterdir()))


class CacheAgainstDict(RuleBasedStateMachine):
    """Two open caches on one folder behave as one dict does, whatever is put, forgotten, torn or deleted."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.caches = [EmbeddingCache(self.folder.name, "m", WIDE) for _ in range(2)]
        self.known: set[str] = set()

    @rule(which=st.integers(0, 1), texts=st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=4))
    def put(self, which, texts) -> None:
        put(self.caches[which], *texts)
        self.known.update(texts)

    @rule(which=st.integers(0, 1), text=st.sampled_from("abcdefgh"))
    def forget(self, which, text) -> None:
        self.caches[which].forget([text])
        self.known.discard(text)

    @rule(ending=st.sampled_from(["keys", "vectors"]), junk=st.binary(min_size=1, max_size=11))
    def leave_a_torn_tail(self, ending, junk) -> None:
        with (Path(self.folder.name) / f"m-{WIDE}.{ending}").open("ab") as file:
            file.write(junk)

    @rule()
    def open_again(self) -> None:
        self.caches[0] = EmbeddingCache(self.folder.name, "m", WIDE)

    @invariant()
    def both_know_what_the_dict_knows(self) -> None:
        for cache in self.caches:
            assert found(cache, *"abcdefgh") == [text in self.known for text in "abcdefgh"]
            assert len(cache) == len(self.known)

    def teardown(self) -> None:
        self.folder.cleanup()


TestCacheAgainstDict = CacheAgainstDict.TestCase
TestCacheAgainstDict.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)
