"""What is read off the facts of nights, pinned against a reader that goes through the events one by one."""

import json
import math
import random
import statistics
from datetime import date, timedelta

import numpy as np
import pytest

from daemon.night_course import ALL, PATIENCE, Course, Night
from tests import history_world as nights
from tests.test_views_history import folded


def course_of(events, workload="support"):
    return folded(events).course(workload)


def slow_figures(events, part=ALL):
    """Every night's figure of the model in use, by keeping one variable: who is champion?"""
    told, champion, last = [], None, None
    for _, kind, body in events:
        if kind == "challenger_judged":
            last = body
        elif kind == "challenger_promoted" and last and body["model"] == last["model"]:
            champion = body["model"]
            told.append(last["metrics"][part]["correct"]["challenger"])
            last = None
        elif kind == "challenger_turned_down" and last:
            champion = last["champion"]
            if champion is not None:
                told.append(last["metrics"][part]["correct"]["champion"])
            last = None
        elif kind == "champion_rolled_back":
            champion = body["to"]
    return told


def slow_standing(figures):
    """Plateau and drop in plain loops, in points of a hundred."""
    means = [100 * one["mean"] for one in figures]
    errors = [100 * (one["high"] - one["low"]) / 2 / statistics.NormalDist().inv_cdf(0.975) for one in figures]
    mark, since = means[0], 0
    for mean in means[1:]:
        since += 1
        if mean > mark and mean >= mark + 0.5:
            mark, since = mean, 0
    before = list(range(len(means) - 1))[-30:]
    best, fell = None, 0.0
    for place in reversed(before):
        sure = statistics.NormalDist().inv_cdf(1 - 0.05 / len(before)) * math.hypot(errors[place], errors[-1])
        if means[place] - means[-1] >= 1 and means[place] - means[-1] - sure > fell:
            best, fell = place, means[place] - means[-1] - sure
    return since if since >= PATIENCE else None, best


def drawn_season(seed):
    """Nights with chance: gains, losses, promotions, rollbacks, and examples that are few or many."""
    rng, events, champions = random.Random(seed), [], []
    for night in range(rng.randint(2, 45)):
        events.append(nights.opened(night))
        if rng.random() < 0.2:
            events.append(nights.not_formed(night))
            continue
        means = (round(rng.uniform(0.4, 0.9), 2), round(rng.uniform(0.4, 0.9), 2))
        erd, champion = (round(rng.uniform(0.2, 1), 2),) * 2, champions[-1] if champions else None
        more = {"rows": rng.choice((2, 40, 800, 3_000)), "types": {"erd": erd}}
        events.append(nights.judged(night, night + 1, champion, means, **more))
        if rng.random() < 0.3:
            events.append(nights.promoted(night, night + 1))
            champions.append(night + 1)
        else:
            events.append(nights.turned_down(night, night + 1))
        if len(champions) > 1 and rng.random() < 0.1:
            events.append(nights.rolled_back(night, champions.pop(), champions[-1]))
    return events


@pytest.mark.parametrize("seed", range(60))
def test_figures_plateaus_and_drops_are_those_of_a_slow_reader(seed):
    """In all that was judged and in an artifact type."""
    events = drawn_season(seed)
    course = course_of(events)
    for part in (ALL, "type erd"):
        figures = slow_figures(events, part)
        assert [one.figures[part].mean for one in course.measured] == [one["mean"] for one in figures]
        if not figures:
            continue
        standing, (plateau, fell) = course.standing_of(part), slow_standing(figures)
        assert (standing["plateau"] or {}).get("nights") == plateau
        found = standing["drop"]
        assert (found is None) == (fell is None)
        if found is not None:
            assert (found["since"], found["from"]) == (course.measured[fell].night, figures[fell]["mean"])


def test_drawn_seasons_have_plateaus_and_drops():
    """The test above would say little if nothing ever happened."""
    standings = [slow_standing(figures) for seed in range(60) if (figures := slow_figures(drawn_season(seed)))]
    assert sum(plateau is not None for plateau, _ in standings) > 10
    assert sum(fell is not None for _, fell in standings) > 10


def whats(events):
    return [(one.night[-2:], one.what, one.in_use) for one in course_of(events).happened]


def test_what_happened_is_told_night_by_night():
    """Promoted, turned down, left open, failed, nothing to learn, rolled back, by hand; and who is in use then."""
    events = [
        nights.opened(0), nights.judged(0, 1, None, (0.3, 0.6)), nights.promoted(0, 1),
        nights.opened(1), nights.judged(1, 2, 1, (0.6, 0.5)), nights.turned_down(1, 2),
        nights.opened(2), nights.judged(2, 3, 1, (0.6, 0.9)), nights.turned_down(2, 3, verdict="by hand"),
        nights.promoted(2, 3, by="hand", reason="we looked", hours=9),
        nights.opened(3), nights.planned(3, "run-0004"), nights.run_failed(3, "run-0004"),
        nights.opened(4), nights.not_formed(4),
        nights.opened(5), nights.rolled_back(5, 3, 1),
        nights.opened(6), nights.turned_down(6, 5, failed="no pool"),
        nights.opened(7), nights.judged(7, 6, 1, (0.6, 0.7)),
    ]  # fmt: skip
    assert whats(events) == [
        ("12", "promoted", 1),
        ("13", "turned down", 1),
        ("14", "left open", 1),
        ("14", "promoted by hand", 3),
        ("15", "run failed", 3),
        ("16", "no run", None),
        ("17", "rolled back", 1),
        ("18", "turned down", 1),
        ("19", "judged", 1),
    ]
    words = [one.words for one in course_of(events).happened]
    assert words[0] == "Promoted: correct +5.0 points, and worse nowhere."
    assert words[3:7] == ["we looked", "run-0004 failed: the loss is no number", "3 of 20 new examples", "it lied"]
    assert words[7:] == ["no pool", "nothing was decided yet"]


def test_who_comes_into_use_unjudged_brings_its_last_figure_and_no_evaluation():
    """After a rollback, and by hand; neither counts as a measurement."""
    events = [
        nights.judged(0, 1, None, (0.3, 0.6)), nights.promoted(0, 1),
        nights.judged(1, 2, 1, (0.62, 0.8)), nights.promoted(1, 2), nights.rolled_back(1, 2, 1),
    ]  # fmt: skip
    *_, back = course_of(events).happened
    assert (back.figures[ALL].mean, back.measured, back.tells) == (0.62, False, True)
    assert [one.figures[ALL].mean for one in course_of(events).measured] == [0.6, 0.8]


def test_a_night_with_a_run_needs_no_reason_for_none():
    """After the run of a night there is nothing new to learn, and that is no news."""
    events = [nights.opened(0), nights.judged(0, 1, None, (0.3, 0.6)), nights.promoted(0, 1), nights.not_formed(0)]
    assert whats(events) == [("12", "promoted", 1)]


def test_what_is_judged_again_is_told_once():
    """The champion had changed meanwhile."""
    events = [nights.judged(0, 2, 0, (0.5, 0.6)), nights.judged(0, 2, 1, (0.55, 0.6), hours=2), nights.promoted(0, 2)]
    (only,) = course_of(events).happened
    assert (only.what, only.before[ALL].mean) == ("promoted", 0.55)


def test_what_was_never_decided_is_told_when_another_is_judged():
    """It stays in the table."""
    events = [nights.judged(0, 1, 0, (0.5, 0.6)), nights.judged(1, 2, 0, (0.5, 0.6)), nights.promoted(1, 2)]
    assert whats(events) == [("12", "judged", 0), ("13", "promoted", 2)]


def test_a_deed_belongs_to_the_night_that_opened_before_it():
    """Until the next opens; where none did within a day, to its date in UTC."""
    opens = nights.moment(0, 22)
    course = Course([], [Night(opens, "2026-11-12"), Night(nights.moment(5, 22), "2026-11-17")], {})
    assert course.night_of(opens - 1) == "2026-11-12"  # nothing opened yet: its own date
    assert course.night_of(nights.moment(1, 5)) == "2026-11-12"
    assert course.night_of(nights.moment(1, 21.9)) == "2026-11-12"
    assert course.night_of(nights.moment(1, 22)) == "2026-11-13"
    assert course.night_of(nights.moment(6, 1)) == "2026-11-17"


def test_what_is_better_when_lower_falls_by_rising():
    """A cost that grew: a drop, told in its own unit."""
    events = [
        event
        for night, cost in enumerate((0.3, 0.3, 0.9))
        for event in (
            nights.judged(night, night + 1, 0, (cost, 1.0), rows=4_000, higher_is_better=False, success=None),
            nights.turned_down(night, night + 1),
        )
    ]
    course = course_of(events)
    assert not course.in_points
    standing = course.standing_of(ALL)
    assert standing["drop"] == {"since": "2026-11-13", "from": 0.3, "to": 0.9}
    assert course_of([*events[:4], *_moved(events[4:6], (0.1, 1.0))]).standing_of(ALL)["drop"] is None


def _moved(events, means):
    judged, decided = events
    body = judged[2] | {"metrics": {ALL: {"rows": 4_000, "correct": nights.pair(means, 4_000)}}}
    return [(judged[0], judged[1], body), decided]


def test_another_metric_begins_anew():
    """Figures of two metrics are not compared."""
    other = {"metric": "overlap", "success": None, "metrics": {ALL: {"rows": 9, "overlap": nights.pair((0.1, 0.2), 9)}}}
    events = [*nights.a_season(12), nights.judged(20, 90, 1, (0, 0), **other), nights.turned_down(20, 90)]
    course = course_of(events)
    assert course.metric == "overlap"
    assert [one.night for one in course.measured] == [nights.named(20)]
    assert len(course.happened) > 10


def test_the_short_form_has_what_is_remarkable_and_nothing_else():
    """JSON as it is; erd fell, all stands still, sql neither."""
    short = course_of(nights.a_season()).short()
    assert json.loads(json.dumps(short)) == short
    assert [(one["slice"], bool(one["drop"])) for one in short["slices"]] == [("all", False), ("type erd", True)]
    assert short["newest"] == (date.fromisoformat(nights.named(0)) + timedelta(days=39)).isoformat()
    assert short["slices"][1]["drop"] == {"since": "2026-12-18", "from": 0.8, "to": 0.72}
    assert course_of(nights.a_season(5)).short()["slices"] == [course_of(nights.a_season(5)).standing_of("type erd")]


def test_latency_is_that_of_the_model_in_use():
    """The challenger's when it was promoted, else the champion's; the last that is known."""
    first, second = nights.judged(0, 1, 0, (0.5, 0.6)), nights.judged(1, 2, 1, (0.6, 0.5))
    assert course_of([first, nights.promoted(0, 1)]).latency() == 0.003
    assert course_of([first, nights.promoted(0, 1), second, nights.turned_down(1, 2)]).latency() == 0.002
    unknown = nights.judged(1, 2, 1, (0.6, 0.5), latency=None)
    assert course_of([first, nights.promoted(0, 1), unknown, nights.turned_down(1, 2)]).latency() == 0.003
    assert course_of([first, nights.promoted(0, 1), nights.rolled_back(0, 1, 0)]).latency() == 0.002
    alone = nights.judged(0, 1, None, (0.5, 0.6), latency={"challenger": 0.004})
    assert course_of([alone, nights.turned_down(0, 1)]).latency() is None  # nothing is in use


def test_each_artifact_type_has_its_own_latency():
    """Night by night, also in the tracker; where it was not measured nothing is claimed."""
    types = {"erd": (0.5, 0.6), "sql": (0.5, 0.5)}
    took = {"type erd": {"champion": 0.004, "challenger": 0.006}}
    alone = {"type erd": {"challenger": 0.005}}  # no champion yet
    first = nights.judged(0, 1, None, (0.5, 0.6), types=types, latency={"challenger": 0.003}, latencies=alone)
    second = nights.judged(1, 2, 1, (0.6, 0.5), types=types, latencies=took)
    course = course_of([first, nights.promoted(0, 1), second, nights.turned_down(1, 2)])
    assert [one.seconds("type erd") for one in course.measured] == [0.005, 0.004]
    assert (course.latency("type erd"), course.latency("type sql"), course.latency()) == (0.004, None, 0.002)
    assert course.tracker().get_performance_trend("type erd")["latencies_ms"] == [5.0, 4.0]
    assert np.isnan(course.tracker().get_performance_trend("type sql")["latencies_ms"]).all()


def test_nothing_known_is_nothing_claimed():
    """No metric, no slice, no latency."""
    course = Course([], [], {})
    assert (course.metric, course.slices(), course.latency(), course.happened) == (None, [], None, [])
    assert course.short() == {"metric": None, "in_points": True, "newest": None, "slices": []}
