"""The made pool lies as sentence embeddings do, and is the same for everybody."""

import numpy as np
import pytest

from bench.made_pool import WIDTH, Source, made_pool


@pytest.fixture(scope="module")
def rows():
    return Source().rows(3_000)


def test_rows_have_length_one_and_come_again(rows):
    """Another source gives the same rows."""
    assert rows.shape == (3_000, WIDTH)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(3_000), abs=1e-5)
    assert np.array_equal(rows, Source().rows(3_000))


def test_nearest_others_are_as_near_as_those_of_sentences(rows):
    """Cosines that are neither those of copies nor those of noise; over about a hundred directions."""
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -1)
    assert 0.55 < np.median(cosines.max(axis=1)) < 0.75
    spread = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False) ** 2
    assert 80 < spread.sum() ** 2 / (spread**2).sum() < 140


def test_the_file_is_made_once(tmp_path):
    """Half-precision, as the embedding cache keeps them; what is there is not made again."""
    path = made_pool(2_500, tmp_path, width=16)
    pool = np.load(path, mmap_mode="r")
    assert (pool.shape, pool.dtype) == ((2_500, 16), np.float16)
    before = path.stat().st_mtime_ns
    assert made_pool(2_500, tmp_path, width=16) == path
    assert path.stat().st_mtime_ns == before
    assert [one.name for one in path.parent.iterdir()] == [path.name]
