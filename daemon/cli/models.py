"""This file knows `adaptd models`: what is on the shelf, what is in use, and what a person decides about it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.cli.main import Usage, add_config
from daemon.cli.printing import complain, cut, folded, harmless, in_columns, line_width, print_json, say, size_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.model_comparing import Flipped
    from daemon.model_telling import ModelTellings, ModelTold

HEAD = ("model", "state", "since (UTC)", "run", "size", "judged", "")
N = "its number, as in 3; support/3 where several workloads have one"


def add_models(parser: argparse.ArgumentParser) -> None:
    """The options of `models` and of the verbs below it."""
    parser.epilog = (
        "examples:\n  adaptd models list\n  adaptd models show 3                what made it, how it was judged\n"
        "  adaptd models card 3\n"
        "  adaptd models diff 2 3              what flipped, worst first\n"
        "  adaptd models path support          the folder of the model in use\n"
        "  adaptd models export 3 ~/out        its files, in a folder of your own\n"
        '  adaptd models promote 3 --reason "the new catalogue"\n  adaptd models rollback support\n'
        "  adaptd models pin 3\n  adaptd models unpin 3"
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True, dest="verb")
    listed = verbs.add_parser("list", help="every model, and which is in use")
    show = verbs.add_parser("show", help="one model: what made it, how it was judged, what was decided")
    card = verbs.add_parser("card", help="its card, as Markdown")
    diff = verbs.add_parser("diff", help="examples that one gets right and the other wrong, worst first")
    path = verbs.add_parser("path", help="the folder of the model in use, or of any")
    export = verbs.add_parser("export", help="write a model to a folder of your own")
    promote = verbs.add_parser("promote", help="put a model in use by hand, whatever the gate says")
    rollback = verbs.add_parser("rollback", help="back to the champion before; the one in use is quarantined")
    pin = verbs.add_parser("pin", help="keep a model's files, however old")
    unpin = verbs.add_parser("unpin", help="keep them no longer than others")
    for below in (show, card, export, promote, pin, unpin):
        below.add_argument("model", metavar="N", help=N)
    _add_own(diff, path, export, promote, rollback)
    acts = ((listed, _list), (show, _show), (card, _card), (diff, _diff), (path, _path), (export, _export))
    for below, act in (*acts, (promote, _promote), (rollback, _rollback), (pin, _pin), (unpin, _pin)):
        below.add_argument("--json", action="store_true", help="as one JSON document")
        add_config(below)
        below.set_defaults(act=act)


def _add_own(
    diff: argparse.ArgumentParser,
    path: argparse.ArgumentParser,
    export: argparse.ArgumentParser,
    promote: argparse.ArgumentParser,
    rollback: argparse.ArgumentParser,
) -> None:
    diff.add_argument("model", metavar="A", help=N)
    diff.add_argument("other", metavar="B", help="another one of the same workload")
    diff.add_argument("--most", metavar="N", type=int, default=10, help="so many each way, 10 without it")
    path.add_argument("name", metavar="WORKLOAD", nargs="?", help="its model in use; or a model, as in support/3")
    path.add_argument("--check", action="store_true", help="hash every file again first")
    export.add_argument("out", metavar="OUT", help="the folder to make")
    export.add_argument("--form", metavar="FORM", help="one that the workload writes; without it the files as they are")
    promote.add_argument("--reason", metavar="TEXT", help="why, for those who look at it later")
    rollback.add_argument("workload", metavar="WORKLOAD", nargs="?", help="needed where several have models")
    rollback.add_argument("--reason", metavar="TEXT", help="why, for those who look at it later")


def models(options: argparse.Namespace) -> int:
    """Look, or decide."""
    return int(options.act(options))


def _reading(options: argparse.Namespace, act: Any) -> int:
    from adaptd.locating import find
    from daemon.cli.progress import progress
    from daemon.model_telling import model_tellings

    place = find(options.config)
    with progress() as tell, model_tellings(place.state_dir, tell) as tellings:
        return int(act(options, tellings))


def _list(options: argparse.Namespace) -> int:
    return _reading(options, _print_list)


def _print_list(options: argparse.Namespace, tellings: ModelTellings) -> int:
    from daemon.moments import short_moment_of

    found = tellings.listed()
    if options.json:
        print_json({"schema": "adaptd.models/1", "models": [document(one) for one in found]})
        return 0
    rows = [
        (name_of(one), one.model.state, short_moment_of(one.model.since)[:16], one.model.run or "-", _size(one),
         _judged(one), "; ".join(_marks(one)))
        for one in found
    ]  # fmt: skip
    for line in in_columns(rows, HEAD, line_width()):
        print(line)
    if not found:
        say("adaptd: no model yet. A run's model is put on the shelf when it has finished: `adaptd runs list`")
    return 0


def name_of(told: ModelTold) -> str:
    """As verbs are given it."""
    return f"{told.workload}/{told.model.number}"


def _size(told: ModelTold) -> str:
    return size_of(told.size) if told.path else "-"


def _judged(told: ModelTold) -> str:
    """«correct 0.93»: what it reached when it challenged the champion."""
    figure = told.model.figure
    return "" if figure is None else f"{figure[0]} {figure[1]:.3g}"


def _marks(told: ModelTold) -> Iterator[str]:
    if told.model.pinned:
        yield "pinned"
    if told.forgotten:
        yield f"learnt from {told.forgotten:,} of forgotten people"


def document(told: ModelTold) -> dict[str, Any]:
    """A model as JSON."""
    from daemon.moments import moment_of

    model = told.model
    some = {"workload": told.workload, "model": model.number, "state": model.state, "since": moment_of(model.since)}
    some |= {name: getattr(model, name) for name in ("run", "batch", "hash", "base", "pinned")}
    some |= dict(zip(("metric", "value"), model.figure or (None, None), strict=True))
    return some | {"path": told.path, "size": told.size, "forgotten": told.forgotten}


# One of them


def _show(options: argparse.Namespace) -> int:
    return _reading(options, _print_model)


def _print_model(options: argparse.Namespace, tellings: ModelTellings) -> int:
    told = tellings.found(options.model)
    card = tellings.card(told)
    if options.json:
        print_json({"schema": "adaptd.model/1", **document(told), "card": card})
        return 0
    for name, text in _facts(told, card):
        print("\n".join(folded(harmless(f"{name:<9} {text}"), line_width(), 10)))
    return 0


def _facts(told: ModelTold, card: dict[str, Any]) -> Iterator[tuple[str, str]]:
    from daemon.model_cards import costs_of, said_of, short, told_slice, told_value
    from daemon.models_outlook import without_verdict

    yield "model", f"{name_of(told)}, {told.model.state} since {short(card['since'])}"
    yield from (("note", mark) for mark in _marks(told))
    yield "files", told.path or "none here: let go of, or a base model that is loaded from elsewhere"
    for name in ("hash", "base", "run", "batch", "settings", "seed"):
        if card[name] not in (None, {}):
            yield name, told_value(card[name])
    if card["learnt"]:
        head = card["learnt"]["log_head"] or {}
        yield "learnt", f"{card['learnt']['rows']:,} examples, as of event {head.get('seq', 0):,}"
    judged = card["judged"] or {}
    for name, value in (judged.get("metrics") or {}).items():
        yield "judged", f"{name}: {told_slice(value)}"
    for name, text in costs_of(judged) if judged else ():
        yield "", f"{name}: {text}"
    decided = card["decided"]
    if decided:
        by = " by hand" if decided["by"] == "hand" else ""
        verdict = "promoted" if decided["kind"] == "challenger_promoted" else "turned down"
        why = without_verdict(decided["sentence"] or decided["reason"] or decided["failed"] or "")
        yield "decided", f"{verdict}{by}, {short(decided['at'])}: {why}"
        for clause in decided["clauses"]:
            yield "", f"{'holds' if clause['holds'] else 'NOT':<5}  {clause['name']}: {said_of(clause)}"


def _card(options: argparse.Namespace) -> int:
    return _reading(options, _print_card)


def _print_card(options: argparse.Namespace, tellings: ModelTellings) -> int:
    told = tellings.found(options.model)
    if options.json:
        print_json({"schema": "adaptd.model_card/1", **tellings.card(told)})
    else:
        print(harmless(tellings.readme(told)), end="")
    return 0


def _path(options: argparse.Namespace) -> int:
    return _reading(options, _print_path)


def _print_path(options: argparse.Namespace, tellings: ModelTellings) -> int:
    name = options.name or ""
    is_model = "/" in name or name.isdigit()
    told = tellings.found(name) if is_model else tellings.champion(options.name)
    path = tellings.path(told, check=options.check)
    if options.json:
        print_json({"schema": "adaptd.model_path/1", **document(told), "checked": options.check})
    else:
        print(path)
    return 0


def _export(options: argparse.Namespace) -> int:
    return _reading(options, _write_out)


def _write_out(options: argparse.Namespace, tellings: ModelTellings) -> int:
    from daemon.model_exporting import export

    told, out = tellings.found(options.model), Path(options.out).absolute()
    export(tellings, told, out, options.form, _beside(options))
    if options.json:
        print_json({"schema": "adaptd.model_exported/1", **document(told), "out": str(out), "form": options.form})
    else:
        print(out)
    return 0


def _beside(options: argparse.Namespace) -> Path:
    """The folder that plugins are looked for in first."""
    from adaptd.locating import find

    place = find(options.config)
    return Path(place.config_path).parent if place.config_path else Path(place.state_dir)


def _diff(options: argparse.Namespace) -> int:
    return _reading(options, _print_diff)


def _print_diff(options: argparse.Namespace, tellings: ModelTellings) -> int:
    from daemon.model_comparing import compared, with_inputs

    if options.most < 1:
        raise Usage(f"models diff: --most: {options.most}, expected at least 1")
    one, other = tellings.found(options.model), tellings.found(options.other)
    found = compared(tellings, one, other, _beside(options))
    sides = {"worse": found.worse, "better": found.better}
    shown = {name: list(with_inputs(tellings, flips[: options.most])) for name, flips in sides.items()}
    if options.json:
        told = {name: {"rows": len(sides[name]), "some": [flip._asdict() for flip in shown[name]]} for name in sides}
        names = {"workload": one.workload, "one": one.model.number, "other": other.model.number}
        facts = {"metric": found.metric, "rows": found.rows, "together": found.together}
        print_json({"schema": "adaptd.models_compared/1", **names, **facts, **told})
        return 0
    how = "judged together" if found.together else "of different judgings"
    alike = found.rows - len(found.worse) - len(found.better)
    _say(f"{name_of(other)} against {name_of(one)}: {found.metric} on {found.rows:,} examples, {how}")
    _say(f"{len(found.worse):,} worse, {len(found.better):,} better, {alike:,} alike")
    for name, flips in shown.items():
        _print_flips(name, flips, len(sides[name]))
    return 0


def _print_flips(name: str, flips: list[Flipped], of: int) -> None:
    if flips:
        print(f"{name}, {len(flips):,} of {of:,}:" if of > len(flips) else f"{name}:")
    for flip in flips:
        text = " ".join(str("" if flip.input is None else flip.input).split())
        kind = f"  [{flip.artifact_type}]" if flip.artifact_type else ""
        print(cut(harmless(f"  {flip.output:>7}  {flip.one:.4g} -> {flip.other:.4g}{kind}  {text}").rstrip(), 80))


def _say(text: str) -> None:
    print("\n".join(folded(harmless(text), line_width())))


# Deciding


def _have_done(options: argparse.Namespace, request: dict[str, Any], schema: str, does: str) -> dict[str, Any] | None:
    """The answer, or None where it was printed as JSON."""
    from adaptd.locating import find
    from daemon.cli.asking_daemon import have_done
    from daemon.cli.progress import progress

    with progress() as tell:
        done = have_done(find(options.config), request, tell, does)
    if options.json:
        print_json({"schema": f"adaptd.{schema}/1", **done})
        return None
    return done


def _promote(options: argparse.Namespace) -> int:
    if not (options.reason or "").strip():
        raise Usage("models promote: no --reason, expected why this model is to be in use whatever the gate says")
    request = {"verb": "promote", "model": options.model, "reason": options.reason}
    done = _have_done(options, request, "model_promoted", "promotes it")
    if done is not None:
        before = "nothing" if done["previous"] is None else f"model {done['previous']}"
        print(f"{done['workload']}: model {done['model']} is in use; before it {before}")
        say(f"adaptd: `adaptd models rollback {done['workload']}` brings back what was before")
    return 0


def _rollback(options: argparse.Namespace) -> int:
    request = {"verb": "rollback", "workload": options.workload, "reason": options.reason}
    done = _have_done(options, request, "model_rolled_back", "rolls back")
    if done is not None:
        print(f"{done['workload']}: model {done['to']} is in use again; model {done['from']} is quarantined")
        for problem in done["damaged"]:
            complain(f"adaptd: passed over: {problem}")
    return 0


def _pin(options: argparse.Namespace) -> int:
    request = {"verb": "pin", "model": options.model, "pinned": options.verb == "pin"}
    done = _have_done(options, request, "model_pinned", f"{options.verb}s it")
    if done is not None:
        kept = "are kept in any case" if done["pinned"] else "are kept no longer than others'"
        print(f"{done['workload']}: the files of model {done['model']} {kept}")
    return 0
