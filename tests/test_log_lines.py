"""How the daemon's log looks, and that no place it goes to can stop the daemon."""

import io
import json

import pytest

from daemon.clock_and_chance import StoppedClock
from daemon.log_lines import logger_to

CLOCK = StoppedClock(1_700_000_000_123_456)


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Gone(io.StringIO):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, _):
        raise self.error


def test_a_program_reads_json_with_the_first_things_first():
    """When, how grave, what; then the rest. The time is the clock's, in UTC."""
    out = io.StringIO()
    logger_to(out, CLOCK, {}).warning("took in", events=3, who="ü")
    assert out.getvalue() == (
        '{"timestamp": "2023-11-14T22:13:20.123+00:00", "level": "warning", "event": "took in", '
        '"events": 3, "who": "ü"}\n'
    )


def test_what_json_does_not_know_is_written_as_text():
    """A path or an error in a line is no reason to fail."""
    out = io.StringIO()
    logger_to(out, CLOCK, {}).info("odd", what={1})
    assert json.loads(out.getvalue())["what"] == "{1}"


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({"NO_COLOR": ""}, True)],
)
def test_a_person_at_a_terminal_reads_words(environ, coloured):
    """With colours, unless they are not wanted."""
    out = Terminal()
    logger_to(out, CLOCK, environ).info("took in", events=3)
    assert "took in" in out.getvalue()
    assert ("\x1b[" in out.getvalue()) == coloured
    if not coloured:
        assert out.getvalue().rstrip().endswith("events=3")


def test_details_below_info_are_not_written():
    """One line per turn that did something."""
    out = io.StringIO()
    logger_to(out, CLOCK, {}).debug("detail")
    assert out.getvalue() == ""


@pytest.mark.parametrize(
    "error", [BrokenPipeError(32, "Broken pipe"), OSError(28, "No space"), ValueError("closed file")]
)
def test_a_log_that_cannot_be_written_is_no_trouble(error):
    """The daemon's work is worth more than its words."""
    logger_to(Gone(error), CLOCK, {}).info("took in")
