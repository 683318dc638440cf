"""What the verbs that scripts call thousands of times never load."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import made_state

ROOT = Path(__file__).parents[1]
NEVER = {
    "asyncio", "concurrent", "cryptography", "dataclasses", "email", "hashlib", "http", "importlib.metadata", "inspect",
    "logging", "msgspec", "multiprocessing", "numpy", "pathlib", "rich", "shutil", "socket", "ssl", "structlog",
    "subprocess", "tempfile", "threading", "tomllib", "traceback", "typing", "urllib", "uuid", "zoneinfo",
}  # fmt: skip
LOOK = """
import sys
from adaptd._launch import main
code = main(sys.argv[1:])
print(code, *sys.modules, file=sys.stderr)
"""


def loaded(folder, *arguments):
    """The modules that this verb has loaded at its end, in a process of its own."""
    command = [sys.executable, "-c", LOOK, "--config", str(folder / "config.toml"), *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True)
    code, *modules = ended.stderr.splitlines()[-1].split()
    assert code == "0", ended.stderr
    return set(modules)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, nobodys_configuration):
    """A folder with events whose configuration is in the cache."""
    folder = made_state.make(tmp_path_factory.mktemp("light"))
    os.utime(folder / "config.toml", (1_700_000_000, 1_700_000_000))
    loaded(folder, "status")
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["status", "--json"],
        ["record-feedback", "--output-id", "out-1", "--score", "5"],
        [
            "record-feedback",
            "--input",
            "a",
            "--output",
            "b",
            "--score",
            "5",
            "--tag",
            "a=b",
            "--context",
            "{}",
            "--json",
        ],
    ],
)
def test_the_light_verbs_load_nothing_heavy(arguments, folder):
    """Each of these costs more than all that the verb does."""
    assert loaded(folder, *arguments) & NEVER == set()


def test_a_workload_with_a_window_makes_the_status_no_heavier(tmp_path):
    """Which night is next was counted by the first status of the day."""
    folder = made_state.make(tmp_path)
    with (folder / "config.toml").open("a") as config:
        config.write('\n[workloads.intents]\nplugin = "tiny_classifier"\n')
    os.utime(folder / "config.toml", (1_700_000_000, 1_700_000_000))
    assert loaded(folder, "status", "--json") & {"typing", "zoneinfo", "daemon.nights"}
    assert loaded(folder, "status", "--json") & {*NEVER, "daemon.nights"} == set()


def test_recording_loads_even_less(folder):
    """It writes a line to a file: no database, no dates, no types."""
    modules = loaded(folder, "record-feedback", "--output-id", "out-1", "--score", "5")
    assert modules & {"contextlib", "datetime", "json", "sqlite3", "typing"} == set()


def test_only_the_daemon_loads_its_logger(folder):
    """structlog takes longer to load than a verb may run."""
    assert "structlog" not in loaded(folder, "events", "tail")
    assert "structlog" not in loaded(folder, "export", "--format", "native")
