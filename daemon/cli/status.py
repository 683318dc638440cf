"""This file knows `adaptd status`: one calm page that says whether all is well, and the one thing to do next."""

from __future__ import annotations

import argparse

from daemon.cli.main import BAD_CONFIG, NoDaemon, add_config
from daemon.cli.printing import age_of, complain, count_of, cut, folded, harmless, line_width, print_json, size_of
from daemon.cli.run_words import run_document, run_words
from daemon.moments import moment_of
from daemon.queries import SCHEMA, Status, status_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from daemon.models_outlook import ModelsOutlook
    from daemon.night_outlook import NightOutlook, WorkloadOutlook

WATCH_SECONDS, LEAST_SECONDS, MOST_SECONDS = 2.0, 0.1, 86_400
CLEAR = "\x1b[H\x1b[2J\x1b[3J"
PROMISES = {
    "full": "full (an event counts as taken in when it is on the disk)",
    "normal": "normal (a power cut may take back the newest commits)",
}


def add_status(parser: argparse.ArgumentParser) -> None:
    """The options of `status`."""
    parser.epilog = (
        "examples:\n  adaptd status\n  adaptd status --json | jq .feedback.today\n"
        "  adaptd status --watch              again every two seconds, until Ctrl-C"
    )
    parser.add_argument("--json", action="store_true", help="as one JSON document, adaptd.status/1")
    parser.add_argument(
        "--watch",
        metavar="SECONDS",
        nargs="?",
        type=_seconds,
        const=WATCH_SECONDS,
        help="look again every so many seconds (default 2); with --json a line each time",
    )
    parser.add_argument("--require-daemon", action="store_true", help="exit with 3 when the daemon does not run")
    add_config(parser)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"expected {LEAST_SECONDS} to {MOST_SECONDS} seconds, found {text!r}")
    return seconds


def status(options: argparse.Namespace) -> int:
    """Look, print, and say by the exit code whether the daemon was needed and missing."""
    if options.watch is None:
        return _look(options)
    try:
        _look_again_and_again(options)
    except KeyboardInterrupt:
        return 0


def _look_again_and_again(options: argparse.Namespace) -> NoReturn:
    """The page in place of the last one at a terminal, below it elsewhere."""
    from sys import stdout
    from time import sleep

    clear = CLEAR if stdout.isatty() and not options.json else ""
    while True:
        print(clear, end="")
        _look(options)
        stdout.flush()
        sleep(options.watch)


def _look(options: argparse.Namespace) -> int:
    from time import time_ns

    from adaptd.locating import find

    place = find(options.config)
    now = time_ns() // 1000
    found = status_of(place.state_dir, place.config_path, place.table, moment_of(now)[:10])
    if options.json:
        print_json(as_document(found, now))
    else:
        print("\n".join(page_of(found, now, line_width() or 80)))
    if found.config_faults:
        for line in found.config_faults if options.watch is None else ():
            complain(harmless(line))
        return BAD_CONFIG
    if options.require_daemon and not found.running:
        raise NoDaemon(
            f"the daemon does not run on {place.state_dir}, and --require-daemon asks for it. Start it: adaptd run"
        )
    return 0


def as_document(found: Status, now: int) -> dict[str, object]:
    """The status as JSON; later versions of adaptd only add to it."""
    newest_at = found.log.newest_at
    return {
        "schema": SCHEMA,
        "state_dir": str(found.state_dir),
        "config": None if found.config_path is None else str(found.config_path),
        "daemon": {"running": found.running, "pid": int(found.pid) if found.pid else None},
        "config_faults": found.config_faults,
        "durability": found.durability,
        "log": {
            "events": found.log.events,
            "newest_at": None if newest_at is None else moment_of(newest_at),
            "newest_age_seconds": None if newest_at is None else max(0, now - newest_at) / 1e6,
        },
        "outputs": {"total": found.volume.outputs, "today": found.today.outputs},
        "feedback": {
            "total": found.volume.feedback,
            "today": found.today.feedback,
            "waiting": found.waiting,
            "waiting_since": None if found.waiting_since is None else moment_of(found.waiting_since),
        },
        "artifact_types": [
            {"artifact_type": name, "outputs": one.outputs, "feedback": one.feedback}
            for name, one in found.artifact_types
        ],
        "other_artifact_types": {
            "outputs": found.other_artifact_types.outputs,
            "feedback": found.other_artifact_types.feedback,
        },
        "spool": {
            "files": found.spool.files,
            "unread_files": found.spool.unread_files,
            "unread_bytes": found.spool.unread_bytes,
        },
        "quarantine": {"count": found.quarantined, "newest_reason": found.quarantine_reason},
        "views": {"position": found.views_at, "behind": found.views_behind},
        "privacy": {"redact": [{"name": name, "file": file} for name, file in found.redactions]},
        "first_promotion": {
            "missing": found.missing_for_promotion,
            "rated_judge_examples": found.rated_judge_examples,
            "fair_judge_examples": found.fair_judge_examples,
            "judge_wanted": found.judge_wanted,
        },
        "models": [_models_document(one) for one in found.models],
        "nights": _nights_document(found, now),
        "workloads": [_workload_document(one) for one in found.workloads],
        "runs": [run_document(one, now) for one in found.runs],
        "next_step": found.next_step,
    }


def _nights_document(found: Status, now: int) -> dict[str, object] | None:
    """Without a workload there are none."""
    if found.nights is None:
        return None
    told = found.nights.at(now)
    moments = {name: _moment_or_none(told.get(name)) for name in ("until", "next_opens_at", "next_closes_at")}
    timezone, reason = found.nights.timezone, told.get("reason")
    return {"state": told["state"], "timezone": timezone, **moments, "reason": reason}


def _workload_document(one: WorkloadOutlook) -> dict[str, object]:
    return {
        "workload": one.name,
        "asked_at": _moment_or_none(one.asked_at),
        "batch": one.batch,
        "batch_at": _moment_or_none(one.batch_at),
        "not_formed": one.not_formed,
        "not_formed_at": _moment_or_none(one.not_formed_at),
    }


def _models_document(one: ModelsOutlook) -> dict[str, object]:
    figure, decided = one.short.get("figure") or {}, one.short.get("decided") or {}
    return {
        "workload": one.name,
        "champion": one.champion,
        "since": _moment_or_none(one.short.get("since")),
        "previous": one.short.get("previous"),
        "challenger": one.short.get("challenger"),
        "indexes_behind": list(one.behind),
        "metric": figure.get("metric"),
        "value": figure.get("value"),
        "decided": {name: decided.get(name) for name in ("model", "sentence", "failed")} if decided else None,
        "course": one.course.get("slices", []),
    }


def _moment_or_none(moment: int | None) -> str | None:
    return None if moment is None else moment_of(moment)


def page_of(found: Status, now: int, width: int) -> list[str]:
    """The status as lines, none longer than `width`."""
    facts = {
        "state": str(found.state_dir),
        "daemon": _daemon(found),
        "durability": PROMISES.get(found.durability, found.durability),
        "log": _log(found, now),
        "outputs": f"{found.volume.outputs:,} in all, {found.today.outputs:,} today",
        "feedback": f"{found.volume.feedback:,} in all, {found.today.feedback:,} today" + _waiting(found, now),
        "spool": _spool(found),
        "quarantine": _quarantine(found),
        "promotion": _promotion(found),
        "views": "up to date" if not found.views_behind else f"{count_of(found.views_behind, 'event')} behind the log",
    }
    if found.nights is not None:
        facts["nights"] = _nights(found.nights, now)
    if found.config_faults:
        facts = {"config": _config(found), **facts}
    if found.redactions:
        facts["redacted"] = ", ".join(f"{name} ({file})" if file else name for name, file in found.redactions)
    lines = [f"{name:<11} {harmless(text)}" for name, text in facts.items()]
    lines += _workloads(found, now, width) + _models(found, width) + _runs(found, now, width) + _types(found, width)
    lines = [_middle_cut(line, width) if line.startswith("state ") else cut(line, width) for line in lines]
    return [*lines, "", *folded(f"next: {found.next_step}", width)] if found.next_step else lines


def _config(found: Status) -> str:
    until_then = "the daemon goes on with what it has read" if found.running else "the daemon will not start"
    return f"WRONG in {count_of(len(found.config_faults), 'place')}: {until_then}"


def _waiting(found: Status, now: int) -> str:
    """Of what was said of outputs that have not come; a wrong output_id shows here."""
    if found.waiting_since is None:
        return ""
    return f"; {found.waiting:,} without output, the oldest {age_of(now - found.waiting_since)}"


def _daemon(found: Status) -> str:
    if not found.running:
        return "not running"
    return f"running, process {found.pid}" if found.pid else "running"


def _log(found: Status, now: int) -> str:
    events = count_of(found.log.events, "event")
    return events if found.log.newest_at is None else f"{events}, the newest {age_of(now - found.log.newest_at)} ago"


def _spool(found: Status) -> str:
    if not found.spool.unread_bytes:
        return "nothing waits"
    waiting = f"{size_of(found.spool.unread_bytes)} in {count_of(found.spool.unread_files, 'file')}"
    return f"{waiting} being taken in" if found.running else f"{waiting}, and nobody reads it"


def _quarantine(found: Status) -> str:
    if not found.quarantined:
        return "empty"
    lines = count_of(found.quarantined, "line")
    return f"{lines}, the newest: {found.quarantine_reason}" if found.quarantine_reason else lines


def _promotion(found: Status) -> str:
    missing = found.missing_for_promotion or ["a model that is better"]
    which = "next" if any(one.champion for one in found.models) else "first"
    return f"{which} needs " + " and ".join(missing)


def _nights(nights: NightOutlook, now: int) -> str:
    """«next 01:00-06:00 Europe/Berlin, in 3 hours», «open until 06:00 Europe/Berlin», «paused until …», «off»."""
    told = nights.at(now)
    if told["state"] == "off":
        return "off: no window, only what is asked for by `adaptd train now`"
    if told["state"] == "waiting":
        hours = nights.hours(told["next_opens_at"], told["next_closes_at"])
        return f"next {hours} {nights.timezone}, in {age_of(told['next_opens_at'] - now)}"
    until = told["until"]
    end = "somebody resumes" if until is None else f"{nights.moment(until, now)} {nights.timezone}"
    reason = f" ({told['reason']})" if told.get("reason") else ""
    return f"{told['state']} until {end}{reason}"


def _workloads(found: Status, now: int, width: int) -> list[str]:
    """A line for each, with its newest batch or why there is none; what it waits for, and its run, stand below it."""
    if not found.workloads:
        return []
    column = max(13, *(len(one.name) for one in found.workloads))
    lines = [f"{one.name:<{column}} {harmless(_workload(one, now))}" for one in found.workloads]
    return ["", f"{'workload':<{column}} newest batch", *(cut(line, width) for line in lines)]


def _models(found: Status, width: int) -> list[str]:
    """For each workload that has one the model in use; below it what was decided last, what fell or stands still."""
    shown = [one for one in found.models if one.told]
    if not shown:
        return []
    column = max(13, *(len(one.name) for one in shown))
    lines = ["", f"{'model':<{column}} which is in use"]
    for one in shown:
        first, *others = (harmless(words) for words in (*one.told, *one.remarks))
        lines.append(f"{one.name:<{column}} {first}")
        for words in others:
            lines += folded(f"{'':<{column}} {words}", width, column + 3)
    return lines


def _runs(found: Status, now: int, width: int) -> list[str]:
    """What is not over; what is, `adaptd runs list` shows."""
    if not found.runs:
        return []
    column = max(13, *(len(one.run) + 1 + len(str(one.plan.get("workload"))) for one in found.runs))
    rows = [(f"{one.run} {one.plan.get('workload')}", run_words(one, now, found.nights)) for one in found.runs]
    head = f"{'run':<{column}} how it stands"
    return ["", head, *(cut(f"{harmless(name):<{column}} {harmless(words)}", width) for name, words in rows)]


def _workload(one: WorkloadOutlook, now: int) -> str:
    batch = "none yet" if one.batch_at is None else f"batch {one.batch}, {age_of(now - one.batch_at)} ago"
    if one.asked_at is not None:
        return f"{batch}; asked for {age_of(now - one.asked_at)} ago"
    if one.not_formed is not None and one.not_formed_at is not None:
        return f"{batch}; {one.not_formed} ({age_of(now - one.not_formed_at)} ago)"
    return batch


def _types(found: Status, width: int) -> list[str]:
    """A table of the artifact types of which there is most."""
    if not found.artifact_types:
        return []
    most = max(12, width - 22)
    rows = [(cut(harmless("(none given)" if name is None else name), most), one) for name, one in found.artifact_types]
    rest = found.other_artifact_types
    if rest.outputs or rest.feedback:
        rows.append(("(all others)", rest))
    column = max(13, *(len(name) for name, _ in rows))
    head = f"{'artifact type':<{column}} {'outputs':>10} {'feedback':>10}"
    return ["", head] + [f"{name:<{column}} {one.outputs:>10,} {one.feedback:>10,}" for name, one in rows]


def _middle_cut(line: str, width: int) -> str:
    """A path is known by its ends."""
    if len(line) <= width:
        return line
    head = (width - 1) // 2
    return line[:head] + "…" + line[len(line) - (width - 1 - head) :]
