import json

import pytest

from tests.spooled_lines import output_of

NEVER = (
    *("numpy", "msgspec", "structlog", "cryptography", "sqlite3", "torch"),
    *("asyncio", "dataclasses", "enum", "tomllib", "logging", "typing", "re", "json", "uuid", "pathlib"),
    *("threading", "socket", "subprocess", "inspect", "functools", "contextlib", "warnings", "collections", "datetime"),
)

RECORD = """
import os, sys  # which every start of Python with site-packages loads
before = set(sys.modules)
import adaptd
adaptd.configure(state_dir=sys.argv[1])
assert adaptd.record_output("i", "o", context={"a": [1]})
assert adaptd.record_feedback(output_id="o", score=85.0, feedback_type=adaptd.FeedbackType.SUCCESS, id="mine")
assert adaptd.flush()
loaded = sorted(set(sys.modules) - before)
import json
print(json.dumps(loaded))
"""


def test_importing_adaptd_loads_nothing_else():
    """The package alone: its names are fetched when they are used."""
    program = "import sys; before = set(sys.modules); import adaptd; print(sorted(set(sys.modules) - before))"
    assert output_of(program, isolated=True) == "['__future__', 'adaptd']\n"


def test_recording_loads_next_to_nothing(tmp_path):
    """Recording, durable flush included, loads our own files and C modules of Python."""
    loaded = json.loads(output_of(RECORD, tmp_path, isolated=True))
    assert [name for name in loaded if name in NEVER] == []
    others = [name for name in loaded if name.split(".")[0] != "adaptd"]
    assert set(others) <= {"__future__", "_json", "fcntl"}


@pytest.mark.parametrize("floor", ["daemon", "components", "plugins"])
def test_recording_loads_nothing_of_the_other_floors(floor, tmp_path):
    """A host has adaptd alone."""
    loaded = json.loads(output_of(RECORD, tmp_path, isolated=True))
    assert not any(name.split(".")[0] == floor for name in loaded)


def test_json_is_written_the_same_without_the_c_functions(tmp_path):
    """Where a Python lacks them, `json` itself writes and reads."""
    program = """
import sys
sys.modules["_json"] = None
import adaptd
from adaptd.json_text import quote, read_json
adaptd.configure(state_dir=sys.argv[1])
event_id = adaptd.record_output("é\\n", {"a": (1, 2.5, None)}, id='a"b')
path = adaptd.stats()["spool"]
line = open(path).read()
assert '"input":"é\\\\n","output":{"a":[1,2.5,null]}' in line, line
assert read_json(line)["id"] == 'a"b' and quote('a"') == '"a\\\\""'
"""
    output_of(program, tmp_path)
