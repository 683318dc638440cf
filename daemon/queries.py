"""This file knows what can be asked of a state folder, with the daemon running or not: typed answers, never a change.

What is printed comes from here, whoever prints it. Standard library alone and nothing heavy of it, since `status` is
asked often. Whole events are `daemon.event_reading`'s, which costs more to load.
"""

from __future__ import annotations

import os
import sqlite3

from daemon.state_lock import running_pid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from daemon.config_faults import Fault
    from daemon.event_reading import EventReader
    from daemon.models_outlook import ModelsOutlook
    from daemon.night_outlook import NightOutlook, WorkloadOutlook
    from daemon.run_telling import RunTold
    from daemon.settings_told import ValueTold
    from daemon.told import OutputTold, Told, ToldInFull

SCHEMA = "adaptd.status/1"
MOST_TYPES = 10
JUDGE_WANTED = 200  # fewer rated judge examples are flagged by the gate


class LogState:
    """What is in events.db: how many events, when the newest was received, how far each spool file was read."""

    def __init__(self, events: int, newest_at: int | None, read_to: Mapping[str, int]) -> None:
        self.events = events
        self.newest_at = newest_at
        self.read_to = read_to


class SpoolState:
    """What lies in the spool and is not in the log yet."""

    def __init__(self, files: int, unread_files: int, unread_bytes: int) -> None:
        self.files = files
        self.unread_files = unread_files
        self.unread_bytes = unread_bytes


class Volume:
    """How many outputs, and how much feedback."""

    def __init__(self, outputs: int = 0, feedback: int = 0) -> None:
        self.outputs = outputs
        self.feedback = feedback


class Status:
    """One look at a state folder."""

    def __init__(
        self,
        *,
        state_dir: str,
        config_path: str | None,
        durability: str,
        pid: str | None,
        log: LogState,
        spool: SpoolState,
        volume: Volume,
        today: Volume,
        artifact_types: list[tuple[str | None, Volume]],
        other_artifact_types: Volume,
        quarantined: int,
        quarantine_reason: str | None,
        views_at: int,
        rated_judge_examples: int = 0,
        asked_judge_examples: int = 0,
        models: Sequence[ModelsOutlook] = (),
        config_faults: Sequence[str] = (),
        redactions: list[tuple[str, str | None]] | None = None,
        waiting: int = 0,
        waiting_since: int | None = None,
        nights: NightOutlook | None = None,
        workloads: Sequence[WorkloadOutlook] = (),
        runs: Sequence[RunTold] = (),
    ) -> None:
        self.state_dir = state_dir
        self.config_path = config_path
        self.durability = durability
        self.pid = pid
        self.log = log
        self.spool = spool
        self.volume = volume
        self.today = today
        self.artifact_types = artifact_types
        self.other_artifact_types = other_artifact_types
        self.quarantined = quarantined
        self.quarantine_reason = quarantine_reason
        self.views_at = views_at
        self.rated_judge_examples = rated_judge_examples
        self.asked_judge_examples = asked_judge_examples
        self.models = list(models)
        self.config_faults = list(config_faults)
        self.redactions = redactions or []
        self.waiting = waiting
        self.waiting_since = waiting_since
        self.nights = nights
        self.workloads = list(workloads)
        self.runs = list(runs)

    @property
    def running(self) -> bool:
        """Whether a daemon owns the folder."""
        return self.pid is not None

    @property
    def views_behind(self) -> int:
        """How many events the counts do not know yet."""
        return max(0, self.log.events - self.views_at)

    @property
    def fair_judge_examples(self) -> int:
        """What the workload that has most of it can be judged on fairly; without a workload what is rated at all.

        Volunteered ratings are not fair to a challenger; those that were asked for at random are, and golden ones.
        """
        golden = max((one.golden for one in self.models), default=0)
        if any(one.ratings != "volunteered" for one in self.models) or not self.models:
            return self.rated_judge_examples + golden
        return self.asked_judge_examples + golden

    @property
    def judge_wanted(self) -> int:
        """How many of them the gate wants."""
        return min((one.judge_wanted for one in self.models), default=JUDGE_WANTED)

    @property
    def missing_for_promotion(self) -> list[str]:
        """What a model would still need before it could be promoted, in words; the largest thing first.

        Without workloads there is nothing to promote.
        """
        wanted = self.judge_wanted - self.fair_judge_examples
        if not self.workloads:
            return ["a workload (none yet)", *([f"{wanted} more rated judge outputs"] if wanted > 0 else [])]
        fair = [f"{wanted} more fair judge examples"] if wanted > 0 else []
        return [*([] if any(one.batch for one in self.workloads) else ["a batch to learn from"]), *fair]

    @property
    def next_step(self) -> str | None:
        """The one thing to do now, None when there is nothing."""
        if self.config_faults:
            return "correct the configuration: adaptd config check"
        if not self.running and self.spool.unread_bytes:
            return "start the daemon, so that what waits in the spool is taken in: adaptd run"
        if not self.running:
            return "start the daemon: adaptd run"
        if self.quarantined and not self.volume.feedback:
            return "see why events could not be taken in: adaptd events tail"
        if not self.volume.feedback:
            return "record feedback, from your program or with: adaptd record-feedback --help"
        return None


def status_of(state_dir: str, config_path: str | None, table: Mapping[str, Any], today: str) -> Status:
    """The state of a folder; `table` is config.toml as it was read, `today` the UTC day as YYYY-MM-DD."""
    from daemon.config_checked import faults_of
    from daemon.night_outlook import outlooks_of
    from daemon.run_telling import told_of
    from daemon.views.summary import read_summary

    summary = read_summary(f"{state_dir}/views.db")
    log = read_log(f"{state_dir}/events.db")
    types = [(one["artifact_type"], _volume(one)) for one in summary["artifact_types"]]
    quarantine = summary["quarantine"]
    faults = faults_of(config_path, os.environ)
    nights, workloads = (None, []) if faults else outlooks_of(table, summary["nights"])
    return Status(
        state_dir=state_dir,
        config_path=config_path,
        durability=_durability(table),
        pid=running_pid(state_dir),
        log=log,
        spool=read_spool(f"{state_dir}/spool", log.read_to),
        volume=_volume(summary),
        today=next((_volume(day) for day in summary["days"] if day["day"] == today), Volume()),
        artifact_types=types[:MOST_TYPES],
        other_artifact_types=_together(
            [one for _, one in types[MOST_TYPES:]] + [_volume(summary["other_artifact_types"])]
        ),
        quarantined=sum(quarantine["totals"].values()),
        quarantine_reason=_newest_reason(quarantine["newest"]),
        views_at=summary["position"],
        rated_judge_examples=summary["rated_judge_examples"],
        asked_judge_examples=summary["asked_judge_examples"],
        models=[] if faults else _models(table, summary, str(state_dir)),
        config_faults=faults,
        redactions=_redactions(table, config_path),
        waiting=summary["waiting"],
        waiting_since=summary["waiting_since"],
        nights=nights,
        workloads=workloads,
        runs=[told_of(state_dir, record) for record in summary["runs"]["unfinished"]],
    )


def _models(table: Mapping[str, Any], summary: Mapping[str, Any], state_dir: str) -> list[ModelsOutlook]:
    from daemon.models_outlook import models_outlooks

    return models_outlooks(table, summary["models"], summary["history"], state_dir, summary["golden"])


def feedback_list(state_dir: str, artifact_type: str | None, limit: int) -> list[Told]:
    """The newest feedback, newest first, of outputs of that type or of all."""
    from daemon.told import Tellings

    with Tellings.open(state_dir) as tellings:
        return tellings.newest(artifact_type, limit)


def feedback_told(state_dir: str, event_id: str) -> ToldInFull | None:
    """One feedback with its output and with what was said later; None where there is no feedback of that id."""
    from daemon.told import Tellings

    with Tellings.open(state_dir) as tellings:
        return tellings.in_full(event_id)


def inputs_told(state_dir: str, seqs: Sequence[int]) -> dict[int, str]:
    """The inputs of these outputs as text, by their numbers; those that nobody can read are left out."""
    from pathlib import Path

    import numpy as np

    from daemon.deriving import as_text
    from daemon.texts import TextSource

    with TextSource.open(Path(state_dir)) as source:
        told = source.told(np.array(seqs, np.int64))
    inputs = {seq: as_text(one.fields.get("input")) for seq, one in told.items() if one.fields is not None}
    return {seq: text for seq, text in inputs.items() if text is not None}


def events_of(state_dir: str) -> EventReader:
    """The whole events of a log, for reading; close it afterwards."""
    from daemon.event_reading import EventReader

    return EventReader.open(state_dir)


def outputs_told(state_dir: str) -> Iterator[OutputTold]:
    """Every output that was not retracted, oldest first, with the feedback on it that stands."""
    from daemon.told import Tellings

    with Tellings.open(state_dir) as tellings:
        yield from tellings.outputs()


def export_size(state_dir: str, *, native: bool) -> int:
    """About how many lines an export will have: events, or outputs."""
    if native:
        return read_log(f"{state_dir}/events.db").events
    from daemon.views.summary import read_summary

    return int(read_summary(f"{state_dir}/views.db")["outputs"])


def runs_listed(state_dir: str) -> list[RunTold]:
    """Every run, newest first."""
    from daemon import run_telling

    return run_telling.runs_listed(state_dir)


def run_told(state_dir: str, run: str) -> RunTold | None:
    """One run by its id or number; None where there is none."""
    from daemon import run_telling

    return run_telling.run_told(state_dir, run)


def settings_told(config_path: Path | None, environ: Mapping[str, str]) -> list[ValueTold]:
    """What holds for every key, and who says so; BadConfig with every fault when something is wrong."""
    from daemon.settings import read_sources
    from daemon.settings_told import values_told

    return values_told(read_sources(config_path, environ))


def config_faults(config_path: Path | None, environ: Mapping[str, str]) -> list[Fault]:
    """Everything that is wrong with the configuration, its workloads' plugins included; none when all is well."""
    from daemon.config_faults import BadConfig
    from daemon.settings import read_sources
    from daemon.workload_checking import all_faults

    try:
        return all_faults(read_sources(config_path, environ))
    except BadConfig as bad:  # no TOML at all
        return bad.faults


def read_log(path: str) -> LogState:
    """What events.db says of itself; an empty log where there is none yet."""
    if not os.path.exists(path):
        return LogState(0, None, {})
    connection = _reader(path)
    try:
        newest = connection.execute("SELECT seq, received_at FROM events ORDER BY seq DESC LIMIT 1").fetchone()
        read_to = dict(connection.execute("SELECT name, read_to FROM spools_read"))
    finally:
        connection.close()
    events, newest_at = newest or (0, None)
    return LogState(events, newest_at, read_to)


def read_spool(folder: str, read_to: Mapping[str, int]) -> SpoolState:
    """How much of the spool was not taken in yet; a file that was read to its end may wait there for its host."""
    files = unread_files = unread_bytes = 0
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        entries = []
    for entry in entries:
        if entry.name.startswith(".") or not entry.name.endswith(".ndjson"):
            continue
        files += 1
        unread = _unread(entry, read_to.get(entry.name, 0))
        unread_files += unread > 0
        unread_bytes += unread
    return SpoolState(files, unread_files, unread_bytes)


def _unread(entry: os.DirEntry[str], position: int) -> int:
    try:
        size = entry.stat().st_size
    except FileNotFoundError:
        return 0
    return 0 if position < 0 else max(0, size - position)


def _reader(path: str) -> sqlite3.Connection:
    """A connection that only reads, also in a folder that this user may not write to and the daemon has left."""
    uri = "file:" + os.path.abspath(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    connection = sqlite3.connect(f"{uri}?mode=ro", uri=True, timeout=10)
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        if os.path.exists(f"{path}-wal"):
            raise
        connection = sqlite3.connect(f"{uri}?mode=ro&immutable=1", uri=True)
    return connection


def _durability(table: Mapping[str, Any]) -> str:
    log = table.get("log")
    return str(log.get("durability", "full")) if isinstance(log, dict) else "full"


def _redactions(table: Mapping[str, Any], config_path: str | None) -> list[tuple[str, str | None]]:
    """What `privacy.redact` names; of a hook also the file beside config.toml, where it is one of those."""
    privacy = table.get("privacy")
    names = privacy.get("redact") if isinstance(privacy, dict) else None
    return [(str(name), _hook_file(str(name), config_path)) for name in names] if isinstance(names, list) else []


def _hook_file(name: str, config_path: str | None) -> str | None:
    module, colon, _ = name.partition(":")
    if not colon or config_path is None:
        return None
    stem = os.path.join(os.path.dirname(config_path), *module.split("."))
    return next((path for path in (f"{stem}.py", f"{stem}/__init__.py") if os.path.isfile(path)), None)


def _volume(counted: Mapping[str, Any]) -> Volume:
    return Volume(counted["outputs"], counted["feedback"])


def _together(volumes: list[Volume]) -> Volume:
    return Volume(sum(one.outputs for one in volumes), sum(one.feedback for one in volumes))


def _newest_reason(newest: list[Mapping[str, Any]]) -> str | None:
    reason = newest[0].get("reason") if newest else None
    return None if reason is None else str(reason)
