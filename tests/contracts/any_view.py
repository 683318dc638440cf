"""What every view must hold, whatever it is about. A view's own test subclasses this and says how it is made."""

import json
import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.event_kinds import current
from daemon.event_log import COLUMNS, Entry
from daemon.memory_log import MemoryEventLog
from daemon.views.columns import Columns
from daemon.views.page import Page, Vocabulary
from daemon.views.store import Views, fold_next
from tests.contracts.view_histories import entries_of, histories

INHERITED = [HealthCheck.differing_executors]  # one battery, met by several views
BATCH = {
    "batch": 1, "workload": "sbert", "night": "2026-11-24", "by": ["20 of 20 new"], "position": 1, "hash": "ab",
    "rows": {"example": [1, 2, -2], "derived_from": [-1, -1, 1], "times_learnt": [0, 1, 0]}, "figures": {"new": 1},
    "validation": {"count": 3},
}  # fmt: skip
SAID = {"champion": {"mean": 0.5, "low": 0.4, "high": 0.6}, "challenger": {"mean": 0.6, "low": 0.5, "high": 0.7}}
JUDGED = {
    "workload": "support", "model": 2, "champion": 1, "run": "run-0002", "outputs": [1, 2], "metric": "correct",
    "higher_is_better": True, "success": {"all": SAID, "type erd": SAID}, "latency": None,
    "latencies": {"type erd": {"challenger": 0.002}},
    "metrics": {"all": {"rows": 2, "correct": SAID}, "type erd": {"rows": 2, "correct": SAID}},
}  # fmt: skip
DAEMONS = (
    ("line_quarantined/1", {"source": "a.ndjson", "offset": 7, "length": 9, "reason": "torn", "quarantine_id": "q"}),
    ("event_refused/1", {"reason": "its subject was forgotten"}),
    ("spool_finished/1", {"spool": "a-000001.ndjson", "bytes": 4096}),
    ("daemon_started/1", {"version": "0.1"}),
    ("subject_forgotten/1", {"mark": "00", "pseudonyms": [5], "events": 1}),
    ("run_planned/1", {"run": "run-0001", "batch": 1, "batch_hash": "ab", "workload": "support", "seed": 1}),
    ("run_planned/1", {"run": "run-0002", "batch": 2, "batch_hash": "cd", "workload": "support", "seed": 2}),
    ("run_started/1", {"run": "run-0001", "attempt": 1, "device": "cpu", "pid": 7, "from_step": 0}),
    ("run_paused/1", {"run": "run-0001", "step": 4, "steps": 9, "reason": "window", "seconds": 0.1, "rate": 2.0}),
    ("run_failed/1", {"run": "run-0002", "attempt": 1, "how": "died", "reason": "signal 9", "final": False}),
    ("run_failed/1", {"run": "run-0001", "attempt": 2, "how": "error", "seconds": 0.2, "step": 5, "final": True}),
    ("run_finished/1", {"run": "run-0002", "step": 9, "metrics": {"loss": 0.1}, "model_hash": "ef", "flags": []}),
    ("run_cancelled/1", {"run": "run-0001", "reason": None}),
    ("batch_formed/1", BATCH),
    ("batch_not_formed/1", {"workload": "chat", "night": "2026-11-25", "kind": "triggers", "reason": "3 of 20"}),
    ("stage_failed/1", {"workload": "sbert", "stage": "freshest", "reason": "ValueError at freshest.py:3"}),
    ("outputs_asked/1", {"outputs": [{"seq": 1, "propensity": 0.5}, {"seq": 4, "propensity": 0.25}]}),
    ("night_opened/1", {"date": "2026-11-20", "opens_at": 1, "closes_at": 2, "late": False}),
    ("night_opened/1", {"date": "2026-11-21", "opens_at": 3, "closes_at": 4, "late": True}),
    ("nights_paused/1", {"until": None, "reason": "a demonstration"}),
    ("nights_resumed/1", {}),
    ("training_asked/1", {"workload": "support"}),
    ("settings_chosen/1", {"workload": "support", "artifact_type": None, "settings": {"epochs": 3}, "score": 0.5}),
    ("settings_chosen/1", {"workload": "support", "artifact_type": "erd", "settings": {"epochs": 9}, "score": 0.7}),
    ("batch_not_formed/1", {"workload": "support", "night": None, "reason": "nothing new", "asked": True}),
    ("model_shelved/1", {"workload": "support", "model": 0, "run": None, "batch": None, "hash": "aa", "base": None}),
    ("model_shelved/1", {"workload": "support", "model": 1, "run": "run-0001", "batch": 1, "hash": "ab", "base": 0}),
    ("model_shelved/1", {"workload": "sbert", "model": 1, "run": "run-0002", "batch": 2, "hash": "cd", "base": None}),
    ("challenger_judged/1", {"workload": "support", "model": 1, "champion": 0, "run": "run-0001", "outputs": [1, 3]}),
    ("challenger_judged/2", JUDGED),
    ("challenger_promoted/1", {"workload": "support", "model": 1, "previous": 0, "by": "gate", "level": 0.01}),
    ("challenger_turned_down/1", {"workload": "sbert", "model": 1, "level": 0.002, "failed": "no baseline"}),
    ("champion_rolled_back/1", {"workload": "support", "from": 1, "to": 0, "reason": "it lied"}),
    ("model_pinned/1", {"workload": "support", "model": 0, "pinned": True}),
    ("reindex_asked/1", {"workload": "support", "model": 0}),
    ("index_built/1", {"workload": "support", "model": 0, "index": "articles", "build": 1, "rows": 2}),
    ("index_failed/1", {"workload": "support", "model": 1, "index": "articles", "build": 1, "reason": "no"}),
    ("examples_served/1", {"workload": "support", "outputs": [1, 2, 5]}),
    ("examples_served/1", {"workload": "support", "outputs": [3]}),
    ("golden_recorded/1", {"set": "support", "input": "a", "reference": "b", "artifact_type": "erd"}),
    ("golden_recorded/1", {"set": "default", "input": "c", "reference": "d", "artifact_type": None}),
    ("golden_frozen/1", {"set": "support", "version": 1, "rows": 1, "hash": "ab"}),
    ("golden_retired/1", {"set": "default"}),
)


@st.composite
def logs(draw):
    """What hosts said, with the daemon's own events between."""
    entries = entries_of(draw(histories()))
    rng = random.Random(draw(st.integers(0, 1 << 30)))
    own = [_own(number, rng) for number in range(draw(st.integers(0, 30)))]
    log = MemoryEventLog(b"salt")
    log.append(_mixed(entries, own, rng))
    return log


def _own(number, rng):
    kind, body = rng.choice(DAEMONS)
    now = 20_000 * 86_400_000_000 + number
    return Entry(f"own-{number}", kind, now, now, body=json.dumps(body))


def _mixed(entries, own, rng):
    """The daemon's events come last, since an entry's target is a position."""
    head = own if rng.random() < 0.5 else []
    shift = len(head)
    moved = [
        entry._replace(target_seq=entry.target_seq + shift) if (entry.target_seq or 0) > 0 else entry
        for entry in entries
    ]
    return [*head, *moved, *([] if head else own), *_came([*head, *moved], rng)]


def _came(entries, rng):
    """What intake tells of events that came before what they revise; here of any event."""
    places = rng.sample(range(len(entries)), min(len(entries), rng.randrange(4)))
    return [
        Entry(
            f"came-{place}",
            "target_came/1",
            entries[place].received_at,
            entries[place].received_at,
            output_key=entries[place].output_key,
            rater_key=rng.choice((None, 7, 8)),
            target_seq=place + 1,
            subject=rng.choice((None, 5)),
        )
        for place in places
    ]


def fold_all(fold, log, page):
    position, count, vocabulary = 0, 1, Vocabulary()
    while count:
        position, count = fold_next(log, [fold], position, page, vocabulary)
    return fold


class AnyView:
    """The battery."""

    def make(self):
        raise NotImplementedError

    @given(logs(), st.integers(1, 40))
    @settings(max_examples=60, deadline=None, suppress_health_check=INHERITED)
    def test_any_paging_gives_the_same_state(self, log, page):
        """One page or many."""
        assert fold_all(self.make(), log, page).digest() == fold_all(self.make(), log, 1_000).digest()

    @given(logs(), st.integers(1, 9), st.lists(st.integers(1, 12), max_size=5))
    @settings(max_examples=60, deadline=None, suppress_health_check=INHERITED)
    def test_saved_and_taken_up_again_is_as_if_never_saved(self, log, page, stops):
        """At any positions, as often as one likes."""
        fold, vocabulary, position = self.make(), Vocabulary(), 0
        saved = Saved()
        for stop in stops:
            position, _ = fold_next(log, [fold], position, stop, vocabulary)
            saved.save(fold)
            fold = saved.load(self.make())
        count = 1
        while count:
            position, count = fold_next(log, [fold], position, page, vocabulary)
        assert fold.digest() == fold_all(self.make(), log, 1_000).digest()

    @given(logs(), st.integers(0, 1 << 30), st.integers(1, 9))
    @settings(max_examples=60, deadline=None, suppress_health_check=INHERITED)
    def test_rows_fed_in_another_order_give_the_same_state(self, log, seed, page):
        """With their numbers kept. What waits for an event that is not there yet is fed before it."""
        fold = self.make()
        columns = ("seq", *dict.fromkeys((*fold.columns(), "id")))
        rows = reordered(log, seed)
        for start in range(0, len(rows), page):
            some = rows[start : start + page]
            feed(fold, [[row[column] for column in columns] for row in some], columns, some)
        assert fold.digest() == fold_all(self.make(), log, 1_000).digest()

    def test_one_event_more_gives_another_state(self):
        """The digest is of what the view knows: of one of the events that concern it, it knows."""
        log = MemoryEventLog(b"salt")
        log.append([_own(number, random.Random(number)) for number in range(40)])
        said = {"id": "o", "output": "o", "says": ("score",), "score": 1.0, "writer": None, "n": None, "day": 0}
        log.append(entries_of([said]))
        digests = []
        for up_to in range(log.head().seq + 1):
            fold = self.make()
            fold_next(log, [fold], 0, up_to, Vocabulary())
            digests.append(fold.digest())
        assert len(set(digests)) > 1

    @given(logs())
    @settings(max_examples=15, deadline=None, suppress_health_check=INHERITED)
    def test_rebuilt_equals_live(self, log):
        """Folded turn by turn and saved each time, or all at once."""
        with Views.open(":memory:", log, makers=[self.make], page_events=3) as live:
            while live.catch_up(max_events=2):
                pass
            assert list(live.digests().values()) == [fold_all(self.make(), log, 1_000).digest()]

    def test_a_view_names_itself(self):
        """A name and a version from 1 up; the log's columns it reads begin with seq."""
        fold = self.make()
        assert fold.name.isidentifier()
        assert fold.version >= 1
        assert fold.columns()[0] == "seq"


class Saved:
    """A view's saved form in memory, through the same bytes and texts as in the file."""

    def __init__(self):
        self.parts, self.stops, self.cells = {}, {}, {}

    def save(self, fold):
        for part, table in fold.tables.items():
            start = self.stops.get(part, 0)
            self.parts.setdefault(part, []).append(table.packed(start, table.rows))
            self.stops[part] = table.rows
        self.cells |= fold.take_cells()

    def load(self, fold):
        for part, table in fold.tables.items():
            assert isinstance(table, Columns)
            for data in self.parts.get(part, []):
                table.append_packed(data)
        fold.restore({key: value for key, value in self.cells.items() if value is not None})
        return fold


def reordered(log, seed):
    """Rows as dicts in another order, but what names a target to come stands before it."""
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in log.read_after(0, 10_000)]
    rng = random.Random(seed)
    rank = {row["id"]: rng.random() for row in rows}
    for _ in rows:
        for row in rows:
            target = _unknown_target(row)
            if target in rank:
                rank[row["id"]] = min(rank[row["id"]], rank[target] * 0.999)
    return sorted(rows, key=lambda row: rank[row["id"]])


def _unknown_target(row):
    body = json.loads(row["body"])
    return body.get("supersedes") or body.get("retracts") if row["target_seq"] == -1 else None


def feed(fold, rows, columns, dicts):
    page = Page([rows], columns)
    page.bodies = {row["seq"]: current(row["kind"], json.loads(row["body"]))[1] for row in dicts}
    fold.fold(page)
