"""A state folder with a few known events, made by the real parts and a stopped clock."""

import json

from daemon.clock_and_chance import SeededChance, StoppedClock
from daemon.config_template import CONFIG_TOML
from daemon.main_loop import MainLoop
from daemon.opening import open_state
from daemon.settings import Settings, read_settings
from daemon.state_folder import make_folders

NOW = 1_700_000_000_000_000  # 2023-11-14T22:13:20Z
WRITER = "00000000000000aa"

LINES = (
    {
        "kind": "output_recorded/1",
        "id": "out-1",
        "input": "2+2",
        "output": "4",
        "artifact_type": "sums",
        "model": "m:7b",
    },
    {"kind": "feedback_recorded/1", "id": "fb-1", "output_id": "out-1", "score": 85.0, "comment": "good\u009bm ✓"},
    {"kind": "feedback_recorded/1", "id": "fb-2", "input": "q", "output": "a", "artifact_type": "erd", "thumb": "down"}
    | {"subject": "alice", "comment": "alice's secret"},
    {"kind": "feedback_recorded/1", "id": "fb-3", "score": 1000},
)
EVENTS = 5  # three, one that says that the fourth line was quarantined, and one that the spool file was finished


def init(folder):
    """What `adaptd init` makes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(CONFIG_TOML)
    make_folders(folder / "state")
    return folder


def spool(folder, lines, rotation=1, writer=WRITER):
    """Lines that a host left in the spool before it ended."""
    text = b"".join(
        json.dumps(line | {"writer": writer, "n": n, "at": NOW}, ensure_ascii=False).encode() + b"\n"
        for n, line in enumerate(lines, 1)
    )
    path = folder / "state" / "spool" / f"{writer}-{rotation:06}.ndjson"
    path.write_bytes(text)
    return path


def take_in(folder, lines=(), now=NOW):
    """The folder after a daemon was there."""
    spool(folder, lines)
    with open_state(folder / "state", Settings(), StoppedClock(now), SeededChance(7)) as state:
        loop = MainLoop(state.intake, state.views)
        while loop.turn(now).events:
            pass
    return folder


WORKLOAD = """
[workloads.sums]
plugin = "tiny_classifier"
"""


def make_batch(folder):
    """And then a workload was configured, and its first batch formed by hand: of the one example that there is."""
    from daemon.derived import owned
    from daemon.night_building import forming_of
    from daemon.prepare_child import prepare

    config = folder / "config.toml"
    config.write_text(config.read_text().replace('all-MiniLM-L6-v2"\n', 'hashing"\n') + WORKLOAD)
    settings = read_settings(config, {})
    with open_state(folder / "state", settings, StoppedClock(NOW), SeededChance(8)) as state:
        state.views.catch_up()
        with owned(folder / "state"):
            prepare(folder / "state", {"model": "hashing", "up_to": state.log.head().seq})
        forming_of(state, settings, folder, SeededChance(9)).turn(NOW, None, "sums", asked=True)
    return folder


def make(folder):
    """A folder with the known events, and no daemon."""
    return take_in(init(folder), LINES)
