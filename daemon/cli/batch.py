"""This file knows `adaptd batch`: what was learnt, what tonight would learn, and why an example is in it or is not."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Any

from daemon.cli.main import Usage, add_config
from daemon.cli.printing import complain, count_of, cut, folded, harmless, in_columns, line_width, print_json, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.batch_explaining import Explained
    from daemon.batch_telling import BatchTellings, Preview, Row
    from daemon.rebuilding import Checked

HEAD = ("batch", "workload", "formed (UTC)", "examples", "new", "because of")
PLACES_SHOWN = 20
VALUE = re.compile(r"\{[^}]*\}")  # where a row's own figure stands in a stage's words
INPUT_SHOWN = 60


def add_batch(parser: argparse.ArgumentParser) -> None:
    """The options of `batch` and of the verbs below it."""
    parser.epilog = (
        "examples:\n  adaptd batch list\n  adaptd batch preview                what tonight would learn, or why not\n"
        "  adaptd batch show 7\n  adaptd batch explain ID             why it was learnt, or why not\n"
        "  adaptd batch explain ID --batch 7\n  adaptd batch rebuild 7 --check      is it what the log says of it?"
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True, dest="verb")
    listed = verbs.add_parser("list", help="the batches that were formed, and why there is none since")
    preview = verbs.add_parser("preview", help="what would be learnt now, and why not yet")
    preview.add_argument("workload", metavar="WORKLOAD", nargs="?", help="of one of them; else of all")
    show = verbs.add_parser("show", help="one batch: why it was formed, its stages, some of its examples")
    explain = verbs.add_parser("explain", help="why an example is in a batch, or why it is not")
    explain.add_argument("example", metavar="EXAMPLE", help="id or number of an output, or of feedback on one")
    explain.add_argument("--batch", metavar="N", type=_number, help="in that batch, instead of the newest with it")
    rebuild = verbs.add_parser("rebuild", help="form a batch again from the log, and compare")
    rebuild.add_argument("--check", action="store_true", required=True, help="compare, and change nothing")
    for below in (show, rebuild):
        below.add_argument("number", metavar="N", help="the batch's number")
    acts = ((listed, _list), (preview, _preview), (show, _show), (explain, _explain), (rebuild, _rebuild))
    for below, act in acts:
        below.add_argument("--json", action="store_true", help="as JSON")
        add_config(below)
        below.set_defaults(act=act)


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected the number of a batch, found {text!r}")
    return int(text)


def _wanted(options: argparse.Namespace) -> int:
    try:
        return _number(options.number)
    except argparse.ArgumentTypeError as error:
        raise Usage(f"batch {options.verb}: N: {error}") from None


def batch(options: argparse.Namespace) -> int:
    """Look, and change nothing."""
    from adaptd.locating import find
    from daemon.batch_telling import batch_tellings
    from daemon.cli.progress import progress

    place = find(options.config)
    with progress() as tell, batch_tellings(place.state_dir, place.config_path, tell) as tellings:
        return int(options.act(options, tellings))


def _now() -> int:
    from daemon.clock_and_chance import SystemClock

    return SystemClock().now()


# Listing


def _list(options: argparse.Namespace, tellings: BatchTellings) -> int:
    from daemon.moments import moment_of, short_moment_of

    batches, answers = tellings.listed(), tellings.answers()
    if options.json:
        told = [one | {"at": moment_of(one["at"])} for one in batches]
        print_json({"schema": "adaptd.batches/1", "batches": told, "not_formed": answers})
        return 0
    rows = [
        (str(one["batch"]), one["workload"], short_moment_of(one["at"]), f"{one['rows']:,}", f"{one['new']:,}",
         "; ".join(one["by"]))
        for one in batches
    ]  # fmt: skip
    for line in in_columns(rows, HEAD, line_width()):
        print(line)
    for one in answers:
        at = short_moment_of(one["at"])
        _print(f"{one['workload']}: none since; at {at}: {one.get('reason', '')}")
    if not batches and not answers:
        say("adaptd: no batch yet. `adaptd batch preview` shows what would be learnt, and why not yet.")
    return 0


def _print(text: str, indent: int = 2) -> None:
    print("\n".join(folded(harmless(text), line_width(), indent)))


# What tonight would learn


def _preview(options: argparse.Namespace, tellings: BatchTellings) -> int:
    wanted = [options.workload] if options.workload else tellings.workloads
    previews = [tellings.preview(workload, _now()) for workload in wanted]
    if options.json:
        print_json({"schema": "adaptd.batch_preview/1", "workloads": [_preview_document(one) for one in previews]})
        return 0
    for number, one in enumerate(previews):
        print("\n" * (number > 0), end="")
        _print_preview(one)
    if not previews:
        say("adaptd: no workload yet. [workloads.NAME] in config.toml begins one: docs/reference/config.md says how.")
    return 0


def _preview_document(preview: Preview) -> dict[str, Any]:
    told = preview._asdict()
    told["triggers"] = [{"fires": fires, "words": words} for fires, words in preview.triggers]
    return told | {"some": [row._asdict() for row in preview.some]}


def _print_preview(preview: Preview) -> None:
    waits = bool(preview.triggers) and not any(fires for fires, _ in preview.triggers)
    why_not = "no batch yet" if waits and not preview.failures else preview.why_not
    _print(f"{preview.workload}: " + (why_not or "a batch would be formed when the window is open"))
    for fires, words in preview.triggers:
        _print(f"  {'fires' if fires else 'waits':<9} {words}", 12)
    if preview.held_apart is not None:
        apart = ", ".join(f"{count:,} by {reason}" for reason, count in preview.held_apart.items() if count)
        _print(f"  {'pool':<9} {count_of(preview.pool, 'example')}; held apart: {apart or 'none'}", 12)
    _print_stages(preview.stages)
    for failure in preview.failures:
        _print(f"  {'FAILED':<9} {failure}", 12)
    if preview.rows:
        stop = f"{preview.validation:,} to stop by"
        _print(f"  {'batch':<9} {count_of(preview.rows, 'example')}, {preview.new:,} new; {stop}", 12)
    _print_rows(preview.some, preview.rows)


def _print_stages(stages: Any) -> None:
    for stage in stages:
        out = sum(one["count"] for one in stage["left_out"])
        did = [f"{stage['kept']:,} stay"]
        did += [f"{out:,} left out"] * bool(out) + [f"{stage['added']:,} derived"] * bool(stage["added"])
        _print(f"  {'stage':<9} {stage['name']}: {'skipped, it failed' if stage['skipped'] else ', '.join(did)}", 12)
        for one in stage["left_out"]:
            _print(f"  {'':<9}   {one['count']:,}: {VALUE.sub('…', one['words'])}", 14)


def _print_rows(rows: Any, of: int) -> None:
    if rows:
        print(f"  some of the {of:,}:" if of > len(rows) else "  all of it:")
    for row in rows:
        _print_row(row)


def _print_row(row: Row) -> None:
    text = "" if row.input is None else cut(" ".join(str(row.input).split()), INPUT_SHOWN)
    times = f", learnt {count_of(row.times_learnt, 'time')} before" if row.times_learnt else ""
    derived = "derived" if row.output < 0 else f"{row.output}"
    _print(f"    {derived:>7}  weight {row.weight:.2f}{times}  {text}".rstrip(), 13)
    for words in row.said:
        _print(f"    {'':>7}    {words}", 15)


# One batch


def _show(options: argparse.Namespace, tellings: BatchTellings) -> int:
    from daemon.moments import moment_of, short_moment_of

    body = tellings.body(_wanted(options))
    if options.json:
        print_json({"schema": "adaptd.batch/1", **body, "at": moment_of(body["at"])})
        return 0
    night = f", in the night of {body['night']}" if body["night"] else ""
    _print(f"batch {body['batch']} of {body['workload']}, formed at {short_moment_of(body['at'])}{night}")
    rows = len(body["rows"]["example"])
    facts = {
        "by": "; ".join(body["by"]),
        "position": f"event {body['position']:,}",
        "hash": body["hash"],
        "pool": f"{count_of(body['figures']['pool'], 'example')}, {body['figures']['new']:,} new",
        "batch": f"{count_of(rows, 'example')}; {body['validation']['count']:,} to stop by",
    }
    if "repeats" in body:
        facts["repeats"] = f"batch {body['repeats']}: the same is new in it, and nothing was said of that since"
    for name, text in facts.items():
        _print(f"  {name:<9} {text}", 12)
    _print_stages(body["stages"])
    _print_rows(tellings.some_rows(body), rows)
    return 0


# Why


def _explain(options: argparse.Namespace, tellings: BatchTellings) -> int:
    found = list(tellings.explain(options.example, options.batch, _now()))
    if not found:
        raise Usage("batch explain: no batch has it and no workload is configured, expected [workloads.NAME]")
    if options.json:
        explained = [one._asdict() | {"said": [said._asdict() for said in one.said]} for one in found]
        print_json({"schema": "adaptd.batch_explained/1", "explained": explained})
        return 0
    for one in found:
        for line in _explained(one):
            _print(line, 14)
    return 0


def _explained(one: Explained) -> Iterator[str]:
    what = f"batch {one.batch} of {one.workload}" if one.batch else f"what {one.workload} would learn now"
    yield f"output {one.output}, {what}: " + ("in it" if one.there else f"not in it: {one.why_not}")
    if one.there:
        yield f"  {'weight':<11} {one.weight:.4g}"
        yield f"  {'learnt':<11} {count_of(one.times_learnt or 0, 'time')} before"
        if one.derived:
            yield f"  {'derived':<11} {count_of(one.derived, 'example')} made from it"
    for said in one.said:
        yield f"  {said.stage}: {said.words}"


# Forming it again


def _rebuild(options: argparse.Namespace, tellings: BatchTellings) -> int:
    found = tellings.checked(_wanted(options))
    if options.json:
        print_json({"schema": "adaptd.batch_checked/1", "equal": found.ok, **found._asdict()})
    else:
        for line in _checked(found):
            _print(line)
    if not found.ok:
        complain(f"adaptd: batch {found.batch} is not what the log gives. `adaptd events verify` looks at the log.")
    return 0 if found.ok else 1


def _checked(found: Checked) -> Iterator[str]:
    if found.why_not is None:
        how = "formed again from the log and compared"
    else:
        how = f"its stored rows checked against the log, since it cannot be formed again: {found.why_not}"
    yield f"batch {found.batch}, {count_of(found.rows, 'example')}: {how}"
    if found.ok:
        yield "equal" if found.why_not is None else "its rows hold"
    if found.wrong:
        yield f"DIFFERENT in {count_of(len(found.wrong), 'row')}: {_places(found.wrong)}"
    if not found.hash_holds:
        yield "DIFFERENT in its hash"
    if found.forgotten:
        yield f"of forgotten subjects, and no fault: {_places(found.forgotten)}"
    if found.unchecked:
        yield f"derived, their texts are not in the log: {_places(found.unchecked)}"


def _places(places: list[int]) -> str:
    more = f" and {len(places) - PLACES_SHOWN:,} more" if len(places) > PLACES_SHOWN else ""
    return ", ".join(map(str, places[:PLACES_SHOWN])) + more
