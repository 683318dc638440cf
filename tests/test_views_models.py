"""The models view: how each workload's shelf stands, from its events in whatever order they are fed."""

import json

from daemon.event_log import Entry
from daemon.memory_log import MemoryEventLog
from daemon.views.models import Models, Taken
from tests.contracts.any_view import AnyView, fold_all


class TestModelsView(AnyView):
    """The battery for this view."""

    def make(self):
        return Models()


def folded(*events):
    log = MemoryEventLog(b"salt")
    log.append(
        [
            Entry(f"e{number}", f"{kind}/1", 1000 + number, 0, body=json.dumps({"workload": "support"} | body))
            for number, (kind, body) in enumerate(events)
        ]
    )
    return fold_all(Models(), log, 100)


def shelved(number):
    run = None if number == 0 else f"run-{number:04}"
    return "model_shelved", {"model": number, "run": run, "batch": number, "hash": f"h{number}", "base": None}


def promoted(number, level=0.01):
    return "challenger_promoted", {"model": number, "by": "gate", "level": level, "decision": {"sentence": "Better."}}


def turned_down(number, level=0.01):
    return "challenger_turned_down", {"model": number, "level": level, "failed": None}


def rolled_back(old, to):
    return "champion_rolled_back", {"from": old, "to": to, "reason": "it lied"}


def states(standing):
    return {number: model.state for number, model in standing.models.items()}


def test_the_base_model_is_the_first_champion():
    """And what a run left challenges it."""
    standing = folded(shelved(0), shelved(1)).standing("support")
    assert standing.links == {"champion": 0, "previous": None, "challenger": 1}
    assert standing.of_run("run-0001").hash == "h1"
    assert standing.of_run("run-0002") is None


def test_promotions_go_down_as_a_chain():
    """The previous champion is the one before, not the folder before."""
    standing = folded(shelved(0), shelved(1), promoted(1), shelved(2), turned_down(2), shelved(3), promoted(3))
    standing = standing.standing("support")
    assert standing.links == {"champion": 3, "previous": 1, "challenger": None}
    assert states(standing) == {0: "former", 1: "former", 2: "turned down", 3: "champion"}
    assert (standing.models[3].since, standing.models[1].since) == (1006, 1006)


def test_a_rollback_goes_to_a_champion_before_and_quarantines():
    """Those between are former ones; a second rollback goes further back."""
    events = [shelved(0), shelved(1), promoted(1), shelved(2), promoted(2), rolled_back(2, 1)]
    standing = folded(*events).standing("support")
    assert standing.links == {"champion": 1, "previous": 0, "challenger": None}
    assert states(standing) == {0: "former", 1: "champion", 2: "quarantined"}
    assert states(folded(*events[:-1], rolled_back(2, 0)).standing("support"))[1] == "former"
    assert folded(*events, rolled_back(1, 0)).standing("support").links["previous"] is None


def test_what_a_person_is_to_say_stays_the_challenger():
    """The gate has looked at it, and left it open."""
    by_hand = ("challenger_turned_down", {"model": 1, "level": 0.0, "decision": {"verdict": "by hand"}})
    standing = folded(shelved(0), shelved(1), by_hand).standing("support")
    assert (standing.challenger, standing.models[1].decided["verdict"]) == (1, "by hand")


def test_a_pin_holds_until_it_is_taken_away():
    """Of models in any state."""
    pin, unpin = (("model_pinned", {"model": 0, "pinned": pinned}) for pinned in (True, False))
    assert folded(shelved(0), pin).standing("support").models[0].pinned
    assert not folded(shelved(0), pin, unpin).standing("support").models[0].pinned


def test_every_decision_that_cost_something_is_counted():
    """Of whichever workload; one that spent nothing is none."""
    view = folded(promoted(1, level=0.01), turned_down(2, level=0.0), turned_down(3, level=0.002))
    assert view.taken() == [Taken("support", 1000, 0.01), Taken("support", 1002, 0.002)]


def test_how_often_an_output_was_judged_on_is_counted():
    """Per workload, and once a decision; one that spent nothing does not count."""
    judged = [
        ("challenger_judged", {"model": model, "outputs": outputs}) for model, outputs in ((1, [2, 4, 4]), (2, [4]))
    ]
    others = [("challenger_judged", {"workload": "other", "model": 1, "outputs": [2]}), promoted(1)]
    others[1][1]["workload"] = "other"
    idle = ("challenger_judged", {"model": 3, "outputs": [2, 4]})
    view = folded(*judged, turned_down(1), promoted(2), *others, idle, turned_down(3, level=0.0))
    assert view.served("support").tolist() == [0, 0, 1, 0, 2]
    assert view.served("other").tolist() == [0, 0, 1]
    assert view.served("none").tolist() == []


def test_numbers_go_on_from_the_highest():
    """0 is the base model's, whether there is one or not."""
    assert folded().next_number("support") == 1
    assert folded(shelved(0)).next_number("support") == 1
    assert folded(shelved(4), shelved(2)).next_number("support") == 5


def test_who_only_looks_reads_one_cell_of_each_workload():
    """Champion and since when, its newest figures, and what was decided last."""
    metrics = {"all": {"rows": 9, "correct": {"champion": {"mean": 0.5}, "challenger": {"mean": 0.75}}}}
    judged = "challenger_judged", {"model": 1, "champion": 0, "metric": "correct", "metrics": metrics}
    events = [shelved(0), shelved(1), judged, promoted(1), shelved(2), turned_down(2)]
    view = folded(*events, ("model_pinned", {"workload": "b"}))
    cells = view.take_cells()
    short = json.loads(cells["short/support"])
    assert (short["champion"], short["since"], short["previous"], short["decided"]["model"]) == (1, 1003, 0, 2)
    assert short["figure"] == {"metric": "correct", "value": 0.75}
    before = json.loads(folded(shelved(0), shelved(1), judged).take_cells()["short/support"])
    assert before["figure"] == {"metric": "correct", "value": 0.5}
    assert json.loads(cells["short/b"])["champion"] is None
    assert view.take_cells() == {}
    assert view.workloads() == ["b", "support"]
