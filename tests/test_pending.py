"""Signals that wait for their target."""

from daemon.views.pending import Pending


def test_a_target_frees_all_that_waited_for_it():
    """Once."""
    pending = Pending()
    for row, name in enumerate(["a", "b", "a"]):
        pending.add(row, name)
    assert pending.take("a") == [0, 2]
    assert (pending.take("a"), pending.items()) == ([], [(1, "b")])


def test_beyond_the_cap_the_oldest_is_given_up():
    """Naming what never comes fills no memory."""
    pending = Pending(cap=3)
    for row in range(10):
        pending.add(row, f"never {row}")
    assert [row for row, _ in pending.items()] == [7, 8, 9]


def test_saved_and_restored_they_wait_on():
    """In the same order; one that is gone is gone from the file too."""
    pending, saved = Pending(), {}
    for row in (2, 10, 1000):
        pending.add(row, f"é {row}")
    saved |= pending.take_cells()
    pending.take("é 10")
    saved |= pending.take_cells()
    restored = Pending()
    restored.restore({key: value for key, value in saved.items() if value is not None})
    assert restored.items() == [(2, "é 2"), (1000, "é 1000")]
    assert restored.take_cells() == {}
