"""docs/techniques.md says what bench/results says, and leaves no loser out."""

import json

import pytest

from bench import techniques_page
from bench.figures_in_words import goals_list, ranged, signed, table
from bench.techniques_page import PAGE, PROMISES, RESULTS, main, page_of, read_results
from tests.components.v2_names import TECHNIQUES_WITH_A_PROMISE

SPREAD = {"mean": 0.5, "sd": 0.1, "se": 0.05, "low": 0.4, "high": 0.6, "n": 5}


def test_the_page_is_what_the_results_say():
    """Made again from bench/results and compared letter by letter: `python -m bench.techniques_page` mends it."""
    assert PAGE.read_text() == page_of(read_results(RESULTS))


def test_every_technique_that_v2_promises_something_of_has_a_row():
    """With its promise and what was measured, or that nothing was."""
    assert [name for name, _, _ in PROMISES] == TECHNIQUES_WITH_A_PROMISE
    page = page_of({})
    assert all(f"| `{name}` | " in page for name in TECHNIQUES_WITH_A_PROMISE)
    assert page.count("Not measured") == len(PROMISES)


def _asked(**strategies):
    one = {"metric": "accuracy", "pool": 15000, "classes": 150, "seeds": 5, "counts": [100, 200],
           "all_labels": SPREAD, "strategies": strategies}  # fmt: skip
    return {"sets": {"clinc150": one}, "goals": {"area": {"value": 1.0, "at_least": 1.1, "met": False}}}


def _ended(origin="adaptd"):
    to = {"mean": 300.0, "reached": 5, "n": 5, "of_random": SPREAD}
    return {"origin": origin, "status": "ended", "labels_to": {"80": to, "90": {"reached": 2, "n": 5, "of_random": {}}},
            "area": SPREAD, "area_of_random": SPREAD, "choosing_seconds": 3.25}  # fmt: skip


def test_losers_and_those_that_were_stopped_are_on_the_page():
    """With how far they came; a goal that was missed is in bold."""
    stopped = {"origin": "theirs 1.0", "status": "stopped", "labels_reached": 200, "why": "passed 600 CPU seconds"}
    page = page_of({"label_efficiency": _asked(typical_then_margin=_ended(), worst=_ended("theirs 1.0"), slow=stopped)})
    assert "| worst | 300 (0.50×) | by 2 of 5 seeds | 0.5000 | 0.500 [0.400, 0.600] | 3.2 |" in page
    assert "| slow | stopped after 200 labels: passed 600 CPU seconds |" in page
    assert "- **missed**: area: 1, wanted ≥ 1.1" in page


def test_a_strategy_that_had_fewer_seeds_than_the_others_says_how_many():
    """Where the table's head says five."""
    fewer = _ended("theirs 1.0") | {"area": SPREAD | {"n": 2}}
    page = page_of({"label_efficiency": _asked(slow=fewer, quick=_ended("theirs 1.0") | {"area": SPREAD | {"n": 5}})})
    assert "| slow (2 seeds) | " in page
    assert "| quick | " in page


def test_the_page_says_so_when_nothing_beats_random():
    """And names the rule when one does."""
    rules = {
        "random": {"score": SPREAD, "gain": {"mean": 0.0}, "verdict": "", "choosing_seconds": 0, "training_seconds": 1}
    }
    found = {"budget": 1000, "rated": 10000, "seeds": 5, "sets": {"clinc150": {"metric": "accuracy", "rules": rules}}}
    nobody = {"rule": "random", "mean_gain": 0.0, "beats_random": False}
    assert "**No rule beats random**" in page_of({"subset_selection": found | {"winner": nobody}})
    somebody = {"rule": "herding", "mean_gain": 0.04, "beats_random": True}
    assert "**`herding`** is to be the stage's default: +4.0 points" in page_of(
        {"subset_selection": found | {"winner": somebody}}
    )


def test_what_weights_are_worth_stands_beside_the_promise_and_in_full():
    """Also where they cost; of the baseline its scores."""
    nothing = {"mean": 0.0, "sd": 0.0}
    scores = ("in use", "at once", "last night")
    ways = {
        how: {name: {"score": SPREAD, "gain": gain} for name in scores}
        for how, gain in {"as_reward": nothing, "told_1": SPREAD, "uniform": {"mean": -0.01}}.items()
    }
    found = {"rated": 1200, "nights": 14, "a_night": 80, "seeds": 5, "heads": {"tiny": ways}}
    page = page_of({"told_weight": found})
    assert "`tiny_classifier`: equal weights -1.0 points, `told_weight = 1` +50.0 [+40.0, +60.0]. Cost: not me" in page
    assert "| `told_1` | +50.0 [+40.0, +60.0] | +50.0 [+40.0, +60.0] |\n| `uniform` | -1.0 | -1.0 |" in page
    assert "learns 1,200 ratings at once; the one in use goes on for 14 nights of 80, with few" in page
    assert "| `as_reward` | 0.500 | 0.500 |\n" in page
    assert "In use: 0.500." in page


def test_figures_are_written_with_their_intervals():
    """A bound has its sign, a spread of nothing has no brackets, points are hundredths."""
    assert ranged(SPREAD) == "0.50 [0.40, 0.60]"
    assert ranged(SPREAD | {"at_most": True}, 1, "×") == "< 0.5× [0.4, 0.6]"
    assert ranged({"mean": 1.0, "sd": 0.0}) == "1.00"
    assert signed(SPREAD) == "+50.0 [+40.0, +60.0]"
    assert table(["a"], [["b|c"]]) == "| a |\n| --- |\n| b\\|c |\n"
    reached = {"peers": {"value": None, "at_most": 0.55, "met": False, "who": ["theirs"]}}
    assert goals_list(reached) == "- **missed**: peers: never reached (theirs), wanted ≤ 0.55\n"


def _spread(value):
    return {"median": value, "q1": value - 0.01, "q3": value + 0.01, "rounds": 3}


def test_costs_of_choosing_are_told_with_their_spread_and_those_of_peers_as_shares():
    """A peer that is over the limit with the smallest pool is on the page too."""
    way = {"seconds": _spread(3.5), "cpu_seconds": _spread(6.0), "load": _spread(0.4), "peak_mb": 1100.4}
    far = {"random": _spread(0.9), "shortlist": _spread(0.86), "all rows": _spread(0.85)}
    reached = {"rows": 50_000, "cpu_seconds": 4.2, "peak_mb": 400.0, "mean_distance": 0.88}
    found = {"rows": 1_000_000, "budget": 1_000, "sizes": {"1000000": {"shortlist": way, "all rows": way}},
             "gain": {"mean_distance": far, "kept": _spread(0.93)}, "goals": {},
             "peers": {"theirs": reached, "slow": {"rows": 0, "over_at": 2_000}}}  # fmt: skip
    page = page_of({"selection_cost": found})
    assert "| 1,000,000 | shortlist | 3.50 (3.49–3.51) | 6.00 (5.99–6.01) | 1100 | 0.4 |" in page
    assert "random 0.9000, shortlist 0.8600, all rows 0.8500" in page
    assert "the shortlist keeps 0.930 (0.920–0.940)" in page
    assert "| theirs | 50,000 | 4.2 | 400 | 0.8800 | 0.40 |" in page
    assert "| slow | over it with 2,000 already |" in page


def test_what_a_peer_does_not_do_is_said_beside_its_speed():
    """Below the table of the costs."""
    part = {"cases": {"ours": {"seconds": {"median": 0.5}}}, "about": "It checks nothing.",
            "times faster": {"theirs": {"median": 0.6, "q1": 0.5, "q3": 0.7}}}  # fmt: skip
    page = page_of({"techniques": {"augmentation": part}})
    assert "| augmentation | 0.5 | theirs | 0.6 (0.5–0.7) |" in page
    assert "Augmentation: It checks nothing." in page


def test_check_tells_a_page_that_is_not_so(tmp_path, monkeypatch, capsys):
    """Status 1 and what to run; written again, status 0."""
    monkeypatch.setattr(techniques_page, "PAGE", tmp_path / "techniques.md")
    monkeypatch.setattr(techniques_page, "RESULTS", tmp_path)
    (tmp_path / "label_efficiency.json").write_text(json.dumps(_asked(typical_then_margin=_ended())))
    assert main(["--check"]) == 1
    assert "Run `python -m bench.techniques_page`" in capsys.readouterr().err
    assert main([]) == 0
    assert main(["--check"]) == 0


@pytest.mark.parametrize("name", sorted(path.stem for path in RESULTS.glob("*.json")))
def test_every_result_is_json_that_others_read(name):
    """No NaN or Infinity, which JSON has not."""

    def refuse(word):
        raise AssertionError(word)

    json.loads((RESULTS / f"{name}.json").read_text(), parse_constant=refuse)
