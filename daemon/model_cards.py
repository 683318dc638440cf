"""This file knows what stands on a model's card and in its README: what made it, how it was judged, what became of it.

All of it comes from the log, so that a card can be written again at any time and says the same. No text of anybody is
in it: numbers, hashes, and our own words.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from daemon.event_kinds import current
from daemon.event_log import EventLog
from daemon.model_forgetting import Lineage
from daemon.moments import moment_of
from daemon.views.batches import Batches
from daemon.views.models import Model, Standing
from daemon.views.page import Ints
from daemon.views.runs import Runs

FORMAT = 1
OF_THE_PLAN = ("plugin", "mode", "settings", "seed", "base_model")
Card = dict[str, Any]


class Source(NamedTuple):
    """What cards are written from. `forgotten` are the outputs of those who were forgotten, by number in the log."""

    log: EventLog
    runs: Runs
    batches: Batches
    forgotten: Ints = np.zeros(0, np.int64)


def body_of(log: EventLog, seq: int) -> dict[str, Any]:
    """What an event says, in its newest shape."""
    ((kind, body),) = log.read_after(seq - 1, 1, ("kind", "body"))
    return current(kind, json.loads(body))[1]


def card_of(source: Source, workload: str, standing: Standing, number: int) -> Card:
    """Everything that is known of the model."""
    model = standing.models[number]
    plan = source.runs.by_id.get(model.run or "", {}).get("plan", {})
    last = source.runs.by_id.get(model.run or "", {}).get("last", {})
    return {
        "format": FORMAT,
        "workload": workload,
        "model": number,
        "hash": model.hash,
        "state": model.state,
        "since": moment_of(model.since),
        "pinned": model.pinned,
        "base": model.base,
        "run": model.run,
        "batch": model.batch,
        **{name: plan.get(name) for name in OF_THE_PLAN},
        "training": {"metrics": last.get("metrics"), "steps": last.get("step"), "flags": last.get("flags")},
        "learnt": _learnt(source, model),
        "judged": _judged(model),
        "decided": _decided(source, model),
        "forgotten": Lineage(source.batches, standing).learnt_of(number, source.forgotten),
    }


def _learnt(source: Source, model: Model) -> Card | None:
    """The batch: how many examples, as of where in the log, and what it was formed with."""
    told = next((one for one in source.batches.listed() if one["batch"] == model.batch), None)
    if told is None:
        return None
    body = body_of(source.log, told["seq"])
    rows = source.log.read_after(told["position"] - 1, 1, ("seq", "chain")) if told["position"] else []
    head = {"seq": rows[0][0], "chain": rows[0][1].hex()} if rows else None
    some = {name: told[name] for name in ("rows", "new", "hash", "night")}
    return some | {"log_head": head, "fingerprints": body.get("fingerprints", {})}


def _judged(model: Model) -> Card | None:
    names = ("champion", "golden", "results", "metrics", "latency", "latencies", "size")
    if model.judged is None:
        return None
    return {name: model.judged.get(name) for name in names} | {"metrics": model.judged.get("metrics") or {}}


def _decided(source: Source, model: Model) -> Card | None:
    """The newest decision about it, with every clause."""
    if model.decided is None:
        return None
    body = body_of(source.log, int(model.decided["seq"]))
    decision = body.get("decision") or {}
    clauses = [
        {name: clause.get(name) for name in ("name", "holds", "words")} for clause in decision.get("clauses", ())
    ]
    told = {name: body.get(name) for name in ("by", "reason", "level", "previous", "failed")}
    told |= {"verdict": decision.get("verdict"), "sentence": decision.get("sentence"), "clauses": clauses}
    return told | {"kind": model.decided["kind"], "at": moment_of(int(model.decided["at"]))}


# For people


def readme_of(card: Mapping[str, Any]) -> str:
    """The model card as Markdown."""
    return "\n".join(_lines(card)) + "\n"


def _lines(card: Mapping[str, Any]) -> Iterator[str]:
    workload, number = card["workload"], card["model"]
    yield f"# {workload}, model {number}"
    yield ""
    yield f"{card['state'][:1].upper()}{card['state'][1:]} since {card['since'][:16].replace('T', ' ')} UTC."
    if card["forgotten"]:
        yield ""
        yield (
            f"**It learnt from {_examples(card['forgotten'])} of somebody who was forgotten since.** "
            f"`adaptd forget SUBJECT --retrain` asks for a training without them."
        )
    yield from _part("What it is", _what(card))
    yield from _part("What it learnt from", _from_what(card))
    yield from _part("How it was judged", _how_judged(card["judged"]))
    yield from _part("What was decided", _what_decided(card["decided"]))
    yield from ("", "## How to load it", "", "```python", "import adaptd", "")
    yield f'path = adaptd.model_path("{workload}")  # the model in use, which may be another one than this'
    yield from ("```", "")
    yield f"This one: `adaptd models path {workload}/{number} --check`. The files are the workload's own; its plugin's"
    yield "`predict(path, inputs, device)` reads them, and `manifest.json` has a hash of each."


def _part(title: str, facts: Sequence[tuple[str, Any]]) -> Iterator[str]:
    yield from ("", f"## {title}", "")
    told = [(name, value) for name, value in facts if value not in (None, "", {}, [])]
    yield from (f"- {name}: {told_value(value)}" for name, value in told)
    if not told:
        yield "Nothing is known of that."


def _what(card: Mapping[str, Any]) -> list[tuple[str, Any]]:
    plugin = card["plugin"] or {}
    return [
        ("workload", f"{card['workload']} ({plugin['name']}, code {plugin['code']})" if plugin else card["workload"]),
        ("hash", card["hash"]),
        ("embedding fingerprint", (card.get("embeddings") or {}).get("fingerprint")),
        ("began from", card["base_model"] if card["base"] is None else f"model {card['base']}"),
        ("run", card["run"]),
        ("mode", card["mode"]),
        ("settings", card["settings"]),
        ("seed", card["seed"]),
        ("training metrics", card["training"]["metrics"]),
        ("flags", card["training"]["flags"]),
    ]


def _from_what(card: Mapping[str, Any]) -> list[tuple[str, Any]]:
    learnt = card["learnt"]
    if learnt is None:
        return []
    head = learnt["log_head"] or {}
    return [
        ("batch", f"{card['batch']}, {_examples(learnt['rows'])}, {learnt['new']:,} of them new"),
        ("night", learnt["night"]),
        ("log head", f"event {head['seq']:,}, {head['chain']}" if head else None),
        ("batch hash", learnt["hash"]),
        ("fingerprints", learnt["fingerprints"]),
        ("of people forgotten since", _examples(card["forgotten"]) if card["forgotten"] else None),
    ]


def _how_judged(judged: Mapping[str, Any] | None) -> list[tuple[str, Any]]:
    if judged is None:
        return []
    against = "nothing" if judged["champion"] is None else f"model {judged['champion']}"
    facts = [("against", against), *((str(name), told_slice(value)) for name, value in judged["metrics"].items())]
    return [*facts, ("golden set", judged["golden"]), *costs_of(judged), ("results", judged["results"])]


def costs_of(judged: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What an example takes, in all and by artifact type, and how large the model is: «2.1 ms, before 2 ms»."""
    parts = {"latency": judged["latency"], **{f"latency, {name}": one for name, one in _latencies(judged)}}
    yield from ((name, _beside(pair, _milliseconds)) for name, pair in parts.items() if pair)
    if judged["size"]:
        yield "size", _beside(judged["size"], lambda size: f"{size:,} bytes")


def _latencies(judged: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """By type, where there are several."""
    found = list((judged["latencies"] or {}).items())
    return found if len(found) > 1 else []


def _beside(pair: Mapping[str, Any], words: Callable[[Any], str]) -> str:
    before = f", before {words(pair['champion'])}" if pair.get("champion") is not None else ""
    return words(pair["challenger"]) + before


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms an example"


def _what_decided(decided: Mapping[str, Any] | None) -> list[tuple[str, Any]]:
    if decided is None:
        return []
    verdict = "promoted" if decided["kind"] == "challenger_promoted" else "turned down"
    by = " by hand" if decided["by"] == "hand" else ""
    facts = [(verdict + by, f"{short(decided['at'])}"), ("because", decided["sentence"] or decided["reason"])]
    facts += [("failed", decided["failed"]), ("level", decided["level"])]
    return facts + [
        (f"{clause['name']}, {'holds' if clause['holds'] else 'DOES NOT HOLD'}", said_of(clause))
        for clause in decided["clauses"]
    ]


def said_of(clause: Mapping[str, Any]) -> str:
    """The words of a clause, where its name is said already."""
    return str(clause["words"]).removeprefix(clause["name"]).lstrip(": ")


def short(moment: str) -> str:
    """A moment of a card as people read it."""
    return moment[:19].replace("T", " ") + " UTC"


def told_slice(figures: Mapping[str, Any]) -> str:
    """`accuracy 0.81 (0.77 to 0.85), before 0.79 (0.75 to 0.83), of 412`."""
    metrics = {name: pair for name, pair in figures.items() if isinstance(pair, Mapping)}
    told = [f"{name} {' '.join(_pair(pair))}" for name, pair in metrics.items()]
    return ", ".join([*told, f"of {figures.get('rows', 0):,}"])


def _pair(pair: Mapping[str, Any]) -> Iterator[str]:
    yield _interval(pair["challenger"]) + ("," if pair.get("champion") else "")
    if pair.get("champion"):
        yield f"before {_interval(pair['champion'])}"


def _interval(figure: Mapping[str, float]) -> str:
    return f"{figure['mean']:.4g} ({figure['low']:.4g} to {figure['high']:.4g})"


def told_value(value: Any) -> str:
    """A figure, a pair of bounds, or several by name."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {told_value(one)}" for name, one in value.items() if one is not None)
    if isinstance(value, list | tuple):
        is_bounds = len(value) == 2 and all(isinstance(one, int | float) for one in value)
        return (" to " if is_bounds else ", ").join(told_value(one) for one in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _examples(count: int) -> str:
    return f"{count:,} example{'' if count == 1 else 's'}"
