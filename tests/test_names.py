"""Names as numbers, with a cap."""

from daemon.views.names import BEYOND, Names


def test_names_keep_their_numbers_in_order_of_appearance():
    """None is 0, the first name 2; 1 is kept for those beyond the cap."""
    names = Names(10)
    assert names.numbers(["b", None, "a", "b"]).tolist() == [2, 0, 3, 2]
    assert names.listed() == [None, None, "b", "a"]


def test_beyond_the_cap_all_share_a_number():
    """And what has one keeps it."""
    names = Names(2)
    assert names.numbers(["a", "b", "c", "d", "a"]).tolist() == [2, 3, BEYOND, BEYOND, 2]


def test_saved_names_come_back_with_their_numbers():
    """Each is handed out for saving once."""
    names, other = Names(10), Names(10)
    names.numbers(["b", "a"])
    other.restore(names.take_unsaved())
    assert names.take_unsaved() == []
    assert other.numbers(["a", "b", "c"]).tolist() == [3, 2, 4]
    assert other.take_unsaved() == [(4, "c")]


def test_ranks_do_not_depend_on_the_order_of_appearance():
    """They are the places among the sorted names."""
    one, other = Names(10), Names(10)
    first, second = one.numbers(["b", "a", None]), other.numbers(["a", None, "b"])
    assert one.ranks()[first].tolist() == [3, 2, 0]
    assert other.ranks()[second].tolist() == [2, 0, 3]
