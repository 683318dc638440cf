"""`adaptd history`: nights as a table, a chart of characters and a picture, what fell, and JSON with all of it."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.cli.main import NO_SUCH_THING, USAGE, main
from daemon.night_course import ALL
from tests import history_world as nights
from tests.terminals import at_a_terminal

OTHER = nights.CONFIG + '[workloads.chat]\nplugin = "tiny_classifier"\n'


@pytest.fixture(scope="module")
def season(tmp_path_factory):
    return nights.make(tmp_path_factory.mktemp("season"), nights.a_season())


@pytest.fixture
def place(season, monkeypatch):
    monkeypatch.chdir(season)
    return season


def page(capsys, *words):
    assert main(["history", *words]) == 0
    return capsys.readouterr().out.splitlines()


def document(capsys, *words):
    assert main(["history", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_nights_are_told_with_what_happened_and_how_well_the_model_in_use_does(place, capsys):
    """Under a head; the newest last, then the chart, then what is remarkable."""
    lines = page(capsys)
    assert lines[:2] == ["support: correct, of the model in use, on that night's held-out examples", ""]
    assert lines[2].split() == ["night", "correct", "95%", ">=", "70", "of", "ms", "what", "happened"]
    assert lines[3] == "2026-11-22  0.670    0.639-0.701  67%    900  2   11 turned down, -2.0 points"
    for line in (
        "2026-11-23                                        run-0900 failed: the loss is no number",
        "2026-11-24  0.710    0.680-0.740  71%    900  3   13 promoted, +4.0 points",
        "2026-11-25                                        no run: 3 of 20 new examples",
        "2026-11-30  (0.750)                               back from 19 to 16: it lied",
    ):
        assert line in lines
    assert lines[-3:] == [
        "erd fell 8 points since 18 December",
        "no gain for 18 nights: plateau since 30 November",
        "the model in use takes 2 ms an example: sql 3, erd 2",
    ]
    assert "          ● the model in use   ○ one that was turned down" in lines


def test_the_last_nights_are_shown_as_many_as_one_likes(place, capsys):
    """Thirty without a word."""
    dates = [
        {line[:10] for line in page(capsys, *words) if line.startswith("2026-")} for words in ([], ["--nights", "3"])
    ]
    assert [len(found) for found in dates] == [30, 3]
    assert max(dates[0]) == max(dates[1]) == "2026-12-21"


def test_an_artifact_type_can_be_looked_at_alone(place, capsys):
    """Its own figures, and its own drop."""
    lines = page(capsys, "support", "--artifact-type", "erd", "--nights", "4")
    assert lines[0] == "support: correct of erd, of the model in use, on that night's held-out examples"
    assert lines[4].startswith("2026-12-19  0.720    0.691-0.749")
    assert lines[-2:] == ["erd fell 8 points since 18 December", "the model in use takes 2 ms an example of erd"]
    assert "no gain for 18 nights: plateau since 30 November" in page(capsys, "--artifact-type", "sql")


def test_at_a_terminal_everything_fits(place):
    """Eighty columns."""
    for words in ([], ["--artifact-type", "erd"]):
        shown = at_a_terminal(["history", *words], place).splitlines()
        assert max(map(len, shown)) <= 80
        assert len(shown) > 40


def test_a_long_reason_is_cut_at_a_terminal_alone(tmp_path, monkeypatch, capsys):
    """In JSON and in a file it is whole."""
    reason = "nothing to learn: " + "every one of them was held apart " * 5
    monkeypatch.chdir(nights.make(tmp_path, [nights.opened(0), nights.not_formed(0, reason)]))
    shown = at_a_terminal(["history"], tmp_path).splitlines()
    assert max(map(len, shown)) == 80
    assert page(capsys)[0] == "support: no model was judged yet"
    assert any(reason.strip() in line for line in page(capsys))


def test_json_has_every_figure_and_the_course(place, capsys):
    """Champion and challenger with intervals, success, latency; per slice plateau, drop and direction."""
    told = document(capsys, "--nights", "400")
    assert told["schema"] == "adaptd.history/1"
    (of,) = told["workloads"]
    assert (of["workload"], of["metric"], of["artifact_type"], of["higher_is_better"]) == (
        "support", "correct", None, True,
    )  # fmt: skip
    first = of["nights"][0]
    assert (first["what"], first["model"], first["in_use"]) == ("promoted", 1, 1)
    assert first["figure"]["mean"] == first["challenger"]["mean"] == pytest.approx(0.59)
    assert first["figure"]["low"] < 0.59 < first["figure"]["high"]
    assert (first["figure"]["rows"], first["figure"]["success"]) == (900, first["figure"]["mean"])
    assert first["latency"] == {"champion": 0.002, "challenger": 0.003}
    assert first["latencies"]["type sql"] == {"champion": 0.003, "challenger": 0.003}
    assert {one["slice"] for one in of["course"]} == {ALL, "type erd", "type sql"}
    erd = document(capsys, "--artifact-type", "erd")["workloads"][0]
    assert [one["slice"] for one in erd["course"]] == ["type erd"]
    assert erd["course"][0]["drop"] == {"since": "2026-12-18", "from": 0.8, "to": 0.72}


def test_latency_is_told_night_by_night_where_there_is_room_and_by_type_at_the_end(place, capsys):
    """The slowest first; of a type alone its own."""
    lines = page(capsys, "--nights", "4")
    assert lines[-1] == "the model in use takes 2 ms an example: sql 3, erd 2"
    assert lines[4].split()[1:6] == ["0.750", "0.722-0.778", "75%", "900", "2"]
    assert "  ms  " not in at_a_terminal(["history"], place)
    assert "  ms  " in at_a_terminal(["history"], place, columns=120)
    told = document(capsys, "--artifact-type", "sql")["workloads"][0]
    assert told["nights"][-1]["latency"] == {"champion": 0.003, "challenger": 0.003}


def test_several_workloads_stand_below_each_other(tmp_path, monkeypatch, capsys):
    """Or one of them; with an artifact type those that have it."""
    chat = [nights.judged(0, 1, None, (0.2, 0.5), workload="chat"), nights.promoted(0, 1, workload="chat")]
    monkeypatch.chdir(nights.make(tmp_path, [*nights.a_season(6), *chat], OTHER))
    titles = [line.partition(":")[0] for line in page(capsys) if ", of the model in use" in line]
    assert titles == ["chat", "support"]
    assert [one["workload"] for one in document(capsys, "chat")["workloads"]] == ["chat"]
    assert [one["workload"] for one in document(capsys, "--artifact-type", "erd")["workloads"]] == ["support"]
    assert "1 night are too few" not in "\n".join(page(capsys, "chat"))


def test_what_is_not_there_is_said_with_what_is(place, capsys):
    """A workload, an artifact type, and a number of nights that is none."""
    assert main(["history", "suport"]) == NO_SUCH_THING
    told = "adaptd: no night of 'suport' yet, expected support, did you mean 'support'?\n"
    assert capsys.readouterr().err == told
    assert main(["history", "--artifact-type", "erf"]) == NO_SUCH_THING
    told = "adaptd: no model was judged on artifact type 'erf', expected erd or sql, did you mean 'erd'?\n"
    assert capsys.readouterr().err == told
    assert main(["history", "--nights", "0"]) == USAGE
    assert "expected a number of nights from 1 up, found '0'" in capsys.readouterr().err


def test_before_the_first_night_there_is_a_word_about_it(tmp_path, monkeypatch, capsys):
    """On stderr; nothing is drawn."""
    monkeypatch.chdir(nights.make(tmp_path, []))
    assert main(["history", "--png", "a.png"]) == 0
    out, err = capsys.readouterr()
    assert (out, (tmp_path / "a.png").exists()) == ("", False)
    assert err == "adaptd: no night yet. The first one comes when a workload is configured and its window opens.\n"


def test_in_the_beginning_nothing_is_claimed(tmp_path, monkeypatch, capsys):
    """Of one night, or two, nobody knows whether it gets better; of three alike one does."""
    events = [event for night in range(3) for event in (nights.judged(night, night + 1, 0, (0.5, 0.5)),
                                                        nights.turned_down(night, night + 1))]  # fmt: skip
    for count, words in ((2, "1 night is too little"), (4, "2 nights are too little"), (6, "neither better nor worse")):
        monkeypatch.chdir(nights.make(tmp_path / str(count), events[:count]))
        assert words in "\n".join(page(capsys))


def test_gains_and_losses_are_told_by_night(tmp_path, monkeypatch, capsys):
    """In points of a share; a cost that falls gets better, in its own unit."""
    better = nights.make(tmp_path / "a", nights.a_season(9))
    monkeypatch.chdir(better)
    assert "better, by 0.71 points a night over 8 nights" in page(capsys)
    costs = [event for night, cost in enumerate((0.9, 0.7, 0.5, 0.3)) for event in (
        nights.judged(night, night + 1, 0, (cost, cost), higher_is_better=False, success=None),
        nights.turned_down(night, night + 1))]  # fmt: skip
    monkeypatch.chdir(nights.make(tmp_path / "b", costs))
    lines = page(capsys)
    assert "better, by 0.2 a night over 4 nights" in lines
    assert lines[3].split()[-2:] == ["down,", "0.9"] or lines[3].endswith("1 turned down, 0.9 to 0.9")


# The picture


def test_the_picture_is_a_file(place, tmp_path, capsys):
    """The path is said on stderr; equal nights give an equal file; with an artifact type another one."""
    pytest.importorskip("matplotlib")
    paths = [tmp_path / name for name in ("a.png", "b.png", "c.png")]
    for path, words in zip(paths, ([], [], ["--artifact-type", "erd"]), strict=True):
        assert main(["history", *words, "--png", str(path)]) == 0
    assert f"adaptd: the chart is in {paths[0]}" in capsys.readouterr().err.replace("\n  ", " ")
    first, again, other = (path.read_bytes() for path in paths)
    assert first[:8] == b"\x89PNG\r\n\x1a\n"
    assert first == again != other


def test_the_picture_is_there_also_when_the_table_is_not_read(place, tmp_path):
    """`adaptd history --png FILE | head -1`."""
    pytest.importorskip("matplotlib")
    code = "from daemon.cli.main import main; raise SystemExit(main())"
    command = f"{shlex.quote(sys.executable)} -c '{code}' -q history --png {tmp_path}/a.png | head -n 1"
    ours = {"PYTHONPATH": str(Path(__file__).parents[1])}
    subprocess.run(["sh", "-c", command], check=True, env=os.environ | ours, capture_output=True)
    assert (tmp_path / "a.png").exists()


def test_any_season_can_be_drawn(tmp_path, monkeypatch):
    """One night, none judged, hundreds, several workloads."""
    pytest.importorskip("matplotlib")
    chat = [nights.judged(0, 1, None, (0.2, 0.5), workload="chat"), nights.promoted(0, 1, workload="chat")]
    for number, events in enumerate(([nights.not_formed(0)], chat, nights.a_season(120), [*nights.a_season(3), *chat])):
        monkeypatch.chdir(nights.make(tmp_path / str(number), events))
        assert main(["-q", "history", "--nights", "400", "--png", "a.png"]) == 0
        assert (tmp_path / str(number) / "a.png").stat().st_size > 5_000


def test_without_what_draws_the_picture_is_refused(place, tmp_path, monkeypatch, capsys):
    """With what to install; exit code 1, no file."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    path = tmp_path / "a.png"
    assert main(["history", "--png", str(path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert f"adaptd: {path}: a picture: found 'no matplotlib here'" in err
    assert err.endswith("Run: pip install 'adaptd[charts]'\n")
    assert not path.exists()


def test_the_table_needs_nothing_that_draws(place, monkeypatch, capsys):
    """matplotlib is loaded for --png alone."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert page(capsys)


# In short


def test_status_says_what_fell_and_what_stands_still(place, capsys):
    """A line each below the model; in JSON as figures. The views' cell alone is read."""
    assert main(["status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("support       champion 16"))
    assert lines[at + 1 : at + 4] == [
        "              40 was turned down: correct -2.0 points",
        "              erd fell 8 points since 18 December",
        "              no gain for 18 nights: plateau since 30 November",
    ]
    assert main(["status", "--json"]) == 0
    (of,) = json.loads(capsys.readouterr().out)["models"]
    assert of["course"][1]["drop"] == {"since": "2026-12-18", "from": 0.8, "to": 0.72}


def test_status_says_nothing_where_nothing_is_remarkable(tmp_path, monkeypatch, capsys):
    """Most mornings."""
    events = []
    for night in range(4):
        events.append(nights.judged(night, night + 1, night or None, (0.5, 0.55 + night / 10)))
        events.append(nights.promoted(night, night + 1))
    monkeypatch.chdir(nights.make(tmp_path, events))
    assert main(["status"]) == 0
    shown = capsys.readouterr().out
    assert "champion 4" in shown
    assert "plateau" not in shown
    assert "fell" not in shown
