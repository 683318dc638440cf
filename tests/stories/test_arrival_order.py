"""Several hosts' events in any order of arrival come to the same examples."""

import random
from itertools import permutations

import pytest

from tests.intake_world import World, feedback, inline, output

SEQS = ("seq", "category_seq", "correction_seq", "preference_seq", "newest_seq")
DROPPED = ("received_at", "subject", "owner", "newest_seq")  # when it came, and under which random number


def writer(number):
    return f"{number:016x}"


def said(host, n, event_id, about=None, **fields):
    return feedback(event_id, about, writer=writer(host), n=n, occurred_at=1000 + n, **fields)


def the_events():
    """Three hosts: one records outputs, two judge them, revise themselves, and take back."""
    lines = [
        output(
            f"o{n}",
            input=f"question {n}",
            writer=writer(1),
            n=n + 1,
            occurred_at=500,
            artifact_type="erd",
            model=f"m{n % 2}",
        )
        for n in range(6)
    ]
    for n in range(6):
        lines += [
            said(2, 10 * n + 1, f"a{n}", f"o{n}", score=10 * n, rater="ann"),
            said(2, 10 * n + 2, f"b{n}", f"o{n}", score=10 * n + 5, rater="ann"),
            said(3, 10 * n + 1, f"c{n}", f"o{n}", score=70, thumb="up", rater="bob", category="good"),
            said(3, 10 * n + 2, f"d{n}", f"o{n}", correction="so", rater="bob"),
            said(3, 10 * n + 3, f"e{n}", f"o{n}", implicit="copy"),
        ]
    return lines + [
        said(2, 100, "sup", supersedes="c1", score=20),  # another host replaces bob's
        said(3, 101, "back", retracts="b2"),
        said(3, 102, "back2", retracts="sup2"),
        said(3, 103, "sup2", supersedes="c3", thumb="down"),
        said(2, 104, "chain", supersedes="back0", score=1),
        said(2, 105, "back0", retracts="a4"),
        said(2, 106, "lost", retracts="never came"),
        inline(
            "i",
            input="question 1",
            score=90,
            subject="anna",
            writer=writer(2),
            n=107,
            occurred_at=9,
            artifact_type="erd",
        ),
        said(3, 108, "j", "i", thumb="down", comment="hm"),
        said(3, 109, "early", "not there", comment="waits", score=3),
    ]


def resolved(folder, lines, cuts):
    """What holds of each output, by its key, with log positions told as the ids of the events there."""
    folder.mkdir()
    world = World(folder, kind="memory", views="real")
    start = 0
    for end in [*cuts, len(lines)]:
        assert all(outcome.error is None for outcome in world.send(*lines[start:end]))
        start = end
    ids = {event["seq"]: event["id"] for event in world.rows()} | {0: None}
    names = {"artifact_type": world.examples.listed("artifact_type")}
    columns = {name: values.tolist() for name, values in world.examples.resolved().items() if name not in DROPPED}
    for name in set(SEQS) & set(columns):
        columns[name] = [ids[seq] for seq in columns[name]]
    for name, listed in names.items():
        columns[name] = [listed[code] for code in columns[name]]
    rated = world.examples.rated_judge_examples()
    world.close()
    rows = [dict(zip(columns, map(repr, row), strict=True)) for row in zip(*columns.values(), strict=True)]
    return sorted(rows, key=lambda row: row["key"]), rated


def test_any_order_of_arrival_gives_the_same_examples(tmp_path):
    """Shuffled, cut into batches anywhere, backwards: the set of events decides."""
    lines = the_events()
    expected, rated = resolved(tmp_path / "in order", lines, [])
    assert len(expected) == 8
    orders = [(lines[::-1], []), (lines[::-1], list(range(1, len(lines)))), (lines, list(range(1, len(lines))))]
    for seed in range(12):
        rng = random.Random(seed)
        shuffled = rng.sample(lines, len(lines))
        orders.append((shuffled, sorted(rng.sample(range(1, len(lines)), rng.randrange(8)))))
    for number, (order, cuts) in enumerate(orders):
        assert resolved(tmp_path / str(number), order, cuts) == (expected, rated), (number, cuts)


def test_it_is_the_events_that_make_the_difference(tmp_path):
    """Without one of them the outcome is another."""
    lines = the_events()
    assert resolved(tmp_path / "all", lines, []) != resolved(tmp_path / "one less", lines[:-10] + lines[-9:], [])


REVISIONS = {
    "of early feedback": [
        said(2, 1, "first", "o", score=10, rater="ann"),
        said(2, 2, "second", "o", score=20, rater="ann"),
        said(2, 3, "third", supersedes="first", score=30, rater="ann"),
    ],
    "twice over": [
        said(2, 1, "first", "o", score=10, rater="ann"),
        said(2, 2, "second", supersedes="first", score=20, rater="ann"),
        said(2, 3, "third", supersedes="second", score=30, rater="ann"),
        said(2, 4, "other", "o", score=40, rater="ann"),
    ],
    "of a subject's output": [
        output("o", writer=writer(1), n=1, occurred_at=5, subject="anna"),
        said(2, 1, "first", "o", score=10, rater="ann"),
        said(2, 2, "second", supersedes="first", score=20, rater="ann"),
        said(2, 3, "back", retracts="second", rationale="not so"),
    ],
    "of a subject on another's output": [
        output("o", writer=writer(1), n=1, occurred_at=5, subject="anna"),
        said(3, 1, "first", "o", score=10, rater="ben", subject="ben"),
        said(3, 2, "second", supersedes="first", score=20, rater="ben", subject="ben"),
        said(3, 3, "third", "o", score=30, rater="ben", subject="ben"),
    ],
    "of an output that nobody owns": [
        inline("i", input="q", score=10, rater="ann", writer=writer(2), n=1, occurred_at=5),
        said(2, 2, "second", supersedes="i", score=20, rater="ann"),
        said(2, 3, "third", "i", score=30, rater="ann"),
    ],
    "of each other": [
        said(2, 1, "a", supersedes="b", score=1, rater="ann"),
        said(2, 2, "b", supersedes="a", score=2, rater="ann"),
    ],
}


@pytest.mark.parametrize("lines", REVISIONS.values(), ids=REVISIONS)
def test_a_revision_before_the_revised_has_the_same_rater(tmp_path, lines):
    """Ann's revision counts as Ann's, whichever came first, in whatever batches."""
    expected = resolved(tmp_path / "in order", lines, [])
    orders = list(permutations(lines))
    for number, order in enumerate(orders if len(lines) < 4 else random.Random(1).sample(orders, 8)):
        cuts = list(range(1, len(lines))) if number % 2 else [1 + number % (len(lines) - 1)]
        assert resolved(tmp_path / str(number), list(order), cuts) == expected, (order, cuts)
    backwards = resolved(tmp_path / "backwards", lines[::-1], list(range(1, len(lines))))
    assert backwards == expected
