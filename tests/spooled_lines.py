"""What lies in a spool, as the daemon would read it, and a host process to be started, forked and killed."""

import json
import os
import subprocess
import sys
from pathlib import Path

from adaptd.complaints import complaints
from adaptd.destination import here

REPOSITORY = Path(__file__).resolve().parent.parent


def spool_files(state_dir):
    """The spool files that the daemon may read, in the order of their names."""
    return sorted(path for path in Path(state_dir, "spool").iterdir() if not path.name.startswith("."))


def whole_lines(path):
    """The events of one file; a torn piece, which is no JSON, is left out."""
    events = []
    for line in Path(path).read_bytes().split(b"\n"):
        try:
            events.append(json.loads(line))
        except ValueError:
            continue
    return events


def events_in(state_dir):
    """The events of every file."""
    return [event for path in spool_files(state_dir) for event in whole_lines(path)]


def ids_in(state_dir):
    return [event["id"] for event in events_in(state_dir)]


def host_process(program, *arguments, isolated=False, **more):
    """Start a Python host that imports adaptd from this repository; its stdout is a pipe of text.

    `isolated` leaves out the site-packages, whose .pth files load modules of their own.
    """
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), **more.pop("env", {})}
    return subprocess.Popen(
        [sys.executable, *(["-S"] if isolated else []), "-c", program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **more,
    )


def output_of(program, *arguments, **more):
    """Run a host to its end and return what it printed; a failing host fails the test with its stderr."""
    process = host_process(program, *arguments, **more)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out


def as_a_fresh_host():
    """Let go of what this process's host has, so that the next call begins as in a new process."""
    if here.sink is not None:
        here.sink.close()
    here.__init__()
    complaints.__init__()
