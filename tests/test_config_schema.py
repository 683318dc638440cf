"""config.toml as a JSON Schema: editors accept what adaptd accepts, and refuse what it refuses."""

import json
import tomllib
from pathlib import Path

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.config_faults import misfits
from daemon.config_schema import NAME, keep_schema, schema_text
from daemon.config_template import CONFIG_TOML
from daemon.settings import Settings
from daemon.settings_told import keys_told
from tests.test_settings import TEN_FAULTS

SCHEMA = json.loads(schema_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
KEYS = list(keys_told())


def table_of(path, value):
    for name in reversed(path):
        value = {name: value}
    return value


def is_accepted(table):
    return not list(misfits(table, Settings))


def test_the_schema_is_one():
    """By the rules of the dialect that it names."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == jsonschema.Draft202012Validator.META_SCHEMA["$id"]


def test_what_is_shipped_is_valid():
    """The template, and all the defaults."""
    VALIDATOR.validate(tomllib.loads(CONFIG_TOML))
    VALIDATOR.validate(json.loads(msgspec.json.encode(Settings())))


@pytest.mark.parametrize("key", KEYS, ids=[".".join(key.path) for key in KEYS])
def test_every_default_and_every_example_is_valid(key):
    """For editors and for adaptd; each key has an example and says what it is."""
    assert key.examples
    assert key.about
    for value in (key.default, *key.examples):
        table = table_of(key.path, json.loads(json.dumps(value)))  # a tuple is a list there
        VALIDATOR.validate(table)
        assert is_accepted(table)


def test_each_of_the_ten_faults_is_refused():
    """Every part of the golden file that is told is wrong for an editor, too."""
    table = tomllib.loads(TEN_FAULTS)
    refused = {place for error in VALIDATOR.iter_errors(table) for place in places_of(error)}
    assert {misfit.key for misfit in misfits(table, Settings)} == refused


def places_of(error):
    """Where the value is that is wrong, or each key that is one too many."""
    above = tuple(error.absolute_path)
    if error.validator != "additionalProperties":
        return {above}
    return {(*above, name) for name in set(error.instance) - set(error.schema["properties"])}


values = st.sampled_from([0, 1, 1024, 1 << 26, (1 << 26) + 1, "", "state", "full", "input", "all", True, [], {}, 1.5])
names = st.sampled_from([*{name for key in KEYS for name in key.path}, "unknown"])


@given(st.dictionaries(names, st.dictionaries(names, values, max_size=3) | values, max_size=3))
def test_editors_and_adaptd_are_of_one_opinion(table):
    """Whatever stands in a file, right or wrong."""
    assert VALIDATOR.is_valid(table) == is_accepted(table)


def test_it_is_kept_beside_the_data(tmp_path):
    """Written when it is missing or old, left alone when it is right; a folder that cannot be written is no harm."""
    keep_schema(tmp_path)
    path = tmp_path / NAME
    assert path.read_text("utf-8") == schema_text()
    before = path.stat()
    keep_schema(tmp_path)
    assert path.stat() == before
    path.write_text("old")
    keep_schema(tmp_path)
    assert path.read_text("utf-8") == schema_text()
    keep_schema(tmp_path / "nowhere")
    assert [one.name for one in tmp_path.iterdir()] == [NAME]


@pytest.mark.parametrize(("file", "beside"), [("config.toml", None), ("template", "state/config.schema.json")])
def test_the_configuration_points_to_it(file, beside):
    """The first line, as editors want it."""
    root = Path(__file__).parents[1]
    text = CONFIG_TOML if beside else (root / file).read_text()
    place = text.splitlines()[0].removeprefix("#:schema ")
    assert place == (beside or "docs/reference/config.schema.json")
    assert beside or (root / place).read_text("utf-8") == schema_text()
