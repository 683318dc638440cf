"""A million rows: a shortlist from all stretches of the pool, or a pass over all rows."""

import numpy as np
import pytest

from components.asking import choose_to_ask
from components.bad_input import BadInput
from components.large_pools import shortlist_of, stretches, typical_of_many
from components.typicality import typical_rows
from tests.components.test_clustering import blobs


@pytest.fixture(scope="module")
def many():
    """60,000 rows in sixty blobs whose sizes fall from 4,200 to 50, in the order of a shuffle."""
    sizes = np.linspace(4200, 50, 60).astype(int)
    sizes = np.maximum((sizes * 60_000 / sizes.sum()).astype(int), 1)
    sizes[0] += 60_000 - sizes.sum()
    rows, of_blob = blobs(1, sizes, width=16, spread=0.2)
    mixed = np.random.default_rng(0).permutation(60_000)
    return rows[mixed].astype(np.float16), of_blob[mixed]


def test_one_row_is_taken_of_each_stretch():
    """Stretches are equal, and within each every row has its chance."""
    drawn = np.array([stretches(100, 10, np.random.default_rng(seed)) for seed in range(400)])
    assert (drawn // 10 == np.arange(10)).all()
    assert np.bincount(drawn[:, 3] - 30, minlength=10).min() > 20
    assert stretches(5, 9, np.random.default_rng(0)).tolist() == [0, 1, 2, 3, 4]


def test_a_shortlist_holds_every_labelled_row_once():
    """What is labelled must be seen, or its cluster would be asked about again."""
    labelled = np.array([999_999, 0, 77_777])
    places = shortlist_of(1_000_000, labelled, 10, np.random.default_rng(0))
    assert np.isin(labelled, places).all()
    assert len(places) <= 50_003
    assert (np.diff(places) > 0).all()
    assert len(shortlist_of(1_000_000, labelled, 1_000, np.random.default_rng(0))) >= 300_000


def test_clusters_fitted_on_some_rows_serve_all(many):
    """On a pool that both can work on, picks are as near to the rows as those of the exact way, within 2%."""
    rows, _ = many
    none = np.empty(0, int)

    def cover(picks):
        from components.clustering import nearest

        return float(np.sqrt(nearest(rows[::10], rows[picks].astype(np.float32))[1]).mean())

    ways = [
        np.mean([cover(way(rows[:20_000], none, 40, np.random.default_rng(seed)).rows) for seed in range(2)])
        for way in (typical_of_many, typical_rows)
    ]
    assert ways[0] < 1.02 * ways[1]


@pytest.mark.parametrize(("over", "how"), [("auto", "shortlist of 50"), ("all", "all 60000 rows")])
def test_beyond_fifty_thousand_rows_the_choice_says_how(many, over, how):
    """Shortlist or all rows: distinct, unlabelled, the same for a seed, and more blobs than labels repeat."""
    rows, of_blob = many
    labelled = np.flatnonzero(of_blob < 20)[:150]
    one, two = (choose_to_ask(rows, 60, labelled=labelled, over=over, rng=np.random.default_rng(3)) for _ in range(2))
    assert one.how.startswith(how)
    assert np.array_equal(one.rows, two.rows)
    assert len(set(one.rows.tolist()) - set(labelled.tolist())) == 60
    assert len(set(of_blob[one.rows].tolist())) > 30
    assert one.why(0)["labelled_in_cluster"] <= one.why(59)["labelled_in_cluster"]


def test_a_mapped_file_gives_what_an_array_gives(many, tmp_path):
    """Embeddings are read from where they are cached."""
    rows, _ = many
    mapped = np.lib.format.open_memmap(tmp_path / "rows.npy", "w+", np.float16, rows.shape)
    mapped[:] = rows
    chosen = [choose_to_ask(pool, 20, rng=np.random.default_rng(0)).rows for pool in (rows, mapped)]
    assert np.array_equal(*chosen)


def test_margins_of_a_large_pool_are_exact(many):
    """No shortlist where none is needed: the model's, and a probe's that is read in blocks."""
    rows, of_blob = many
    labelled = np.arange(300)
    probe = choose_to_ask(
        rows, 50, strategy="margin", labelled=labelled, labels=of_blob[:300], rng=np.random.default_rng(0)
    )
    given = np.random.default_rng(1).dirichlet(np.ones(3), len(rows)).astype(np.float32)
    model = choose_to_ask(
        rows, 50, strategy="margin", labelled=labelled, probabilities=given, rng=np.random.default_rng(0)
    )
    assert (probe.how, model.how) == ("exact", "exact")
    sure = np.sort(given[300:], axis=1)
    assert np.array_equal(model.rows, 300 + np.argsort(sure[:, 2] - sure[:, 1], kind="stable")[:50])


@pytest.mark.parametrize("over", ["auto", "all"])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_row_that_is_no_vector_is_named_by_its_own_number(many, over, wrong):
    """Also when it is met in a shortlist."""
    broken = many[0].copy()
    broken[40_000] = wrong
    with pytest.raises(BadInput, match=r"embeddings\[40000\]: found 'NaN or infinite numbers', expected finite ones"):
        choose_to_ask(broken, 10, labelled=[40_000], over=over, rng=np.random.default_rng(0))


@pytest.mark.parametrize("row", [41_001, 41_002, 41_003, 41_004])
def test_one_wrong_number_is_seen_whether_clusters_were_fitted_on_its_row_or_not(many, row):
    """Some of these rows are among the 25,000 that clusters are fitted on, some only go to their nearest centre."""
    broken = many[0].copy()
    broken[row, 3] = np.nan
    with pytest.raises(BadInput, match=rf"embeddings\[{row}\]"):
        typical_of_many(broken, np.empty(0, int), 10, np.random.default_rng(0))


def test_rows_of_a_part_of_the_pool_are_named_by_their_numbers_in_the_pool(many):
    """Since that is where somebody can mend them."""
    broken = many[0][::2].copy()
    broken[77] = np.nan
    with pytest.raises(BadInput, match=r"embeddings\[154\]"):
        typical_of_many(broken, np.empty(0, int), 10, np.random.default_rng(0), places=np.arange(0, 60_000, 2))


@pytest.mark.parametrize("strategy", ["badge", "k_center", "probcover", "v2_mix"])
def test_what_looks_at_all_rows_again_for_each_pick_says_its_limit(many, strategy):
    """The message tells the limit and the strategies that have none."""
    with pytest.raises(BadInput) as told:
        choose_to_ask(many[0], 10, strategy=strategy, rng=np.random.default_rng(0))
    assert str(told.value) == (
        f"strategy {strategy}: found '60000 rows', expected at most 50000. Use one of random, margin, entropy, "
        "typiclust, cluster_margin, typical_then_margin, or ask about fewer."
    )
