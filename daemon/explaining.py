"""This file knows why: from feedback to what was learnt from it and became of that, and from a model back to feedback.

An explanation is a tree of steps. What is asked about stands at the top; below it, on to what followed, and back to
what it came from. It only reads, and forms nothing: why an example would not be learnt now, `batch explain` says.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from adaptd.errors import AdaptdError
from daemon.batch_explaining import from_body, output_of
from daemon.model_cards import body_of, card_of, said_of, short
from daemon.model_cards import told_slice as slice_words
from daemon.model_forgetting import Lineage
from daemon.model_naming import named
from daemon.model_telling import ModelTellings
from daemon.models_outlook import without_verdict
from daemon.moments import moment_of, short_moment_of
from daemon.told import Tellings, Told
from daemon.views.models import PROMOTED, ROLLED_BACK, TURNED_DOWN, Model
from daemon.views.runs import Record

MOST = 5
SIDES = ("no", "learn", "validate", "judge")


class NothingThere(AdaptdError):
    """What was asked about is not there."""

    exit_code = 4


class Step(NamedTuple):
    """One thing, what is known of it, and what comes below it: what followed, or what it came from."""

    kind: str  # output, feedback, reward, batch, run, model, decision, judging, or more: so many are not shown
    name: str
    words: str
    facts: dict[str, Any]
    below: tuple[Step, ...] = ()


class Explaining:
    """All that can be explained of one state folder."""

    def __init__(self, models: ModelTellings, most: int = MOST) -> None:
        self._models, self._most = models, most
        self._reader, self._batches, self._runs = models.reader, models.batches, models.runs

    @cached_property
    def _tellings(self) -> Tellings:
        return Tellings(self._reader, self._models.examples)

    def why(self, asked: str) -> Step:
        """About an event, output or example by id or number, `batch-7`, `run-7`, or a model as `support/3`."""
        kind, _, number = asked.rpartition("-")
        if kind in ("batch", "run", "model") and number.isascii() and number.isdigit():
            about = {"batch": self._of_batch, "run": self._of_run, "model": self._of_model}
            return about[kind](number)
        event = self._reader.find(asked)
        if event is not None:
            return self._of_event(event)
        if "/" in asked:
            return self._of_model(asked)
        raise NothingThere(
            f"why: nothing is called {asked!r}, expected the id or number of an event, or batch-7, run-7, or a model "
            "as in support/3"
        )

    # From feedback on

    def _of_event(self, event: dict[str, Any]) -> Step:
        output = output_of(self._models.examples, event["seq"])
        if output is None:
            what = "is about an output that has not come" if event["kind"].startswith("feedback") else "stands alone"
            raise NothingThere(f"why: event {event['seq']}, {event['kind']}, {what}: nothing follows from it")
        return self._of_output(output)

    def _of_output(self, seq: int) -> Step:
        event = self._reader.at(seq)
        assert event is not None, f"event {seq} was folded"
        names = ("seq", "side", "worth", "output_retracted")
        columns = self._models.examples.resolved(*names)
        row = int(np.flatnonzero(columns["seq"] == seq)[0])
        known = {name: columns[name][row].item() for name in names}
        side = SIDES[known["side"]]
        facts = {"seq": seq, "id": event["id"], "artifact_type": event.get("artifact_type"), "side": side}
        words = f"event {seq:,}, {event.get('artifact_type') or 'no type'}, {side} side"
        said = [_said(told) for told in self._tellings.on_output(seq)]
        below = [*said[: self._most], *_more(said, self._most), *_reward(known["worth"])]
        below += [*self._learnt_in(seq), *self._judged_with(seq)]
        if known["output_retracted"]:
            words += ", taken back"
        if not any(step.kind in ("batch", "judging") for step in below):
            below.append(Step("more", "not learnt yet", f"`adaptd batch explain {event['id']}` says why not", {}))
        return Step("output", event["id"], words, facts, tuple(below))

    def _learnt_in(self, seq: int) -> Iterator[Step]:
        for told in self._batches.with_output(seq):
            body = body_of(self._reader.log, told["seq"])
            explained = from_body(body, seq)
            assert explained is not None, f"batch {told['batch']} has output {seq}"
            facts = {"weight": explained.weight, "times_learnt": explained.times_learnt, "derived": explained.derived}
            reasons = tuple(Step("reason", said.stage, said.words, {}) for said in explained.said)
            words = (
                f"of {told['workload']}, weight {explained.weight:.4g}, learnt {explained.times_learnt} times before"
            )
            yield Step("batch", f"batch-{told['batch']}", words, facts, (*reasons, *self._runs_of(told["batch"])))

    def _judged_with(self, seq: int) -> Iterator[Step]:
        """The decisions that this output served."""
        outputs = self._models.models.tables["outputs"]
        for event in np.unique(outputs["event_seq"][outputs["output_seq"] == seq]).tolist():
            body = body_of(self._reader.log, event)
            model = self._model(body["workload"], body["model"])
            below = () if model is None else (_in_short(self._model_step(body["workload"], model)),)
            words = f"it was one of {len(body['outputs']):,} examples that models were judged by"
            yield Step("judging", f"{body['workload']}/{body['model']}", words, {"event": event}, below)

    def _runs_of(self, batch: int) -> Iterator[Step]:
        """With the verdicts, and without what those rest on: of a model itself all of that is told."""
        for record in self._runs.by_id.values():
            if record.get("plan", {}).get("batch") == batch:
                yield self._run_step(record, tuple(map(_in_short, self._models_of(record["run"]))))

    def _models_of(self, run: str) -> Iterator[Step]:
        for workload, standing in self._models.standings.items():
            model = standing.of_run(run)
            if model is not None:
                yield self._model_step(workload, model, tuple(self._after(workload, model.number)))

    def _after(self, workload: str, number: int) -> Iterator[Step]:
        """Models that began from this one know what it knows."""
        after = [model for model in self._models.models.standing(workload).models.values() if model.base == number]
        for model in after[: self._most]:
            yield Step("model", f"{workload}/{model.number}", f"began from it, {model.state}", {"state": model.state})
        yield from _more(after, self._most)

    # Back from a model

    def _of_model(self, asked: str) -> Step:
        workload, number = named(self._models.standings, asked)
        model = self._model(workload, number)
        assert model is not None, asked
        standing = self._models.models.standing(workload)
        below = list(self._decisions(workload, number))
        if model.run in self._runs.by_id:
            record = self._runs.by_id[str(model.run)]
            below.append(self._run_step(record, tuple(self._batch_of(record))))
        if model.base is not None and model.base in standing.models:
            learnt = len(Lineage(self._batches, standing).outputs_of(model.base))
            words = f"it began from this one, which had learnt from {learnt:,} outputs"
            below.append(Step("model", f"{workload}/{model.base}", words, {"outputs": learnt}))
        return self._model_step(workload, model, (*below, *self._after(workload, number)))

    def _of_run(self, number: str) -> Step:
        run = f"run-{int(number):04}"
        if run not in self._runs.by_id:
            raise NothingThere(f"why: no {run}. `adaptd runs list` shows which there are.")
        record = self._runs.by_id[run]
        return self._run_step(record, (*self._batch_of(record), *self._models_of(run)))

    def _of_batch(self, number: str) -> Step:
        told = next((one for one in self._batches.listed() if one["batch"] == int(number)), None)
        if told is None:
            raise NothingThere(f"why: no batch {int(number)}. `adaptd batch list` shows which there are.")
        step = self._batch_step(told)
        return step._replace(below=(*step.below, *self._runs_of(told["batch"])))

    def _batch_of(self, record: Record) -> Iterator[Step]:
        wanted = record.get("plan", {}).get("batch")
        yield from (self._batch_step(told) for told in self._batches.listed() if told["batch"] == wanted)

    def _batch_step(self, told: dict[str, Any]) -> Step:
        """A batch with why it was formed, and the events behind it."""
        learnt = self._batches.learnt
        outputs = learnt["output_seq"][learnt["event_seq"] == told["seq"]].tolist()
        below = [Step("reason", "because", words, {}) for words in told.get("by", ())]
        below += [self._behind(seq) for seq in outputs[: self._most]]
        words = (
            f"of {told['workload']}, {short_moment_of(told['at'])} UTC, {told['rows']:,} examples, {told['new']:,} new"
        )
        facts = {"workload": told["workload"], "at": moment_of(told["at"]), "outputs": outputs}
        return Step("batch", f"batch-{told['batch']}", words, facts, (*below, *_more(outputs, self._most)))

    def _behind(self, seq: int) -> Step:
        event = self._reader.at(seq)
        name, kind = (event["id"], event.get("artifact_type") or "no type") if event else (str(seq), "not there")
        said = [_said(told) for told in self._tellings.on_output(seq)]
        return Step("output", name, f"event {seq:,}, {kind}", {"seq": seq}, tuple(said[: self._most]))

    # What is said of one thing

    def _model(self, workload: str, number: int) -> Model | None:
        return self._models.models.standing(workload).models.get(number)

    def _run_step(self, record: Record, below: tuple[Step, ...]) -> Step:
        last = record["last"]
        why = f": {last['reason']}" if last.get("reason") else ""
        return Step("run", record["run"], f"{record['state']}{why}", {"state": record["state"]}, below)

    def _model_step(self, workload: str, model: Model, below: tuple[Step, ...] = ()) -> Step:
        forgotten = self._models.found(f"{workload}/{model.number}").forgotten
        words = f"{model.state} since {short_moment_of(model.since)} UTC"
        words += f", learnt from {forgotten:,} of forgotten people" if forgotten else ""
        facts = {"state": model.state, "hash": model.hash, "forgotten": forgotten}
        has_said = any(step.kind == "decision" for step in below)
        decisions = () if has_said else tuple(self._decisions(workload, model.number))
        return Step("model", f"{workload}/{model.number}", words, facts, (*decisions, *below))

    def _decisions(self, workload: str, number: int) -> Iterator[Step]:
        """Every verdict on it, with the clauses of the newest."""
        for fact in self._models.models.facts(workload):
            if fact["kind"] in (PROMOTED, TURNED_DOWN) and fact["model"] == number:
                words = fact.get("sentence") or fact.get("reason") or fact.get("failed") or ""
                told = tuple(self._clauses(workload, fact))
                yield Step("decision", _verdict(fact), without_verdict(words), dict(fact), told)
            elif fact["kind"] == ROLLED_BACK and fact["from"] == number:
                words = f"to model {fact['to']}" + (f": {fact['reason']}" if fact["reason"] else "")
                yield Step("decision", f"rolled back {short(moment_of(fact['at']))}", words, dict(fact))
            elif fact["kind"] == ROLLED_BACK and fact["to"] == number:
                words = f"back from model {fact['from']}" + (f": {fact['reason']}" if fact["reason"] else "")
                yield Step("decision", f"in use again {short(moment_of(fact['at']))}", words, dict(fact))

    def _clauses(self, workload: str, fact: dict[str, Any]) -> Iterator[Step]:
        standing = self._models.models.standing(workload)
        if (standing.models[fact["model"]].decided or {}).get("seq") != fact["seq"]:
            return
        source = self._models.source
        card = card_of(source, workload, standing, fact["model"])
        for name, figures in ((card["judged"] or {}).get("metrics") or {}).items():
            yield Step("figure", name, slice_words(figures), {})
        for clause in (card["decided"] or {})["clauses"]:
            yield Step("clause", "holds" if clause["holds"] else "NOT", f"{clause['name']}: {said_of(clause)}", {})


def _in_short(model: Step) -> Step:
    """With its verdicts, and without what they rest on: an example is judged by again and again."""
    return model._replace(below=tuple(step._replace(below=()) for step in model.below))


def _said(told: Told) -> Step:
    event = told.event
    said = [word for word in event.get("says", "").split("+") if word and word != "output"]
    words = ", ".join(f"score {event['score']:g}" if word == "score" else word for word in said)
    state = "" if told.state == "current" else f", {told.state}"
    facts = {"seq": event["seq"], "state": told.state, "score": event.get("score"), "says": said}
    return Step("feedback", event["id"], f"event {event['seq']:,}, {words or 'nothing but its output'}{state}", facts)


def _reward(worth: float) -> Iterator[Step]:
    if np.isfinite(worth):
        yield Step("reward", "worth", f"{worth:.4g}, where -1 is bad and 1 is good", {"worth": worth})


def _verdict(fact: dict[str, Any]) -> str:
    if fact["kind"] == PROMOTED:
        verdict = "promoted by hand" if fact["by"] == "hand" else "promoted"
    else:
        verdict = "left to a person" if fact.get("verdict") == "by hand" else "turned down"
    return f"{verdict} {short(moment_of(fact['at']))}"


def _more(found: list[Any], most: int) -> Iterator[Step]:
    if len(found) > most:
        yield Step("more", f"{len(found) - most:,} more", "--most shows them", {"count": len(found) - most})
