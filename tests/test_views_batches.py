"""The view of batches: what is listed, and what was learnt how often."""

import json
from itertools import count

import numpy as np
import pytest

from daemon.event_log import Entry
from daemon.memory_log import MemoryEventLog
from daemon.views.batches import Batches, digest_of
from tests.contracts.any_view import AnyView, Saved, fold_all

NUMBERS = count()


class TestBatchesView(AnyView):
    """The battery for this view."""

    def make(self):
        return Batches()


def formed(number, workload, examples, times=None, **fields):
    rows = {
        "example": examples,
        "derived_from": [-1 if example > 0 else 1 for example in examples],
        "times_learnt": times or [0] * len(examples),
    }
    body = {"batch": number, "workload": workload, "night": "2026-11-24", "by": [], "position": 9, "hash": "h"}
    body |= {"rows": rows, "validation": {"count": 2}, "figures": {"worth_mean": 0.5, "worth_count": 60}}
    return Entry(f"b{number}", "batch_formed/1", 1000 + number, 0, body=json.dumps(body | fields))


def not_formed(name, workload, kind="triggers", night="2026-11-24"):
    body = {"workload": workload, "night": night, "kind": kind, "reason": "3 of 20 new examples", "triggers": ["3 of"]}
    return Entry(name, "batch_not_formed/1", 2000, 0, body=json.dumps(body))


def folded(*entries):
    log = MemoryEventLog(b"salt")
    log.append(entries)
    return fold_all(Batches(), log, 2)


def test_times_learnt_are_counted_by_workload_and_output():
    """Derived examples were never recorded, and count for none; beyond the newest learnt output there is nothing."""
    view = folded(formed(1, "sbert", [3, 5, -2]), formed(2, "chat", [5, 7]), formed(3, "sbert", [5]))
    assert view.times_learnt("sbert").tolist() == [0, 0, 0, 1, 0, 2]
    assert view.times_learnt("chat").tolist() == [0, 0, 0, 0, 0, 1, 0, 1]
    assert view.times_learnt("nobody").tolist() == []


def planned(batch, run):
    return Entry(f"p{run}", "run_planned/1", 3000, 0, body=json.dumps({"run": run, "batch": batch}))


def shelved(model, batch, base=None):
    return of_a_model("model_shelved", model=model, run=f"run-{model:04}", batch=batch, hash="h", base=base)


def ended(kind, model):
    return of_a_model(f"challenger_{kind}", model=model, run=f"run-{model:04}")


def rolled_back(old, to):
    return of_a_model("champion_rolled_back", **{"from": old, "to": to})


def of_a_model(kind, **body):
    return Entry(f"{kind} {next(NUMBERS)}", f"{kind}/1", 3001, 0, body=json.dumps({"workload": "sbert"} | body))


def test_what_only_a_model_that_was_turned_down_has_learnt_counts_as_not_learnt():
    """The champion does not know it; promoted by hand after all, the model does. It was in a batch in any case."""
    runs = [planned(1, "run-0001"), planned(2, "run-0002"), shelved(2, 2)]
    entries = [formed(1, "sbert", [3, 5]), formed(2, "sbert", [3, 4]), *runs, ended("turned_down", 2)]
    view = folded(*entries)
    assert view.times_learnt("sbert").tolist() == [0, 0, 0, 1, 0, 1]
    assert view.times_in_batches("sbert").tolist() == [0, 0, 0, 2, 1, 1]
    again, saved = Batches(), Saved()
    saved.save(view)
    saved.load(again)
    assert again.times_learnt("sbert").tolist() == [0, 0, 0, 1, 0, 1]
    assert folded(*entries, ended("promoted", 2)).times_learnt("sbert").tolist() == [0, 0, 0, 2, 1, 1]


THREE = [
    *(formed(number, "sbert", [number]) for number in (1, 2, 3)),
    *(planned(number, f"run-{number:04}") for number in (1, 2, 3)),
    *(event for number in (1, 2, 3) for event in (shelved(number, number, number - 1), ended("promoted", number))),
]


@pytest.mark.parametrize(
    ("then", "learnt"),
    [
        ([], [1, 2, 3]),
        ([rolled_back(3, 2)], [1, 2]),
        ([rolled_back(3, 2), rolled_back(2, 1)], [1]),
        ([rolled_back(3, 1)], [1]),  # over a damaged one, whose batch the champion does not know either
        ([rolled_back(3, 1), ended("promoted", 3)], [1, 2, 3]),  # by hand; it began from 2
        ([rolled_back(3, 1), ended("promoted", 2)], [1, 2]),
        ([rolled_back(3, 0)], []),
    ],
)
def test_what_only_models_have_learnt_that_were_rolled_back_counts_as_not_learnt(then, learnt):
    """As long as neither the champion, nor what it began from, nor one to roll back to has learnt it."""
    view = folded(shelved(0, None), *THREE, *then)
    assert np.flatnonzero(view.times_learnt("sbert")).tolist() == learnt
    assert np.flatnonzero(view.times_in_batches("sbert")).tolist() == [1, 2, 3]


def test_what_a_model_has_learnt_is_counted_along_its_line():
    """Over its own batch and those of what it began from; a model that is none has learnt nothing."""
    view = folded(shelved(0, None), *THREE, formed(4, "sbert", [1, 2, 3]))
    found = [np.flatnonzero(view.times_learnt_by("sbert", model)).tolist() for model in (3, 2, 0, None)]
    assert found == [[1, 2, 3], [1, 2], [], []]


def test_what_a_cancelled_run_was_to_learn_counts_as_not_learnt():
    """Whichever came first into the view; the batch's newest run decides."""
    cancelled = Entry("c", "run_cancelled/1", 3002, 0, body='{"run": "run-0001", "reason": null}')
    view = folded(formed(1, "sbert", [3, 5]), planned(1, "run-0001"), cancelled)
    assert not view.times_learnt("sbert").any()
    saved = Saved()
    saved.save(view)
    assert not saved.load(Batches()).times_learnt("sbert").any()
    again = folded(formed(1, "sbert", [3, 5]), planned(1, "run-0001"), cancelled, planned(1, "run-0002"))
    assert np.flatnonzero(again.times_learnt("sbert")).tolist() == [3, 5]


def test_a_batch_that_only_repeats_one_and_has_no_run_is_learnt_no_more_than_that():
    """Nobody plans it; with a run of its own it stands for itself."""
    entries = [shelved(0, None), *THREE, rolled_back(3, 2), formed(4, "sbert", [3, 2], [0, 1], repeats=3)]
    assert folded(*entries).times_learnt("sbert").tolist() == [0, 1, 1]
    assert folded(*entries, planned(4, "run-0004")).times_learnt("sbert").tolist() == [0, 1, 2, 1]


def test_batches_that_learn_the_same_anew_are_told_by_a_digest():
    """Whatever they learn again beside it, in whatever order."""
    one, other, third = folded(
        formed(1, "sbert", [5, 3]), formed(2, "sbert", [3, 9, 5, -1], [0, 1, 0, 0]), formed(3, "sbert", [3])
    ).listed()
    assert one["anew"] == other["anew"] == digest_of(np.array([3, 5])) != third["anew"]


def test_batches_are_listed_in_short():
    """Their rows stay in the log."""
    view = folded(formed(1, "sbert", [3, 5, -2], [0, 1, 0]), formed(2, "chat", [5]))
    assert [batch["batch"] for batch in view.listed()] == [1, 2]
    (batch,) = view.listed("sbert")
    assert (batch["rows"], batch["new"], batch["validation"], batch["at"]) == (3, 1, 2, 1001)
    assert view.newest("chat")["batch"] == 2
    assert view.newest("nobody") is None
    assert view.next_number() == 3
    assert Batches().next_number() == 1


def test_the_batches_of_an_output_are_found():
    """Oldest first, of all workloads."""
    view = folded(formed(1, "sbert", [3, 5]), formed(2, "chat", [5]), formed(3, "sbert", [3]))
    assert [batch["batch"] for batch in view.with_output(5)] == [1, 2]
    assert view.with_output(4) == []


def test_the_newest_answer_of_a_workload_is_kept():
    """A batch, or why there was none, and the newest stage that failed."""
    failed = Entry("f", "stage_failed/1", 7, 0, body='{"workload":"chat","stage":"freshest","reason":"ValueError"}')
    view = folded(not_formed("n1", "chat"), formed(1, "sbert", [3]), not_formed("n2", "sbert", "stage"), failed)
    assert view.answers["chat"]["reason"] == "3 of 20 new examples"
    assert (view.answers["sbert"]["kind"], "batch" in view.answers["sbert"]) == ("stage", False)
    assert view.failures["chat"]["stage"] == "freshest"


def test_it_is_taken_up_again_as_it_was():
    """Batches, answers and failures, from cells and the table."""
    view, saved = folded(formed(1, "sbert", [3, 5]), not_formed("n", "chat")), Saved()
    saved.save(view)
    again = saved.load(Batches())
    assert (again.formed, again.answers, again.failures) == (view.formed, view.answers, view.failures)
    assert again.times_learnt("sbert").tolist() == view.times_learnt("sbert").tolist()


def test_a_batch_without_rows_can_be_folded():
    """Whatever stands in the log, the daemon begins."""
    view = folded(Entry("b", "batch_formed/1", 5, 0, body='{"batch": 4, "workload": "sbert"}'))
    (batch,) = view.listed()
    assert (batch["rows"], batch["new"], batch["validation"], view.next_number()) == (0, 0, 0, 5)
