"""The gate says yes only to what is better, on fair evidence, and worse nowhere; and it says why."""

import numpy as np
import pytest

from daemon.gate import Answers, Case, Policy, decide, fair_of

LEVEL = 1 / 365


def rng():
    return np.random.default_rng(2)


def answers(better, worse, rows=1000, types=("erd",), fair=True, **given):
    """Right or wrong: so many flips each way, the rest right both times; types take turns."""
    champion, challenger = np.ones(rows), np.ones(rows)
    champion[:better] = 0
    challenger[better : better + worse] = 0
    shuffled = np.random.default_rng(1).permutation(rows)
    return Answers(
        champion=champion[shuffled],
        challenger=challenger[shuffled],
        artifact_type=[types[row % len(types)] for row in range(rows)],
        fair=np.full(rows, fair),
        binary=True,
        **given,
    )


def case(judged, **given):
    return Case(
        **{"metric": "accuracy", "judged": judged, "ratings": "all", "level": LEVEL, "budget_left": 0.5} | given
    )


def clause_of(decision, name):
    return next(clause for clause in decision.clauses if clause.name == name)


def test_a_challenger_that_is_better_everywhere_is_promoted():
    """With the figures in one sentence."""
    decision = decide(case(answers(100, 50)), Policy(), rng())
    assert decision.verdict == "promote"
    assert decision.sentence == (
        "Promoted: accuracy +5.0 points on 1000 fair examples, and worse nowhere by more than allowed."
    )


def test_a_challenger_that_is_as_good_is_turned_down():
    """As many flips each way."""
    decision = decide(case(answers(75, 75)), Policy(), rng())
    assert decision.verdict == "turn down"
    assert decision.sentence == "Turned down: not better, accuracy +0.0 points on 1000 fair examples."
    assert clause_of(decision, "better").words.endswith("p = 0.5 where 0.0027 is needed")


def test_a_gain_that_chance_explains_is_turned_down():
    """Five in a hundred would pass a plain test; not the level of one night in a year."""
    decision = decide(case(answers(90, 65)), Policy(), rng())
    assert clause_of(decision, "better").figures["p"] < 0.05
    assert decision.verdict == "turn down"
    assert decision.sentence == (
        "Turned down: accuracy +2.5 points on 1000 fair examples, which may be chance (with so many, +4.5 points "
        "would show)."
    )


def test_the_evidence_says_what_could_have_been_seen():
    """The smallest gain that tonight's set would have shown in four nights of five."""
    decision = decide(case(answers(75, 75)), Policy(), rng())
    assert 0.04 < clause_of(decision, "better").figures["smallest_gain"] < 0.05
    assert decision.evidence["smallest_gain"] == clause_of(decision, "better").figures["smallest_gain"]


def test_a_regression_in_one_type_is_refused_whatever_the_rest_gains():
    """Forty of 250 lost there, a hundred and twenty won elsewhere."""
    rows = 1000
    judged = answers(0, 0, rows, types=("erd", "code", "chat", "sql"))
    names = np.array(judged.artifact_type)
    judged.champion[np.flatnonzero(names != "sql")[:160]] = 0
    judged.challenger[np.flatnonzero(names == "sql")[:40]] = 0
    decision = decide(case(judged), Policy(), rng())
    assert clause_of(decision, "better").holds
    assert decision.verdict == "turn down"
    assert decision.sentence == (
        "Turned down: type sql may be worse by 19.8 points, the limit is 5.0 points: -16.0 points on 250 examples."
    )


def test_small_types_are_pooled_and_it_is_said():
    """Ten types of a hundred examples each; the most frequent are named."""
    judged = answers(100, 50, 1000, types=tuple(f"type{number}" for number in range(10)))
    judged.artifact_type[0] = "type7"
    decision = decide(case(judged), Policy(), rng())
    (told,) = (clause for clause in decision.clauses if "types" in clause.name)
    assert told.name == "other (10 types)"
    assert told.words.endswith("; types of under 200 examples each: type7, type1, type2, type3, type4, …")
    assert len(told.figures["types"]) == 10
    assert decision.verdict == "promote"


def test_a_slice_of_a_few_is_not_tested_apart():
    """Nineteen examples bound nothing."""
    judged = answers(100, 50, 1000)
    judged.artifact_type[:19] = ["rare"] * 19
    told = clause_of(decide(case(judged), Policy(), rng()), "type rare")
    assert told.holds
    assert told.words == "type rare: 19 examples, too few to be looked at apart"


def test_a_worse_golden_set_is_refused():
    """What a person froze may not get worse."""
    decision = decide(case(answers(150, 50), golden=answers(5, 30, 200)), Policy(), rng())
    assert clause_of(decision, "better").holds
    assert decision.sentence.startswith("Turned down: golden set may be worse by 17.2 points")


def test_the_golden_set_is_fair_evidence():
    """A gain on it may promote where ratings are volunteered, and a loss on it is no gain; the mix is told."""
    unfair = answers(300, 20, fair=False)
    decision = decide(case(unfair, golden=answers(60, 10, 300), ratings="volunteered"), Policy(), rng())
    assert decision.verdict == "promote"
    assert decision.sentence.startswith("Promoted: accuracy +16.7 points on 300 fair examples")
    enough = clause_of(decision, "enough")
    assert enough.words == "300 fair examples, 300 of them golden, of the 200 that are wanted"
    worse = case(unfair, golden=answers(30, 30, 300), ratings="volunteered")
    assert decide(worse, Policy(), rng()).verdict == "turn down"
    few = case(unfair, golden=answers(60, 10, 150), ratings="volunteered")
    assert decide(few, Policy(), rng()).verdict == "by hand"


def test_a_golden_set_alone_is_evidence():
    """A workload whose judge side has nothing that says what is right."""
    decision = decide(case(answers(0, 0, 0), golden=answers(60, 5, 300), ratings="volunteered"), Policy(), rng())
    assert decision.verdict == "promote"
    assert (decision.evidence["judged"], decision.evidence["golden"]) == (0, 300)
    assert decision.evidence["challenger"] > decision.evidence["champion"]
    few = case(answers(0, 0, 0), golden=answers(30, 5, 100), ratings="volunteered")
    assert decide(few, Policy(), rng()).verdict == "by hand"
    assert clause_of(decide(few, Policy(), rng()), "negative flips").figures["flips"] == 5


def test_golden_examples_weigh_as_the_others_do_on_the_mean():
    """Beside examples of which each stands for many."""
    judged = answers(0, 0, 100, weights=np.linspace(1, 9, 100))
    found = fair_of(case(judged, golden=answers(0, 0, 50)))
    assert found.weights[100:].tolist() == pytest.approx([5.0] * 50)
    assert len(found) == 150
    assert fair_of(case(answers(0, 0, 100), golden=answers(0, 0, 50))).weights is None


def test_too_many_negative_flips_are_refused_though_the_sum_is_better():
    """People notice what was right yesterday."""
    decision = decide(case(answers(200, 120)), Policy(margin=0.2), rng())
    assert clause_of(decision, "better").holds
    assert decision.sentence == ("Turned down: 120 of 1000 that were right are wrong now (12.0%); 10.0% is the limit.")


@pytest.mark.parametrize(("what", "unit"), [("latency", "s an example"), ("size", "bytes")])
def test_a_model_that_costs_too_much_is_refused(what, unit):
    """Latency and size have limits of their own."""
    decision = decide(case(answers(100, 50), **{what: (10.0, 21.0)}), Policy(), rng())
    assert decision.sentence.startswith(f"Turned down: {what} 21 {unit}, was 10 {unit};")
    assert decide(case(answers(100, 50), **{what: (10.0, float("nan"))}), Policy(), rng()).verdict == "turn down"


def test_volunteered_evidence_alone_promotes_nobody_by_itself():
    """Corrected where the champion erred: almost any other model beats it there."""
    judged = answers(500, 50, fair=False)
    decision = decide(case(judged, ratings="volunteered"), Policy(), rng())
    assert decision.verdict == "by hand"
    assert decision.sentence == (
        "Not promoted by itself: 0 fair examples of the 200 that are wanted. A person may promote it."
    )


def test_volunteered_evidence_that_speaks_against_it_is_a_no():
    """Then a person is not asked either."""
    judged = answers(50, 300, fair=False)
    assert decide(case(judged, ratings="volunteered"), Policy(), rng()).verdict == "turn down"


def test_with_few_fair_examples_the_policy_decides():
    """Wait, or leave it to a person."""
    few = answers(60, 5, 150)
    assert decide(case(few), Policy(), rng()).verdict == "turn down"
    assert decide(case(few), Policy(when_few="by_hand"), rng()).verdict == "by hand"


def test_unfair_rows_beside_fair_ones_do_not_count_for_it():
    """The gain is all among the volunteered."""
    judged = answers(300, 0)
    judged.fair[judged.champion == 0] = False
    decision = decide(case(judged), Policy(), rng())
    assert clause_of(decision, "better").figures["gain"] == 0.0
    assert decision.verdict == "turn down"


def test_without_a_level_nothing_is_promoted():
    """The year's budget is spent."""
    decision = decide(case(answers(300, 0), level=0.0), Policy(most_negative_flips=1.0), rng())
    assert decision.verdict == "turn down"
    assert decision.sentence == (
        "Turned down: accuracy +30.0 points on 1000 fair examples, but the budget of mistakes is spent for now."
    )


def test_other_figures_are_tested_by_flipping_signs():
    """A gain of a tenth of the spread on 2,000 examples; and none."""
    draw = np.random.default_rng(4)
    champion = draw.normal(0, 1, 2000)
    for gain, verdict in ((0.1, "promote"), (0.0, "turn down")):
        judged = Answers(
            champion=champion,
            challenger=champion + draw.normal(gain, 1, 2000),
            artifact_type=["erd"] * 2000,
            fair=np.ones(2000, bool),
        )
        assert decide(case(judged, metric="log-likelihood"), Policy(), rng()).verdict == verdict


def test_weights_undo_what_was_shown_more_often():
    """Gains on what is seldom sampled count for many; here the common rows lose and the rare ones win."""
    judged = answers(0, 0)
    weights = np.where(np.arange(1000) < 500, 1.0, 9.0)
    judged.challenger[:60] = 0
    judged.champion[500:540] = 0
    plain, weighted = (
        decide(case(judged), Policy(margin=0.2), rng()),
        decide(case(Answers(**{**judged.__dict__, "weights": weights})), Policy(margin=0.2), rng()),
    )
    assert plain.verdict == "turn down"
    assert weighted.verdict == "promote"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"challenger": np.full(1000, np.nan)}, "the challenger's judged answers hold something that is no number"),
        ({"challenger": np.ones(999)}, "the judged answers do not fit each other: [999, 1000] rows"),
        ({"champion": np.full(1000, 0.5)}, "the champion's judged answers are to be right or wrong, and are not"),
        ({"weights": np.zeros(1000)}, "the judged weights are not all above 0"),
    ],
)
def test_evidence_that_cannot_be_meant_fails_closed(change, told):
    """And says what is wrong with it."""
    decision = decide(case(Answers(**{**answers(300, 0).__dict__, **change})), Policy(), rng())
    assert (decision.verdict, decision.sentence) == ("turn down", f"Turned down: {told}.")


def test_nothing_to_judge_on_fails_closed():
    """No example, no promotion."""
    assert decide(case(answers(0, 0, 0)), Policy(), rng()).sentence == "Turned down: there was nothing to judge on."
    assert decide(case(answers(300, 0), level=float("nan")), Policy(), rng()).verdict == "turn down"


def test_the_same_case_gives_the_same_decision():
    """Chance comes from outside."""
    draw = np.random.default_rng(8)
    judged = Answers(
        champion=draw.random(300), challenger=draw.random(300), artifact_type=[None] * 300, fair=np.ones(300, bool)
    )
    assert decide(case(judged), Policy(), rng()) == decide(case(judged), Policy(), rng())
