"""Where keys and values stand: every one that tomllib finds is found, at the place where it is written."""

import re
import tomllib

from hypothesis import given
from hypothesis import strategies as st

from daemon.toml_places import Places

KEY = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'|[\w-]+', re.ASCII)
ODD_TEXT = '''\
# a = 1
top = 1  # x = 2
"quoted key" . 'lit # eral'.bare-key = "[not] = 'a header'"
[ a . "b.c" ]
x.y.z = { p = [1, {q = "}"}], "r s" = 1979-05-27 07:32:00 }
long = """
[no]
k = 5 \\""" ""\"""
raw = \'\'\'
# no comment
\'\'\'\'\'
list = [ # one
  [ "]", ',' ], # two
  1979-05-27T00:32:00.999999-07:00,
]
[[many]]
name = "first"
[many.below]
deep = true
[[many.inner]]
n = 1
[[many]]
name = 'second'
[[many.inner]]
n = 2
[[many.inner]]
n = 3
'''


def paths_of(value, path=()):
    """Every way to a value in what tomllib gives."""
    if path:
        yield path
    if isinstance(value, dict):
        for name, below in value.items():
            yield from paths_of(below, (*path, name))
    if isinstance(value, list):
        for number, below in enumerate(value):
            yield from paths_of(below, (*path, number))


def at(value, path):
    for step in path:
        value = value[step]
    return value


def offset_of(text, place):
    line, column = place
    return sum(len(one) + 1 for one in text.split("\n")[: line - 1]) + column - 1


def check_every_place(text):
    """Each key is written at its place, each value at its own, and reads there as it does in the whole."""
    whole, places = tomllib.loads(text), Places(text)
    found = list(paths_of(whole))
    assert set(places.spots) == set(found)
    for path in found:
        if isinstance(path[-1], str):
            key = KEY.match(places.text, offset_of(places.text, places.of_key(path)))
            assert list(tomllib.loads(f"{key[0]} = 1")) == [path[-1]]
        written = places.value_text(path)
        if written is None:
            assert isinstance(at(whole, path), dict | list)
        else:
            assert tomllib.loads(f"value = {written}")["value"] == at(whole, path)
            assert places.text.startswith(written, offset_of(places.text, places.of_value(path)))


def test_everything_that_toml_allows_is_found():
    """Dotted and quoted keys, tables in tables, arrays of tables, strings of several lines that look like more."""
    check_every_place(ODD_TEXT)
    places = Places(ODD_TEXT)
    assert places.of_key(("quoted key", "lit # eral", "bare-key")) == (3, 29)
    assert places.of_value(("quoted key", "lit # eral", "bare-key")) == (3, 40)
    assert places.of_key(("a", "b.c")) == (4, 7)
    assert places.of_key(("a", "b.c", "x", "y", "z", "p", 1, "q")) == (5, 20)
    assert places.of_value(("a", "b.c", "x", "y", "z", "p", 1, "q")) == (5, 24)
    assert places.of_value(("a", "b.c", "list", 0, 1)) == (13, 10)
    assert places.of_key(("many",)) == (16, 3)
    assert places.of_value(("many", 1, "inner", 1, "n")) == (27, 5)
    assert (places.of_key(("none",)), places.value_text(("none",))) == ((0, 0), None)


# Documents of every form

KEYS = ["a", "b", "c-d", "1", '"e.f"', "'# g'", '"\\u00e9\\""', '"é"', "''"]
SCALARS = [
    *("1", "-0x1F", "1.5e3", "inf", "true", "1979-05-27", "1979-05-27 07:32:00Z", "07:32:00.5"),
    *(
        '"t"',
        '"a = # 1"',
        "'[x]'",
        '""',
        '"\\"]\\\\"',
        '"é\U0001f600"',
        '"""\na = 1\n""\\"" """""',
        "'''\n[b]\n'''",
        '""""""',
    ),
]
MEANS = {written: next(iter(tomllib.loads(f"{written} = 1"))) for written in KEYS}
BLANKS = ["", " ", "\t "]
scalars = st.sampled_from(SCALARS)


def inline(deeper):
    """Arrays and inline tables, with spaces, and in arrays with lines and comments, between their parts."""
    between = st.sampled_from(["", " ", "\n", " # ], }\n  "])
    arrays = st.tuples(st.lists(deeper, max_size=3), between, st.booleans()).map(
        lambda t: f"[{t[1]}" + f"{t[1]},{t[1]}".join(t[0]) + f"{t[1]}{',' if t[2] and t[0] else ''}{t[1]}]"
    )
    keys = st.lists(st.sampled_from(KEYS), max_size=3, unique_by=MEANS.get)
    tables = st.tuples(keys, st.lists(deeper, min_size=3, max_size=3), st.sampled_from(BLANKS)).map(
        lambda t: "{" + t[2] + ", ".join(f"{k}{t[2]}={t[2]}{v}" for k, v in zip(t[0], t[1], strict=False)) + t[2] + "}"
    )
    return arrays | tables


values = st.recursive(scalars, inline, max_leaves=6)
blanks = st.sampled_from(BLANKS)
keys = st.lists(st.sampled_from(KEYS), min_size=1, max_size=3)


@st.composite
def statements(draw):
    """A pair, a header, a header of an array, a comment or nothing, with blanks wherever they may stand."""
    path = f"{draw(blanks)}.{draw(blanks)}".join(draw(keys))
    form = draw(st.sampled_from(["{0}{1}{0}={0}{2}", "{0}{1} = {2}", "{0}[{0}{1}{0}]", "{0}[[{0}{1}{0}]]", "{0}"]))
    return form.format(draw(blanks), path, draw(values)) + draw(st.sampled_from(["", " # [x] y = 1", "\t"]))


def accepted(text):
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


@given(st.lists(statements(), max_size=12), st.sampled_from(["\n", "\r\n"]))
def test_whatever_tomllib_finds_is_found_where_it_is_written(lines, newline):
    """Statements at random, of which those are left out that tomllib refuses after the ones before."""
    text = ""
    for line in lines:
        if accepted(longer := text + line + newline):
            text = longer
    check_every_place(text)
