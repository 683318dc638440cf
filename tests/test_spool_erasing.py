"""Lines are erased in place, under the hands of a living host."""

import os

import pytest

from daemon.spool_erasing import Span, blank, find_spans


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "spool.ndjson"
    path.write_bytes(b"one\nsecret two\n\nthree\nsecret unread\n")
    return path


def test_only_what_was_read_is_looked_at(path):
    """Lines after the position have not been taken in, and are nobody's to erase."""
    assert find_spans(path, 22, lambda line: b"secret" in line) == [Span(4, 10)]


def test_the_length_stays_and_the_host_goes_on_behind(path):
    """The bytes become newlines; what the host appends meanwhile comes after everything."""
    descriptor = os.open(path, os.O_APPEND | os.O_WRONLY)
    blank(path, [Span(4, 10)])
    os.write(descriptor, b"four\n")
    os.close(descriptor)
    assert path.read_bytes() == b"one\n" + b"\n" * 12 + b"three\nsecret unread\nfour\n"


def test_it_never_makes_a_file_longer(path):
    """A file that somebody cut meanwhile stays as long as it is."""
    blank(path, [Span(30, 100)])
    assert path.stat().st_size == 36


def test_a_file_that_has_gone_has_no_lines(tmp_path):
    """Its host ended, and the intake was quicker."""
    assert find_spans(tmp_path / "gone", 100, lambda _: True) == []
    blank(tmp_path / "gone", [Span(0, 5)])


def test_a_link_is_not_followed(path, tmp_path):
    """Whoever may write into the spool cannot have another file overwritten."""
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(OSError, match="symbolic"):
        blank(tmp_path / "link", [Span(0, 3)])
