"""What choosing costs is told by rounds, what it gains by distances, and a peer's largest pool by trying."""

import json

import numpy as np
import pytest

from bench.made_pool import made_pool
from bench.one_choice import measured
from bench.selection_cost import costs, gains, goals, largest, main, mean_distance, report, told_costs
from bench.selection_plot import draw


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    return made_pool(4_000, tmp_path_factory.mktemp("pool"), width=8)


def _one(seconds, picks=(0, 1), cpu=None):
    return {"seconds": seconds, "cpu_seconds": cpu or seconds, "peak_mb": 100.0 + seconds, "load": 0.5,
            "picks": list(picks)}  # fmt: skip


def test_a_distance_is_that_of_every_row_to_its_nearest_chosen_one():
    """Against a slow search over all pairs."""
    rows = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    slow = np.linalg.norm(rows[:, None] - rows[None, [4, 40, 9]], axis=2).min(axis=1)
    assert mean_distance(rows, [4, 40, 9], every=1) == pytest.approx(slow.mean(), abs=1e-5)
    assert mean_distance(rows, [4, 40, 9], every=10) == pytest.approx(slow[::10].mean(), abs=1e-5)


def test_each_size_is_chosen_from_in_each_round_both_ways(pool):
    """With the round as the seed; spreads are over the rounds, the memory is the most."""
    asked = []

    def choose(spec):
        asked.append((spec["rows"], spec["way"], spec["seed"]))
        return _one(1.0 + spec["seed"])

    taken = costs(pool, [1_000, 4_000], 10, 3, choose)
    assert sorted(asked) == sorted(
        (size, way, seed) for size in (1_000, 4_000) for way in ("auto", "all") for seed in range(3)
    )
    told = told_costs(taken)["4000"]["all rows"]
    assert (told["seconds"]["median"], told["peak_mb"]) == (2.0, 103.0)


def test_the_shortlist_keeps_a_share_of_the_gain_over_random(pool):
    """Equal picks keep all of it, picks of a tenth of the space less."""
    rows = np.load(pool)
    spread_out = list(range(0, 4_000, 20))
    near_one = np.argsort(np.linalg.norm(rows - rows[0], axis=1))[:200].tolist()
    equal = gains(pool, {4_000: {"shortlist": [_one(1, spread_out)], "all rows": [_one(1, spread_out)]}}, 4_000, 50)
    assert equal["kept"]["median"] == 1.0
    less = gains(pool, {4_000: {"shortlist": [_one(1, near_one)], "all rows": [_one(1, spread_out)]}}, 4_000, 50)
    assert less["kept"]["median"] < 0.5


def test_a_peer_is_tried_at_growing_sizes_until_its_time_is_up(pool):
    """What it needs grows as the square here: 0.4 s for 2,000 rows, 1.6 s for the 4,000 that the pool has."""
    found = largest("theirs", pool, 4_000, 100, 1.0, lambda spec: _one(0.1 * (spec["rows"] / 1_000) ** 2, range(100)))
    assert (found["rows"], found["over_at"]) == (2_000, 4_000)
    assert found["tried"] == [{"rows": 2_000, "cpu_seconds": 0.4}]
    ended = largest("theirs", pool, 4_000, 100, 1.0, lambda _: None)
    assert ended == {"rows": 0, "over_at": 2_000, "tried": []}
    quick = largest("theirs", pool, 4_000, 100, 1.0, lambda _: _one(0.1, range(100)))
    assert (quick["rows"], quick["over_at"]) == (4_000, None)


def test_a_choice_is_made_in_a_process_of_its_own(pool):
    """Distinct rows of the pool, with seconds and memory; the same for the same seed."""
    spec = {"pool": str(pool), "rows": 3_000, "budget": 20, "seed": 1, "way": "auto"}
    one, two = measured(spec), measured(spec)
    assert one["picks"] == two["picks"]
    assert len(set(one["picks"])) == 20
    assert max(one["picks"]) < 3_000
    assert one["cpu_seconds"] > 0
    assert 20 < one["peak_mb"] < 2_000


def test_an_error_in_that_process_is_told_and_is_no_limit(pool):
    """A budget above the pool."""
    with pytest.raises(RuntimeError, match=r"auto on 10 rows: (.|\n)*BadInput"):
        measured({"pool": str(pool), "rows": 10, "budget": 20, "seed": 1, "way": "auto"})


@pytest.fixture
def result(pool):
    taken = costs(pool, [1_000, 4_000], 10, 2, lambda spec: _one(2.0, range(spec["seed"], 4_000, 40)))
    peers = {"theirs": largest("theirs", pool, 4_000, 100, 1.0, lambda _: _one(0.1, range(100))),
             "slow": largest("slow", pool, 4_000, 100, 1.0, lambda _: None)}  # fmt: skip
    told = {
        "rows": 4_000,
        "budget": 10,
        "sizes": told_costs(taken),
        "gain": gains(pool, taken, 4_000, 10),
        "peers": peers,
    }
    return told | {"goals": goals(told)}


def test_goals_are_those_of_the_whole_pool(result):
    """Seconds both ways, memory, and what the shortlist keeps."""
    assert [one["met"] for one in result["goals"].values()] == [True] * 4
    result["sizes"]["4000"]["all rows"]["seconds"]["median"] = 8.1
    assert goals(result)["choosing 10 of 4,000, all rows, seconds"] == {"value": 8.1, "at_most": 8.0, "met": False}
    result["gain"]["kept"]["median"] = 0.89
    assert not goals(result)["the shortlist's share of the gain of all rows"]["met"]


def test_the_report_names_every_size_and_every_peer(result):
    """Those too that were over the limit with the smallest pool."""
    told = report(result)
    assert "    4,000 shortlist      2.00    2.00    102" in told
    assert "theirs: up to 4,000 rows" in told
    assert "slow: up to 0 rows" in told


def test_the_plot_is_the_same_for_the_same_result(result, tmp_path):
    """Sizes against CPU seconds; a peer that never ended has no points."""
    pytest.importorskip("matplotlib")
    said = [draw(result, tmp_path / name) for name in ("one.svg", "two.svg")]
    assert said[0] == f"written: {tmp_path / 'one.svg'}"
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert "theirs" in (tmp_path / "one.svg").read_text()


def test_a_small_run_from_end_to_end(tmp_path, capsys):
    """Two real choices of 3,000 rows, written as JSON."""
    out = tmp_path / "out.json"
    words = [
        "--rows",
        "3000",
        "--budget",
        "20",
        "--rounds",
        "1",
        "--no-peers",
        "--cache",
        str(tmp_path),
        "--json",
        str(out),
    ]
    assert main(words) == 0
    found = json.loads(out.read_text())
    assert list(found["sizes"]) == ["3000"]
    assert found["gain"]["mean_distance"]["all rows"]["median"] < found["gain"]["mean_distance"]["random"]["median"]
    assert "met    choosing 20 of 3,000, shortlist, seconds" in capsys.readouterr().out
