"""E-mail addresses, card, bank account and telephone numbers are found in texts, and other numbers are left alone."""

import random
import signal
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as some

from daemon.personal_data import IBAN_LENGTHS, IN_ORDER, WITHOUT, satisfies_luhn, satisfies_mod_97

MEGABYTE = 1 << 20
CARDS = [
    "4111 1111 1111 1111",
    "4111-1111-1111-1111",
    "4111.1111.1111.1111",
    "4111\u00a01111\u00a01111\u00a01111",
    "5500000000000004",
    "2223003122003222",
    "340000000000009",
    "3400 000000 00009",
    "3056 930902 5904",
    "30000000000004",
    "4222222222222",
    "6011000000000004",
    "3530111333300000",
    "6304 0000 0000 0001 008",
    "٤١١١١١١١١١١١١١١١",
]
IBANS = [
    "DE89 3704 0044 0532 0130 00",
    "de89370400440532013000",
    "GB82 WEST 1234 5698 7654 32",
    "NO93 8601 1117 947",
    "FR14-2004-1010-0505-0001-3M02-606",
    "MT84MALT011000012345MTLCAST001S",
]
PHONES = [
    "+49 (0)30 1234567",
    "+15551234567",
    "+1-202-555-0123",
    "+41 44 668 18 00",
    "+49.30.1234567",
    "0049 30 1234567",
    "(555) 123-4567",
    "(555)123-4567",
    "555-123-4567",
    "555.123.4567",
    "1-800-555-0123",
    "01 23 45 67 89",
    "01.23.45.67.89",
    "030 1234567",
    "0171/1234567",
    "0171-1234567",
    "020 7946 0958",
    "(030) 123 45 67",
    "07700 900123",
]
EMAILS = [
    "bob@example.com",
    "a.b+c%d@sub.d-e.org",
    "o'brien@x.co.uk",
    "jörg@müller.de",
    "BOB@EXAMPLE.COM",
    "bob@xn--mller-kva.xn--p1ai",
    "_x@y.zz",
]
FOUND = {"e-mail": EMAILS, "card": CARDS, "iban": IBANS, "phone": PHONES}
LEFT = {
    "e-mail": [
        "a@b",
        "icon@2x.png",
        "pip@1.2.3",
        "@decorator",
        "@@@",
        "bob @ example.com",
        "x@.com",
        "5@5.5",
        "-@x.com",
    ],
    "card": [
        "4111 1111 1111 1112",  # Luhn says no
        "79927398713",  # too short
        "0.4111111111111111",
        "41111111111111110000",  # too long
        "1234567812345670",  # no card begins with 1
        "4111 1111-1111 1111",
        "1700000000000000",
    ],
    "iban": [
        "DE88 3704 0044 0532 0130 00",
        "DE89 3704 0044 0532 0130 0",
        "ZZ89370400440532013000",
        "XDE89370400440532013000",
    ],
    "phone": [
        "12345678901",
        "2023-01-02",
        "01-02-2023 12:30",
        "2023-11-14T22:13:20+00:00",
        "192.168.100.200",
        "+40.689247,-74.044502",
        "978-3-16-148410-0",
        "200 300 4000",
        "1,234,567,890",
        "3.14159265358979",
        "0123456789",
        "#5551234567",
        "555-123-4567-8901",
        "v1.10.0-2023",
        "12-345-6789 0",
    ],
}


@pytest.mark.parametrize(("name", "written"), [(name, written) for name, those in FOUND.items() for written in those])
@pytest.mark.parametrize("around", ["{}", "call {}, please", "({})", "x: {}.", "<{}>\n", "«{}»"])
def test_what_is_found_is_replaced_by_its_mark(name, written, around):
    """Whole, wherever in a text it stands, and the text around it stays."""
    assert WITHOUT[name](around.format(written)) == around.format(f"[{name}]")


@pytest.mark.parametrize(("name", "written"), [(name, written) for name, those in LEFT.items() for written in those])
def test_what_only_looks_like_it_is_left(name, written):
    """Conservatively: dates, versions, coordinates, order numbers, ISBNs, decorators, files."""
    assert WITHOUT[name](written) == written
    assert WITHOUT[name](f"it says {written} here") == f"it says {written} here"


def test_several_in_one_text_are_all_found():
    """Also side by side, and where something that is none comes before."""
    assert WITHOUT["e-mail"]("a@b.de,c@d.fr;e@f.it @g h@i") == "[e-mail],[e-mail];[e-mail] @g h@i"
    assert WITHOUT["card"]("5234 4111 1111 1111 1111 9 and 5500000000000004") == "5234 [card] 9 and [card]"
    assert WITHOUT["card"]("4111 1111 1111 1111 123") == "[card] 123"
    assert WITHOUT["iban"]("DE88 1111 / DE89 3704 0044 0532 0130 00 NO9386011117947") == "DE88 1111 / [iban] [iban]"
    assert WITHOUT["phone"]("030 1234567 or +49 171 1234567!") == "[phone] or [phone]!"
    assert WITHOUT["phone"]("+49 171 1234567and, 030 1234567kg") == "[phone]and, 030 1234567kg"


@pytest.mark.parametrize("name", IN_ORDER)
def test_what_was_replaced_stays_as_it_is(name):
    """A second time changes nothing: a retry is known again by its content."""
    for written in (one for those in FOUND.values() for one in those):
        once = WITHOUT[name](f"{written} and [{name}]")
        assert WITHOUT[name](once) == once


@given(some.from_regex(r"[2-6][0-9]{11,17}", fullmatch=True))
def test_a_card_number_is_what_luhn_says(digits):
    """Of the ten last digits that a number can have, one is right, and it alone is replaced."""
    numbers = [f"{digits}{last}" for last in range(10)]
    assert sum(map(satisfies_luhn, numbers)) == 1
    assert [WITHOUT["card"](number) == "[card]" for number in numbers] == [satisfies_luhn(number) for number in numbers]


@given(some.sampled_from(sorted(IBAN_LENGTHS)), some.randoms(use_true_random=False))
def test_an_iban_is_what_its_check_digits_say(country, rng):
    """Of the hundred check digits one is right (or two, which differ by 97)."""
    rest = "".join(rng.choices("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=IBAN_LENGTHS[country] - 4))
    numbers = [f"{country}{check:02}{rest}" for check in range(100)]
    right = [number for number in numbers if satisfies_mod_97(number)]
    assert len(right) in (1, 2)
    assert [number for number in numbers if WITHOUT["iban"](number) == "[iban]"] == right


@contextmanager
def patience(seconds):
    """A pattern that backtracks would take hours."""

    def give_up(_number, _frame):
        raise AssertionError(f"not done after {seconds} seconds")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    ("name", "piece"),
    [
        *(("e-mail", piece) for piece in ("a@", "a", "a" * 64 + "@", "@" + "a" * 63 + ".", "a@a.a.")),
        *(("card", piece) for piece in ("1", "4444 ", "4444 444444 ")),
        *(("iban", piece) for piece in ("DE11 ", "DE11" + "1" * 18 + " ", "DE")),
        *(("phone", piece) for piece in ("0", "+1 1", "+1.1", "011 11", "1 - ", "555-555-")),
    ],
)
def test_hostile_texts_take_no_longer_than_others(name, piece):
    """A megabyte of what almost fits, with an end that does not."""
    with patience(60):
        WITHOUT[name](piece * (MEGABYTE // len(piece)) + "!x")


@pytest.mark.parametrize("name", IN_ORDER)
def test_noise_of_the_same_characters_takes_no_longer(name):
    """A megabyte at random of all the characters that the patterns look for."""
    rng = random.Random(name)
    with patience(30):
        WITHOUT[name]("".join(rng.choices("0123456789 -.+()/@aD", k=MEGABYTE)))
