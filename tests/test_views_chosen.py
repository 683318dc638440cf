"""The view of what searches have chosen: the newest for each workload and artifact type."""

import json

from daemon.event_log import Entry
from daemon.memory_log import MemoryEventLog
from daemon.views.chosen import Chosen
from tests.contracts.any_view import AnyView, fold_all


class TestChosenView(AnyView):
    """The battery for this view."""

    def make(self):
        return Chosen()


def chosen_after(*choices):
    log = MemoryEventLog(b"salt")
    for number, (workload, artifact_type, epochs) in enumerate(choices):
        body = {"workload": workload, "artifact_type": artifact_type, "settings": {"epochs": epochs}, "score": 0.5}
        log.append([Entry(f"e{number}", "settings_chosen/1", 1000, 1000, body=json.dumps(body))])
    return fold_all(Chosen(), log, 7)


def test_the_newest_choice_holds():
    """For its workload, whatever was chosen for others."""
    view = chosen_after(("support", None, 3), ("other", None, 4), ("support", None, 5))
    assert view.settings_for("support") == {"epochs": 5}
    assert view.settings_for("nobody") == {}
    assert view.newest("support", None)["score"] == 0.5


def test_what_was_chosen_for_one_type_is_for_workloads_of_that_type_alone():
    """A model that learns several is not trained by the settings of one."""
    view = chosen_after(("support", None, 3), ("support", "erd", 9))
    assert view.settings_for("support", ("erd",)) == {"epochs": 9}
    assert view.settings_for("support", ("erd", "chat")) == {"epochs": 3}
    assert view.settings_for("support") == {"epochs": 3}
    later = chosen_after(("support", "erd", 9), ("support", None, 3))
    assert later.settings_for("support", ("erd",)) == {"epochs": 3}
