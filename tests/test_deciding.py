"""From answers to a decision in the log: the level that it may take, and what is put to the gate."""

from dataclasses import replace

import numpy as np
import pytest

from adaptd.plugin.workload import Metric
from daemon.deciding import DAY, NOBODY, Level, case_of, decided, level_of, policy_of, spent
from daemon.gate import Policy
from daemon.judge_results import Answered, BadResults, Results
from daemon.night_settings import GateSettings
from daemon.views.models import Taken

GATE = GateSettings()
CORRECT, COST = Metric("correct", binary=True), Metric("cost", higher_is_better=False)
NOW = 20_000 * DAY


def answered(rows=60, better=20, fair=None, weights=None):
    champion = np.zeros(rows)
    challenger = np.where(np.arange(rows) < better, 1.0, 0.0)
    return Answered(
        np.arange(1, rows + 1),
        [("erd", None)[row % 2] for row in range(rows)],
        np.ones(rows, np.bool_) if fair is None else fair,
        np.ones(rows) if weights is None else weights,
        {"correct": champion, "cost": 1 - champion},
        {"correct": challenger, "cost": 1 - challenger},
    )


class TestLevels:
    """What the next decision may take."""

    def test_the_first_one_has_a_days_share(self):
        """Of what all workloads share."""
        assert level_of(GATE, [], "a", 1, NOW) == pytest.approx((1 / 365, 1 / 365))
        assert level_of(GATE, [], "a", 5, NOW).level == pytest.approx(1 / 365 / 5)
        assert level_of(GateSettings(false_promotions_per_year=0.0), [], "a", 1, NOW).level == 0.0

    def test_what_grew_since_its_last_one_but_no_more_than_is_left(self):
        """Of any workload: another one's decision takes from what is left."""
        mine = Taken("a", NOW - 10 * DAY, 1 / 365)
        assert level_of(GATE, [mine], "a", 1, NOW) == pytest.approx((10 / 365, 10 / 365))
        others = Taken("b", NOW - DAY, 8 / 365)
        assert level_of(GATE, [mine, others], "a", 1, NOW) == pytest.approx((2 / 365, 2 / 365))

    def test_a_clock_that_was_set_back_gives_nothing(self):
        """A decision that lies ahead is the newest."""
        assert level_of(GATE, [Taken("a", NOW + DAY, 1 / 365)], "a", 1, NOW).level == 0.0


class TestCases:
    """What is put to the gate."""

    def test_more_is_better_for_every_metric(self):
        """Costs are turned round; both metrics say the same then."""
        for metric in (CORRECT, COST):
            case = case_of(metric, Results(answered()), {}, "all", Level(0.01, 0.02))
            assert case.judged.gains.sum() == 20
            assert (case.level, case.budget_left, case.latency, case.size) == (0.01, 0.02, None, None)

    def test_weights_that_are_all_alike_are_none(self):
        """Then the exact test can be used."""
        assert case_of(CORRECT, Results(answered()), {}, "all", Level(0.01, 0.02)).judged.weights is None
        alike = Results(answered(weights=np.full(60, 4.0)))
        assert case_of(CORRECT, alike, {}, "all", Level(0.01, 0.02)).judged.weights is None
        weighed = Results(answered(weights=np.where(np.arange(60) < 30, 4.0, 5.0)))
        assert case_of(CORRECT, weighed, {}, "all", Level(0.01, 0.02)).judged.weights is not None

    def test_what_is_quick_enough_is_not_compared(self):
        """A millisecond an example is measured too roughly."""
        told = {"latency": {"champion": 1e-6, "challenger": 4e-6}, "size": {"champion": 10, "challenger": 15}}
        told["latencies"] = {"type erd": {"champion": 0.5, "challenger": 0.7}, "type sql": {"challenger": 0.1}}
        case = case_of(CORRECT, Results(answered()), told, "all", Level(0.01, 0.02))
        assert case.latency == (1e-6, 4e-6)
        (latency,) = (one for one in decided(case, GATE, b"salt", "a", 1).clauses if one.name == "latency")
        assert latency.holds
        assert (
            latency.words
            == "latency 0.004 ms an example, was 0.001 ms an example; 1.25 times 1 ms an example is the limit"
        )
        assert case.latencies == {"type erd": (0.5, 0.7)}
        alone = case_of(CORRECT, Results(answered()), {"latency": {"challenger": 1.0}}, "all", Level(0.01, 0.02))
        assert alone.latency is None
        assert case.size == (10.0, 15.0)

    def test_nothing_judged_is_nobody(self):
        """And is turned down by the gate."""
        case = case_of(CORRECT, None, None, "all", Level(0.01, 0.02))
        assert case.judged is NOBODY
        assert decided(case, GATE, b"salt", "a", 1).sentence == "Turned down: there was nothing to judge on."


def test_only_a_decision_that_could_promote_spends():
    """Too few fair examples could not, whatever they say."""
    case = case_of(CORRECT, Results(answered()), {}, "all", Level(0.01, 0.02))
    enough = GateSettings(judge_wanted=60)
    assert spent(decided(case, enough, b"salt", "a", 1), case, enough) == 0.01
    assert spent(decided(case, GATE, b"salt", "a", 1), case, GATE) == 0.0
    golden = case_of(CORRECT, Results(answered(), answered()), {}, "volunteered", Level(0.01, 0.02))
    assert spent(decided(golden, GateSettings(judge_wanted=120), b"salt", "a", 1), golden, enough) == 0.01
    broken = replace(case, judged=replace(case.judged, champion=case.judged.champion * np.nan))
    assert spent(decided(broken, enough, b"salt", "a", 1), broken, enough) == 0.0


def test_the_settings_of_the_gate_are_its_policy():
    """The same defaults, key by key."""
    assert policy_of(GATE) == Policy()


class TestResults:
    """What both said, in its file."""

    def test_what_is_written_is_read_under_its_hash(self, tmp_path):
        """Every column, and the golden set where there is one."""
        told = Results(answered(), answered(rows=5, better=1))
        found = Results.read(tmp_path / "results.npz", told.write(tmp_path / "results.npz"))
        assert found.judged.artifact_type == told.judged.artifact_type
        assert found.golden.challenger["cost"].tolist() == told.golden.challenger["cost"].tolist()
        assert Results.read(tmp_path / "r", Results(answered()).write(tmp_path / "r")).golden is None

    def test_another_file_is_refused(self, tmp_path):
        """Gone, changed, or none of ours under a right hash."""
        path = tmp_path / "results.npz"
        with pytest.raises(BadResults, match="No such file or directory, expected the answers of both models"):
            Results.read(path, "ab")
        told = Results(answered()).write(path)
        with pytest.raises(BadResults, match=f"hash {told[:16]}…, the log has abababab…"):
            Results.read(path, "abababab")

    def test_figures_are_per_slice_with_their_intervals(self):
        """A share of 20 in 60 by Wilson's; nothing of types that were not given."""
        figures = Results(answered(), answered(rows=5, better=1)).figures((CORRECT, COST))
        assert list(figures) == ["all", "type erd", "golden"]
        assert figures["all"]["rows"] == 60
        correct = figures["all"]["correct"]["challenger"]
        assert correct == pytest.approx({"mean": 1 / 3, "low": 0.2274, "high": 0.4594}, abs=1e-3)
        cost = figures["all"]["cost"]["challenger"]
        assert cost == pytest.approx({"mean": 2 / 3, "low": 0.5464, "high": 0.7869}, abs=1e-3)
