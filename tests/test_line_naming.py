"""Whom a raw line names, whatever state it is in."""

import pytest

from daemon.line_naming import ids_in, subjects_in


@pytest.mark.parametrize(
    ("raw", "subjects"),
    [
        (b'{"subject":"alice","input":"x"}', {"alice"}),
        (b'{"subject" : "al\\u0069ce"', {"alice"}),
        (b'{"given":{"subject":"\'alice\'"}}', {"alice", "'alice'"}),
        (b'{"given":{"subject":"\\"it\'s\\""}}', {"it's", '"it\'s"'}),
        (b'{"subject":17}', {"17"}),
        (b'{"a":1,"subject":"a","b":{"subject":"b"}} torn', {"a", "b"}),
        (b'\xff{"subject":"alice"', {"alice"}),
        (b'{"given":{"subject":"\'it\\\\\'s\'"}}', {"it's", "'it\\'s'"}),
        (b'{"subject":"\\ud800"}', set()),
        (b'{"about":"the subject"}', set()),
        (b"", set()),
    ],
)
def test_subjects_are_found_in_whole_and_broken_lines(raw, subjects):
    """JSON texts with their escapes, numbers, and values as Python shows them."""
    assert subjects_in(raw) == subjects


def test_ids_are_those_that_an_event_may_refer_to():
    """Its own, its output's, and those of the events it speaks of."""
    raw = b'{"id":"a","output_id":"b","supersedes":"c","retracts":"d","compared_with_id":"e","writer":"f"'
    assert ids_in(raw) == {"a", "b", "c", "d", "e"}
