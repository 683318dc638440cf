"""How counts, sizes, ages and texts are put on a terminal."""

import json
import sys

import pytest

from daemon.cli.printing import (
    age_of,
    as_json,
    coloured,
    complain,
    count_of,
    cut,
    folded,
    harmless,
    in_columns,
    say,
    size_of,
    talk,
)
from daemon.moments import moment_of, short_moment_of


@pytest.mark.parametrize(
    ("size", "told"),
    [(0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1000, "1.0 kB"), (99_400, "99.4 kB"), (123_456, "123 kB")]
    + [(999_400, "999 kB"), (999_999, "1.0 MB"), (5 * 10**9, "5.0 GB"), (10**16, "10000 TB")],
)
def test_a_size_is_said_with_two_or_three_digits(size, told):
    """In powers of a thousand, as disks are sold."""
    assert size_of(size) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-5, "a moment"),
        (0.9, "a moment"),
        (1, "1 second"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (7199, "119 minutes"),
    ]
    + [(7200, "2 hours"), (86_399, "23 hours"), (86_400, "1 day"), (10 * 86_400, "10 days")],
)
def test_an_age_is_said_in_one_unit(seconds, told):
    """A clock that was set back is no negative age."""
    assert age_of(int(seconds * 1_000_000)) == told


def test_a_count_agrees_with_its_noun():
    """One event, two events."""
    assert [count_of(number, "event") for number in (0, 1, 2000)] == ["0 events", "1 event", "2,000 events"]


def test_text_cannot_steer_the_terminal():
    """Escapes, bells and C1 codes are shown; words of any script stay."""
    assert harmless("a\x1b[31mb\x07\x9b\u202e") == "a\\x1b[31mb\\x07\\x9b\\u202e"
    assert harmless("naïve 日本\nline") == "naïve 日本\nline"


def test_a_cut_is_shown():
    """The last column says that there was more."""
    assert (cut("abcdef", 6), cut("abcdef", 5), cut("abcdef", None)) == ("abcdef", "abcd…", "abcdef")


def test_columns_are_as_wide_as_what_they_hold():
    """Without a head where no terminal is, and with nothing that could steer one."""
    rows = [("a", "long text", "1"), ("bcd\n", "x\x1b", "22")]
    assert in_columns(rows, ("h", "h", "h"), None) == ["a     long text  1", "bcd   x\\x1b      22"]
    assert in_columns([], ("h", "h"), 80) == []
    assert in_columns([("a", "", "b"), ("c", "", "d")], ("h", "empty", "h"), None) == ["a  b", "c  d"]


def test_an_id_that_does_not_fit_stands_whole_on_its_own_line():
    """It is what the next command is given, so it is never cut; the rest is."""
    rows = [("when", "what it says", "0123456789")]
    assert in_columns(rows, ("time", "says", "id"), 28) == [
        "time  says",
        "  id",
        "when  what it says",
        "  0123456789",
    ]
    assert in_columns(rows, ("time", "says", "id"), 30) == [
        "time  says          id",
        "when  what it says  0123456789",
    ]
    assert in_columns(rows, ("time", "says", "id"), 10)[2:] == ["when  wha…", "  0123456789"]
    some = in_columns([("a model", ""), ("another", "pinned")], ("model", ""), 12)
    assert some == ["model", "a model", "another", "  pinned"]  # where there is none there is no line


def test_json_is_one_line_of_utf8():
    """And escaped where UTF-8 has no bytes for it."""
    assert as_json({"a": "ü\n"}) == '{"a":"ü\\n"}\n'.encode()
    assert json.loads(as_json({"a": "\ud800"})) == {"a": "\ud800"}


def test_moments_are_written_in_utc():
    """To the microsecond, or to the second."""
    assert moment_of(1_700_000_000_000_001) == "2023-11-14T22:13:20.000001Z"
    assert short_moment_of(1_700_000_000_999_999) == "2023-11-14 22:13:20"


def test_a_long_text_is_folded_between_words():
    """Later lines are indented; a path is never broken, and a pipe gets the line whole."""
    assert folded("one two three", 7, 2) == ["one two", "  three"]
    assert folded("one two three", None, 2) == ["one two three"]
    assert folded("next: /a/very/long/path there", 10, 6) == ["next:", "      /a/very/long/path", "      there"]
    assert folded("/a/very/long/path", 5, 2) == ["/a/very/long/path"]
    assert folded("one two three\nfour", 9) == ["one two", "  three", "four"]


@pytest.mark.parametrize(
    ("is_terminal", "environ", "is_coloured"),
    [
        (True, {"TERM": "xterm"}, True),
        (False, {"TERM": "xterm"}, False),
        (True, {"TERM": "dumb"}, False),
        (True, {"TERM": ""}, False),
        (True, {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (True, {"TERM": "xterm", "NO_COLOR": ""}, True),
    ],
)
def test_colours_are_for_terminals_of_those_who_want_them(is_terminal, environ, is_coloured, monkeypatch):
    """https://no-color.org: any text in NO_COLOR switches them off."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal, raising=False)
    assert coloured("bad", "red") == ("\x1b[31mbad\x1b[0m" if is_coloured else "bad")


def test_quiet_silences_talk_and_no_complaint(capsys):
    """Both go to stderr."""
    talk(quiet=True)
    say("good to know")
    complain("it went wrong")
    talk(quiet=False)
    say("again")
    assert capsys.readouterr() == ("", "it went wrong\nagain\n")
