"""Where hosts find the champion, and how they hear that it moved: real shelves, real links, no daemon."""

import os
import threading
from pathlib import Path

import pytest

import adaptd
from adaptd import models
from adaptd.complaints import complaints
from adaptd.models import ModelDamaged, NoModel
from daemon.model_shelf import Shelf
from tests.spooled_lines import as_a_fresh_host, output_of


@pytest.fixture
def state(tmp_path, monkeypatch):
    """A state folder that this process records into."""
    monkeypatch.setattr(models, "_watchers", [])
    monkeypatch.setattr(models, "_answered", {})
    as_a_fresh_host()
    adaptd.configure(state_dir=tmp_path / "state")
    yield tmp_path / "state"
    as_a_fresh_host()


def put(state, number, workload="support", files=("weights",)):
    source = state.parent / f"source-{workload}-{number}"
    for name in files:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(f"{workload} {number}")
    shelf = Shelf(state / "models" / workload)
    shelf.put(number, source, {"workload": workload}, "A model.\n")
    return shelf


def promote(state, number, **more):
    shelf = put(state, number, **more)
    shelf.point("champion", number)
    return str(shelf.path(number))


# Where it is


def test_the_numbered_folder_of_the_champion_is_told_and_never_the_link(state):
    """So that what a host loads stays whole when the link is swapped meanwhile."""
    assert adaptd.model_path("support") is None
    first = promote(state, 1)
    assert (adaptd.model_path("support"), adaptd.model_number("support")) == (first, 1)
    second = promote(state, 2)
    assert (adaptd.model_path("support"), adaptd.model_number("support")) == (second, 2)
    assert not os.path.islink(second)


def test_an_artifact_type_has_its_own_adapter_only_where_the_model_has_one(state):
    """Else the whole workload's; a type is no path."""
    path = promote(state, 1, files=("weights", "adapters/erd/weights"))
    assert adaptd.model_path("support", "erd") == f"{path}/adapters/erd"
    assert adaptd.model_path("support", "chart") == path
    assert adaptd.model_path("support", "../adapters/erd") == path


@pytest.mark.parametrize(
    ("workload", "told"),
    [
        ("support", r"adaptd.model_path\('support'\): .*/models/support has no model in use. `adaptd models list`"),
        ("../support", "no name that a workload can have"),
        ("odd", "champion leads to '../elsewhere', expected the number of a model"),
        ("base", "model 0 is in use and has no folder here"),
    ],
)
def test_strictly_it_is_said_why_there_is_none(state, workload, told):
    """Else it is None, and the host goes on with what it has."""
    for name, target in (("odd", "../elsewhere"), ("base", "0000")):
        (state / "models" / name).mkdir(parents=True)
        (state / "models" / name / "champion").symlink_to(target)
    assert adaptd.model_path(workload) is None
    with pytest.raises(NoModel, match=told):
        adaptd.model_path(workload, strict=True)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda path: (path / "deep" / "weights").write_text("other"), "deep/weights is not as it was written"),
        (lambda path: (path / "deep" / "weights").unlink(), "deep/weights is gone"),
        (lambda path: (path / "more").write_text("x"), "more, which is not among its files"),
        (lambda path: (path / "manifest.json").write_text("[]"), "manifest.json: list indices"),
        (lambda path: (path / "manifest.json").unlink(), "manifest.json: "),
    ],
)
def test_where_it_is_asked_for_every_file_is_hashed_before_a_path_is_given(state, spoil, told):
    """A damaged model has none, and that is told; without `check` it costs one look at a link."""
    complaints.on_error, heard = (lambda told: heard.append(str(told))), []
    path = promote(state, 1, files=("weights", "deep/weights"))
    assert adaptd.model_path("support", check=True) == path
    spoil(Path(path))
    assert adaptd.model_path("support") == path
    assert adaptd.model_path("support", check=True) is None
    assert told in heard[0]
    with pytest.raises(ModelDamaged, match="Nothing of it should be used: roll back with `adaptd models rollback`"):
        adaptd.model_path("support", check=True, strict=True)


def test_switched_off_there_is_no_model(state, monkeypatch):
    """As nothing is recorded."""
    promote(state, 1)
    monkeypatch.setenv("ADAPTD_DISABLED", "1")
    assert adaptd.model_path("support") is None
    with pytest.raises(NoModel, match="ADAPTD_DISABLED is set"):
        adaptd.model_path("support", strict=True)


def test_a_place_that_is_not_configured_is_told_as_for_recording(tmp_path, monkeypatch, nobodys_configuration):
    """Once, and the host goes on."""
    told = []
    as_a_fresh_host()
    monkeypatch.setattr(complaints, "on_error", told.append)
    adaptd.configure(config=tmp_path / "none.toml")
    assert adaptd.model_path("support") is None
    assert "none.toml" in str(told[0])


# When it moves


def test_a_promotion_reaches_the_host_at_its_next_look(state):
    """Each once, with what was in use before; a rollback, too."""
    first, heard = promote(state, 1), []
    adaptd.on_promotion(heard.append, "support")
    assert adaptd.check_promotions() == []
    second = promote(state, 2)
    assert len(adaptd.check_promotions()) == 1
    assert adaptd.check_promotions() == []
    promote(state, 1)
    adaptd.check_promotions()
    assert [(one.workload, one.number, one.previous, one.path) for one in heard] == [
        ("support", 2, 1, second),
        ("support", 1, 2, first),
    ]
    assert repr(heard[1]) == f"Champion(workload='support', number=1, path={first!r}, previous=2)"


def test_what_was_promoted_between_loading_and_listening_is_heard(state):
    """Since it is not what the host has."""
    promote(state, 1)
    adaptd.model_path("support")
    promote(state, 2)
    heard = []
    adaptd.on_promotion(heard.append, "support")
    adaptd.check_promotions()
    assert [one.number for one in heard] == [2]


def test_without_a_name_all_workloads_are_heard_of(state):
    """Those, too, that have their first model only now."""
    heard = []
    adaptd.on_promotion(heard.append)
    assert adaptd.check_promotions() == []
    promote(state, 1)
    promote(state, 4, workload="chat")
    assert [(one.workload, one.number) for one in adaptd.check_promotions()] == [("chat", 4), ("support", 1)]
    assert [one.previous for one in heard] == [None, None]


def test_a_callback_that_raises_is_told_and_tried_again(state, monkeypatch):
    """A model that could not be loaded now may be at the next look; others are called all the same."""
    told, heard, wrong = [], [], [ValueError("no memory")]
    monkeypatch.setattr(complaints, "on_error", told.append)

    def load(champion):
        if wrong:
            raise wrong.pop()
        heard.append(champion.number)

    adaptd.on_promotion(load)
    adaptd.on_promotion(lambda champion: heard.append(-champion.number))
    promote(state, 1)
    adaptd.check_promotions()
    assert (heard, [str(error) for error in told]) == ([-1], ["no memory"])
    adaptd.check_promotions()
    assert heard == [-1, 1]


def test_listening_ends_when_it_is_said(state):
    """By the function that on_promotion returns; twice does no harm."""
    heard = []
    end = adaptd.on_promotion(heard.append)
    end()
    end()
    promote(state, 1)
    assert (adaptd.check_promotions(), heard) == ([], [])


def test_a_thread_looks_by_itself_where_one_is_wanted(state):
    """Until it is ended."""
    promote(state, 1)
    heard = threading.Event()
    end = adaptd.on_promotion(lambda _: heard.set(), "support", watch=0.01)
    promote(state, 2)
    assert heard.wait(20)
    end()
    with pytest.raises(adaptd.AdaptdError, match="watch = 0, expected seconds above 0, or None for no thread"):
        adaptd.on_promotion(print, watch=0)


def test_a_host_picks_up_a_promotion_without_a_restart_and_loads_next_to_nothing(state):
    """In a process of its own, with the standard library alone; a fork of it hears by itself."""
    promote(state, 1)
    put(state, 2)
    program = """
import os, sys
before = set(sys.modules)
import adaptd
adaptd.configure(state_dir=sys.argv[1])
heard = []
path = adaptd.model_path("support")
adaptd.on_promotion(heard.append, "support")
os.symlink("0002", sys.argv[1] + "/models/support/.new")
os.replace(sys.argv[1] + "/models/support/.new", sys.argv[1] + "/models/support/champion")
loaded = {name.split(".")[0] for name in set(sys.modules) - before} - {"adaptd"}
assert not loaded - {"__future__", "_json", "fcntl"}, loaded
child = os.fork()
adaptd.check_promotions()
weights = open(heard[0].path + "/weights").read()
if child:
    assert os.waitpid(child, 0)[1] == 0
    print(os.path.basename(path), heard[0].number, weights)
"""
    assert output_of(program, state, isolated=True) == "0001 2 support 2\n"
