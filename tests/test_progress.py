"""How progress is drawn, and when not."""

import io
import sys

import pytest

from daemon.cli import progress as drawing
from daemon.cli.printing import talk
from daemon.cli.progress import Progress, progress
from tests import made_state
from tests.terminals import at_a_terminal

START = "\r\x1b[K"


class World:
    """A line and what was drawn of it, with a clock of its own."""

    def __init__(self, width=80):
        self.out = io.StringIO()
        self.line = Progress(self.out, 100.0, width)

    def tell(self, doing, done, total, now):
        before = len(self.out.getvalue())
        self.line.tell(doing, done, total, 100.0 + now)
        return self.out.getvalue()[before:].removeprefix(START)


def test_short_work_draws_nothing():
    """Half a second is a moment; what was not drawn need not be taken away."""
    world = World()
    assert [world.tell("reading", n, 10, n / 20) for n in range(9)] == [""] * 9
    world.line.end()
    assert world.out.getvalue() == ""


def test_long_work_says_how_long_it_still_takes():
    """By what was done since it began; not in the first second, when nobody knows."""
    world = World()
    world.tell("reading", 0, 1000, 0)
    assert world.tell("reading", 100, 1000, 0.6) == "reading: 10%"
    assert world.tell("reading", 101, 1000, 0.7) == ""
    assert world.tell("reading", 200, 1000, 2) == "reading: 20%, 8 seconds left"
    assert world.tell("reading", 250, 1000, 200) == "reading: 25%, 10 minutes left"
    assert world.tell("reading", 1100, 1000, 201) == "reading: 100%, a moment left"
    world.line.end()
    assert world.out.getvalue().endswith(START)


def test_every_part_has_a_time_of_its_own():
    """A quick part says nothing about the next; one that begins in the midst counts from there."""
    world = World()
    world.tell("copying", 1000, 1000, 1)
    assert world.tell("checking", 500, 1000, 2) == "checking: 50%"
    assert world.tell("checking", 600, 1000, 4) == "checking: 60%, 8 seconds left"


def test_work_of_unknown_size_says_how_much_is_done():
    """Or nothing but what it is."""
    world = World()
    assert world.tell("importing", 12_345, 0, 1) == "importing: 12,345"
    assert world.tell("waiting", 0, 0, 2) == "waiting"


def test_the_line_stays_one_line_and_harmless():
    """A name may hold anything, and a terminal be narrow."""
    world = World(20)
    assert world.tell("copying a\x1b[2J long name", 1, 2, 1) == "copying a\\x1b[2J l…"


@pytest.mark.parametrize(
    ("is_terminal", "term", "quiet", "draws"),
    [(True, "xterm", False, True), (False, "xterm", False, False), (True, "dumb", False, False)]
    + [(True, "xterm", True, False), (True, "", False, False)],
)  # fmt: skip
def test_it_is_drawn_at_a_terminal_alone(is_terminal, term, quiet, draws, monkeypatch, capsys):
    """And neither with --quiet nor where the line could not be taken away again."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal, raising=False)
    monkeypatch.setattr(drawing, "FIRST_SECONDS", 0)
    monkeypatch.setenv("TERM", term)
    talk(quiet=quiet)
    with progress() as tell:
        tell("working", 1, 2)
    talk(quiet=False)
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"{START}working: 50%{START}" if draws else "")


RUN_AT_ONCE = "import sys; from daemon.cli import progress; progress.FIRST_SECONDS = progress.EVERY_SECONDS = 0; "


@pytest.mark.parametrize(
    ("verb", "doing"),
    [
        ("events verify", "verifying the log"),
        ("replay --check", "folding the log"),
        ("backup b.tar", "copying events.db"),
        ("backup b.tar", "verifying the log"),
        ("restore made.tar --to new", "unpacking events.db"),
        ("restore made.tar --to new", "folding the log"),
        ("export --format native --output o", "exporting"),
        ("export --format csv --output o", "exporting"),
        ("import rows.ndjson --dry-run", "importing"),
        ("forget alice --yes", "looking through the log"),
    ],
)
def test_long_verbs_draw_it(verb, doing, tmp_path):
    """Each says what it does now, and leaves no trace of it."""
    folder = made_state.make(tmp_path)
    (folder / "rows.ndjson").write_text('{"user": "a", "assistant": "b"}\n')
    at_a_terminal(["backup", "made.tar"], folder)
    shown = at_a_terminal(verb.split(), folder, before=RUN_AT_ONCE)
    assert f"{START}{doing}: 100%" in shown
    assert "\x1b" not in shown.rpartition(START)[2]
