"""This file knows what e-mail addresses, card, bank account and telephone numbers look like in a text.

It puts a visible mark in their place. Every search is linear in the length of the text, whoever wrote it: patterns are
bounded, and what a check turns down is not looked at again. Numbers are conservative: a card number must satisfy Luhn's
check, an IBAN its own, and a telephone number must be written as one (with + or 00, brackets, or the usual groups).
"""

from __future__ import annotations

import re
from collections.abc import Callable

EMAIL, CARD, IBAN, PHONE = "e-mail", "card", "iban", "phone"
NUMBERS = (IBAN, CARD, PHONE)
IN_ORDER = (EMAIL, *NUMBERS)
"""The strictest first: a part of an IBAN may look like a telephone number."""
FEWEST_DIGITS = 7

_SPACE = " \u00a0\u2009\u202f"
_HYPHEN = "\\-\u2010-\u2015"
_A_NUMBER = re.compile(rf"\d(?:[{_SPACE}{_HYPHEN}.()/]{{0,3}}\d){{6}}")
"""What every card and telephone number has."""


def mark(name: str) -> str:
    """What stands in the place of such a thing."""
    return f"[{name}]"


def may_have_numbers(text: str) -> bool:
    """Whether any of the numbers can be in it. Most texts have no digit or few, which costs next to nothing to see."""
    return not text.isascii() or (_has_digit(text) and sum(map(text.count, "0123456789")) >= FEWEST_DIGITS)


def _has_digit(text: str) -> bool:
    return ("0" in text or "1" in text or "2" in text or "3" in text or "4" in text) or (
        "5" in text or "6" in text or "7" in text or "8" in text or "9" in text
    )


# E-mail

_LOCAL_BACKWARDS = re.compile(r"[\w.+%'~-]{1,64}")
_DOMAIN = re.compile(r"(?:[\w-]{1,63}\.){1,8}(xn--[\w-]{2,59}|[^\W\d_]{2,24})")
_LOCAL_AT_MOST, _DOMAIN_AT_MOST = 64, 255
_ENDINGS_OF_FILES = frozenset(("png", "jpg", "jpeg", "gif", "svg", "webp", "ico"))  # icon@2x.png


def without_emails(text: str) -> str:
    """From each @ outwards: looking for the part before it from the left would be quadratic."""
    at, done, kept = text.find("@"), 0, []
    while at >= 0:
        start, end = _address_around(text, at, done)
        if end:
            kept += [text[done:start], mark(EMAIL)]
            done = end
        at = text.find("@", max(at + 1, done))
    return "".join(kept) + text[done:] if kept else text


def _address_around(text: str, at: int, done: int) -> tuple[int, int]:
    """Where the address begins and ends; an end of 0 when there is none."""
    local = _LOCAL_BACKWARDS.match(text[max(done, at - _LOCAL_AT_MOST) : at][::-1])
    domain = _DOMAIN.match(text, at + 1, at + 1 + _DOMAIN_AT_MOST)
    if local is None or domain is None or domain[1].lower() in _ENDINGS_OF_FILES:
        return 0, 0
    name = local[0][::-1]
    named = name.lstrip("'.-~")
    return (at - len(named), domain.end()) if named else (0, 0)


# Cards

_BETWEEN = rf"[{_SPACE}{_HYPHEN}.]"
_CARD = re.compile(
    r"(?<!\d)(?<!\d[.,])(?=[2-6\u0080-\U0010ffff])"
    rf"(?:\d{{13,19}}|(\d{{4}})({_BETWEEN})(?:\d{{4}}\2\d{{4}}\2\d{{4}}|\d{{6}}\2\d{{4,5}}))(?!\d)"
)
_CARD_AND_MORE = re.compile(r"\d{1,3}(?!\d)")
_DIGITS_ALONE = re.compile(r"\D")
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def without_cards(text: str) -> str:
    """13 to 19 digits, in one piece or in the groups that are printed on cards, of which Luhn's sum is right."""
    if not _A_NUMBER.search(text):
        return text
    kept, done, found = [], 0, _CARD.search(text)
    while found:
        end = _end_of_card(text, found)
        if end:
            kept += [text[done : found.start()], mark(CARD)]
            done = end
        # after one that is none, a card may begin with its second group
        found = _CARD.search(text, end or (found.end(1) if found[1] else found.end()))
    return "".join(kept) + text[done:] if kept else text


def _end_of_card(text: str, found: re.Match[str]) -> int:
    """0 when it is none: such numbers begin with 2 to 6, in whatever digits they are written.

    A fifth group belongs to it where only then the sum is right: cards of 17 to 19 digits.
    """
    if int(found[0][0]) not in range(2, 7):
        return 0
    if satisfies_luhn(found[0]):
        return found.end()
    if not found[2] or not text.startswith(found[2], found.end()):
        return 0
    more = _CARD_AND_MORE.match(text, found.end() + 1)
    return more.end() if more and satisfies_luhn(found[0] + more[0]) else 0


def satisfies_luhn(number: str) -> bool:
    """Luhn's check over the digits of a text; what is between them does not count."""
    digits = [int(digit) for digit in _DIGITS_ALONE.sub("", number)]
    return (sum(digits[-1::-2]) + sum(_DOUBLED[digit] for digit in digits[-2::-2])) % 10 == 0


# IBANs

_COUNTRIES = """
AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24
FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32
LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24
RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30
"""
IBAN_LENGTHS = {entry[:2]: int(entry[2:]) for entry in _COUNTRIES.split()}
"""As in the registry of ISO 13616: the country and the length of its account numbers."""

_IBAN_BEGINS = re.compile(r"(?<![A-Za-z0-9])([A-Za-z]{2})[0-9]{2}")
_REST_OF_IBAN = {
    length: re.compile(rf"(?:[{_SPACE}{_HYPHEN}]?[A-Za-z0-9]){{{length - 4}}}(?![A-Za-z0-9])")
    for length in set(IBAN_LENGTHS.values())
}
_TO_NUMBER = {ord(letter): str(value) for value, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 10)}
_NOT_OF_IBAN = re.compile(r"[^A-Z0-9]")


def without_ibans(text: str) -> str:
    """Those of a country that has them, as long as they are there, with the right check digits."""
    kept, done = [], 0
    for begin in _IBAN_BEGINS.finditer(text):
        length = IBAN_LENGTHS.get(begin[1].upper())
        rest = _REST_OF_IBAN[length].match(text, begin.end()) if length and begin.start() >= done else None
        if rest and satisfies_mod_97(begin[0] + rest[0]):
            kept += [text[done : begin.start()], mark(IBAN)]
            done = rest.end()
    return "".join(kept) + text[done:] if kept else text


def satisfies_mod_97(number: str) -> bool:
    """The check of ISO 7064: the first four characters moved to the end, letters as numbers."""
    compact = _NOT_OF_IBAN.sub("", number.upper())
    return int((compact[4:] + compact[:4]).translate(_TO_NUMBER)) % 97 == 1


# Telephones

_GAP = rf"[{_SPACE}{_HYPHEN}.]"
_PHONE = re.compile(
    r"(?<![\w+])(?<!\d[.,/-])(?:"
    # +49 (0)30 1234567, +15551234567; not +40.689247
    rf"(?!\+\d{{1,3}}\.\d+(?!\d|[{_SPACE}{_HYPHEN}./]\d))\+[1-9](?:[{_SPACE}{_HYPHEN}.()/]{{0,2}}\d){{6,14}}(?!\d)"
    # 0049 30 1234567
    rf"|(?:00[1-9]\d{{0,2}}[{_SPACE}{_HYPHEN}/](?:[{_SPACE}{_HYPHEN}/]?\d){{6,12}}"
    # (555) 123-4567, 1-555-123-4567, 555.123.4567
    rf"|(?:1[{_SPACE}{_HYPHEN}.])?(?:\([2-9]\d\d\)[{_SPACE}]?|[2-9]\d\d[{_HYPHEN}.])\d{{3}}[{_SPACE}{_HYPHEN}.]\d{{4}}"
    # 01 23 45 67 89
    rf"|0[1-9]({_GAP})\d\d(?:\1\d\d){{3}}"
    # 030 1234567, 0171/1234567, 020 7946 0958, (030) 123 45 67
    rf"|(?:\(0[1-9]\d{{1,4}}\)|0[1-9]\d{{1,4}})[{_SPACE}{_HYPHEN}/]{{1,3}}"
    rf"(?:\d{{6,9}}|\d{{3,4}}[{_SPACE}{_HYPHEN}]\d{{3,5}}|\d{{2,3}}(?:[{_SPACE}{_HYPHEN}]\d\d){{2,3}})"
    r")(?!\w))(?![.,/-]\d)"
)


def without_phones(text: str) -> str:
    """Numbers that are written as telephone numbers are: international ones, and the common national forms."""
    return _PHONE.sub(mark(PHONE), text) if _A_NUMBER.search(text) else text


WITHOUT: dict[str, Callable[[str], str]] = {
    EMAIL: without_emails,
    CARD: without_cards,
    IBAN: without_ibans,
    PHONE: without_phones,
}
