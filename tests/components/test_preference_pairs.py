"""Pairs of rows: against slow implementations, and what never happens."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.bad_input import BadInput
from components.preference_pairs import (
    MOST_OUTPUTS,
    PAIRINGS,
    kto_class_weights,
    pairs_from_scores,
    pairs_from_thumbs,
    votes_from_verdicts,
    worked_example,
)

quick = settings(max_examples=150, deadline=None)
scored = st.lists(st.tuples(st.integers(-3, 3), st.sampled_from([0.0, 10.0, 12.5, 15.0, 40.0, 100.0])), max_size=14)


def columns(rows, count):
    return tuple(map(list, zip(*rows, strict=True))) if rows else ([],) * count


def slow_score_pairs(groups, scores, min_margin, pairing, most):
    """One group after another, one pair after another."""
    found = []
    for group in sorted(set(groups)):
        ranked = sorted((row for row, g in enumerate(groups) if g == group), key=lambda row: (-scores[row], row))
        if len(ranked) > most:
            last = len(ranked) - 1
            steps = [place * (most - 1) // last for place in range(len(ranked))]
            ranked = [row for place, row in enumerate(ranked) if steps.index(steps[place]) == place]
        pairs = list(combinations(ranked, 2))
        if pairing == "best_against_rest":
            pairs = [(one, other) for one, other in pairs if one == ranked[0]]
        if pairing == "best_against_worst":
            pairs = [(one, other) for one, other in pairs if (one, other) == (ranked[0], ranked[-1])]
        margins = [scores[one] - scores[other] for one, other in pairs]
        strict = [margin > 0 and margin >= min_margin for margin in margins]
        weight = min(1.0, (len(ranked) - 1) / max(1, sum(strict)))
        for (one, other), margin, better in zip(pairs, margins, strict, strict=True):
            found.append((one, other, margin, weight if better else 0.0, not better))
    return found


@quick
@given(scored, st.sampled_from([0.0, 2.5, 5.0]), st.sampled_from(PAIRINGS), st.integers(2, 6))
def test_score_pairs_are_those_of_the_slow_way(rows, min_margin, pairing, most) -> None:
    """Rows, order, margins, weights and ties, for any groups."""
    groups, scores = columns(rows, 2)
    found = pairs_from_scores(groups, scores, min_margin=min_margin, pairing=pairing, most_outputs=most)
    listed = zip(found.chosen, found.rejected, found.margins, found.weights, found.ties, strict=True)
    expected = slow_score_pairs(groups, scores, min_margin, pairing, most)
    assert [tuple(map(float, pair)) for pair in listed] == [tuple(map(float, pair)) for pair in expected]


@quick
@given(scored)
def test_no_pair_is_made_across_groups_or_against_the_scores(rows) -> None:
    """The chosen row is in the same group and never scored lower; a tie weighs nothing."""
    groups, scores = columns(rows, 2)
    found = pairs_from_scores(groups, scores)
    for better, worse in zip(found.chosen.tolist(), found.rejected.tolist(), strict=True):
        assert groups[better] == groups[worse]
        assert scores[better] >= scores[worse]
    assert (found.weights[found.ties] == 0).all()
    assert len({*zip(found.chosen.tolist(), found.rejected.tolist(), strict=True)}) == len(found)


@quick
@given(scored)
def test_a_question_weighs_at_most_as_many_comparisons_as_it_holds(rows) -> None:
    """k outputs are worth at most k - 1 pairs, so that a much-judged question does not drown the others."""
    groups, scores = columns(rows, 2)
    found = pairs_from_scores(groups, scores)
    total = defaultdict(float)
    for better, weight in zip(found.chosen.tolist(), found.weights.tolist(), strict=True):
        total[groups[better]] += weight
    for group, weight in total.items():
        assert weight <= min(groups.count(group), MOST_OUTPUTS) - 1 + 1e-9


def test_the_margin_itself_is_no_tie() -> None:
    """Exactly min_margin points is a preference; equal scores never are."""
    assert pairs_from_scores([0, 0], [55, 50]).ties.tolist() == [False]
    assert pairs_from_scores([0, 0], [54.9, 50]).ties.tolist() == [True]
    assert pairs_from_scores([0, 0], [50, 50], min_margin=0).ties.tolist() == [True]


def test_of_a_large_group_best_and_worst_are_kept() -> None:
    """A question with a thousand scored outputs makes the ten pairs of five of them."""
    found = pairs_from_scores(np.zeros(1000, int), np.linspace(0, 100, 1000))
    assert len(found) == 10
    assert {0, 999} <= set(found.chosen.tolist()) | set(found.rejected.tolist())


thumbed = st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.integers(0, 5)), max_size=16)


def slow_thumb_pairs(groups, ups, outputs):
    """All outputs up against all down, as (first row, first row) -> weight without the share."""
    votes = defaultdict(list)
    first = {}
    for row, (group, up, output) in enumerate(zip(groups, ups, outputs, strict=True)):
        votes[group, output].append(up)
        first.setdefault((group, output), row)
    lead = {key: 2 * sum(own) - len(own) for key, own in votes.items()}
    found = {}
    for one, other in product(votes, votes):
        if one[0] == other[0] and lead[one] > 0 > lead[other]:
            agreement = lead[one] / len(votes[one]) * -lead[other] / len(votes[other])
            found[first[one], first[other]] = agreement
    return found


@quick
@given(thumbed)
def test_thumb_pairs_are_all_ups_against_all_downs(rows) -> None:
    """When nothing is cut off: the pairs of the slow way, each once, with its agreement times the question's share."""
    groups, ups, outputs = columns(rows, 3)
    found = pairs_from_thumbs(groups, np.array(ups, dtype=bool), outputs, most_pairs=1000)
    expected = slow_thumb_pairs(groups, ups, outputs)
    made = list(zip(found.chosen.tolist(), found.rejected.tolist(), strict=True))
    assert sorted(made) == sorted(expected)
    per_group = Counter(groups[better] for better, _ in made)
    taking_part = {group: len({row for pair in made for row in pair if groups[row] == group}) for group in per_group}
    for pair, weight in zip(made, found.weights.tolist(), strict=True):
        group = groups[pair[0]]
        share = min(1.0, (taking_part[group] - 1) / per_group[group])
        assert weight == pytest.approx(expected[pair] * share)
    assert np.isnan(found.margins).all()


@quick
@given(thumbed, st.integers(1, 6))
def test_a_cut_takes_outputs_by_turns(rows, most) -> None:
    """Never more pairs than asked for, none twice, and no output twice before its side's others once."""
    groups, ups, outputs = columns(rows, 3)
    found = pairs_from_thumbs(groups, np.array(ups, dtype=bool), outputs, most_pairs=most)
    everything = slow_thumb_pairs(groups, ups, outputs)
    made = list(zip(found.chosen.tolist(), found.rejected.tolist(), strict=True))
    assert len(set(made)) == len(made)
    assert set(made) <= set(everything)
    for group in set(groups):
        possible = [pair for pair in everything if groups[pair[0]] == group]
        own = [pair for pair in made if groups[pair[0]] == group]
        assert len(own) == min(most, len(possible))
        for side in (0, 1):
            turns = {pair[side]: 0 for pair in possible} | Counter(pair[side] for pair in own)
            assert max(turns.values(), default=0) - min(turns.values(), default=0) <= 1


verdicts = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 2), st.integers(0, 2), st.sampled_from([-1, 0, 1])).filter(
        lambda row: row[1] != row[2]
    ),
    max_size=14,
)


@quick
@given(verdicts)
def test_verdicts_are_counted_like_votes(rows) -> None:
    """Whichever way round two outputs were shown, the verdict with most votes holds, and a draw is a tie."""
    groups, ones, others, better = columns(rows, 4)
    found = votes_from_verdicts(groups, ones, others, better)
    polls: dict[tuple, Counter] = {}
    first: dict[tuple, int] = {}
    for row, (group, one, other, sign) in enumerate(rows):
        key = (group, frozenset((one, other)))
        first.setdefault(key, row)
        polls.setdefault(key, Counter())[one if sign > 0 else other if sign < 0 else "tie"] += 1
    expected = {}
    for key, poll in polls.items():
        (winner, count), *rest = poll.most_common()
        drawn = bool(rest) and rest[0][1] == count
        row = first[key]
        loser = next(iter(key[1] - {winner}), None)
        won = 0 if drawn or winner == "tie" else 1 if winner == ones[row] else -1
        lead = (count - poll[loser]) / poll.total() if won else 0.0
        expected[row] = (won, pytest.approx(lead), poll.total())
    listed = zip(found.better.tolist(), found.weights.tolist(), found.votes.tolist(), strict=True)
    assert dict(zip(found.rows.tolist(), listed, strict=True)) == expected


def test_kto_weights_let_both_sides_count_alike() -> None:
    """As trl's KTOTrainer asks: the ratio of weighted counts is 1; with one side alone there is nothing to balance."""
    for ups, downs in ((86, 14), (3, 900), (5, 5)):
        up, down = kto_class_weights(ups, downs)
        assert up * ups == pytest.approx(down * downs)
        assert max(up, down) == 1.0
    assert kto_class_weights(7, 0) == kto_class_weights(0, 0) == (1.0, 1.0)


def test_texts_may_be_group_numbers() -> None:
    """Groups and outputs are compared for equality alone, so any whole numbers or texts will do."""
    by_text = pairs_from_scores(["é", "🙂", "é"], [90, 80, 10])
    by_object = pairs_from_scores(np.array(["é", "🙂", "é"], dtype=object), [90, 80, 10])
    assert by_text.chosen.tolist() == by_object.chosen.tolist() == [0]
    assert votes_from_verdicts(["g"], ["a"], ["b"], [1]).better.tolist() == [1]


def test_no_rows_give_no_pairs() -> None:
    """An empty pool is no mistake here."""
    empty = np.array([], dtype=bool)
    assert len(pairs_from_scores([], [])) == len(pairs_from_thumbs([], empty, [])) == 0
    assert len(votes_from_verdicts([], [], [], []).rows) == 0


def test_one_class_gives_no_pairs() -> None:
    """Thumbs that all went up have nothing to stand against."""
    assert len(pairs_from_thumbs([0, 0, 0], [True] * 3, [1, 2, 3])) == 0


def test_the_callers_columns_are_not_changed() -> None:
    """Read-only arrays will do."""
    groups, scores = np.array([1, 1, 0]), np.array([5.0, 50.0, 7.0])
    groups.flags.writeable = scores.flags.writeable = False
    assert len(pairs_from_scores(groups, scores)) == 1
    assert len(pairs_from_thumbs(groups, scores > 6, groups)) == 0


WRONG = {
    "scores[1]: found nan, expected numbers from 0 to 100. Leave the row out, or mend it.": lambda: pairs_from_scores(
        [0, 0], [1, np.nan]
    ),
    "columns: found {'groups': 1, 'scores': 2}, expected the same number of rows in each.": lambda: pairs_from_scores(
        [0], [1, 2]
    ),
    "min_margin[0]: found inf, expected numbers from 0 to 100. Leave the row out, or mend it.": (
        lambda: pairs_from_scores([0], [1], min_margin=np.inf)
    ),
    "pairing: found 'most', expected one of all, best_against_rest, best_against_worst.": lambda: pairs_from_scores(
        [0], [1], pairing="most"
    ),
    "most_outputs: found 1, expected a whole number of at least 2.": lambda: pairs_from_scores(
        [0], [1], most_outputs=1
    ),
    "most_pairs: found 0, expected a whole number of at least 1.": lambda: pairs_from_thumbs(
        [0], [True], [0], most_pairs=0
    ),
    "groups: found 'float64 of shape (2,)', expected one whole number or text per row.": lambda: pairs_from_scores(
        [0.5, 1], [1, 2]
    ),
    "groups: found 'values of several kinds', expected one whole number or text per row.": lambda: pairs_from_scores(
        np.array([0, "a"], dtype=object), [1, 2]
    ),
    "up: found 'float64 of shape (1,)', expected True or False per row.": lambda: pairs_from_thumbs([0], [0.3], [0]),
    "better[0]: found 2.0, expected 1 (the output), -1 (the other one) or 0 (a tie).": lambda: votes_from_verdicts(
        [0], [1], [2], [2]
    ),
    "others[1]: found 'the output itself', expected another output. Leave the row out.": lambda: votes_from_verdicts(
        [0, 0], [1, 2], [2, 2], [1, 1]
    ),
    "ups: found -1, expected a whole number of at least 0.": lambda: kto_class_weights(-1, 3),
}


@pytest.mark.parametrize("text", WRONG)
def test_what_cannot_be_paired_is_said(text) -> None:
    """Each complaint names the thing, what was found and what was expected."""
    with pytest.raises(BadInput) as told:
        WRONG[text]()
    assert str(told.value) == text


def test_the_worked_example_fits_a_terminal() -> None:
    """No line is wider than 80 columns."""
    assert max(map(len, worked_example().splitlines())) <= 80
