"""This file knows what can be asked of batches, with the daemon running or not: typed answers, never a change.

It stands on the saved views and on the log, folds what they do not know yet in its own process, and forms what tonight
would learn without writing anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from adaptd.errors import AdaptdError
from daemon.batch_explaining import Explained, from_body, from_stages, output_of, why_not_learnable
from daemon.batch_making import Line, Made, make
from daemon.batches import in_words
from daemon.event_reading import EventReader
from daemon.plugin_loading import BadSettings, PluginRejected
from daemon.pool_sources import Sources
from daemon.pooling import NotPrepared
from daemon.rebuilding import Checked, body_of, check, formed_again, line_of
from daemon.sealing import Sealing
from daemon.settings import Settings, read_settings
from daemon.standing import FoldedStanding
from daemon.telling import Tell, silent
from daemon.views.batches import new_rows

ROWS_SHOWN = 5


class NoSuchBatch(AdaptdError):
    """There is no batch of that number, or no workload of that name, or no such example."""

    exit_code = 4


class Row(NamedTuple):
    """One row as it is shown: the event that brought it, its weight, and what it was asked."""

    output: int
    id: str | None
    weight: float
    times_learnt: int
    input: Any
    said: tuple[str, ...]


class Preview(NamedTuple):
    """What a workload would learn now: each trigger's words, the batch as it would be, and why it is not formed yet."""

    workload: str
    position: int
    triggers: tuple[tuple[bool, str], ...]
    why_not: str | None
    stages: tuple[dict[str, Any], ...] = ()
    rows: int = 0
    new: int = 0
    pool: int = 0
    validation: int = 0
    held_apart: dict[str, int] | None = None
    failures: tuple[str, ...] = ()
    some: tuple[Row, ...] = ()


class BatchTellings:
    """The batches of one state folder, and what would be formed by its configuration."""

    def __init__(self, reader: EventReader, stands: FoldedStanding, settings: Settings, beside: Path) -> None:
        self._reader = reader
        self._stands = stands
        self._settings = settings
        self._beside = beside

    @property
    def workloads(self) -> list[str]:
        """The configured ones."""
        return list(self._settings.workloads)

    # What was formed

    def listed(self) -> list[dict[str, Any]]:
        """The batches in short, oldest first."""
        return self._stands.now().batches.listed()

    def answers(self) -> list[dict[str, Any]]:
        """For each workload why there is no batch after its last one."""
        answers = self._stands.now().batches.answers
        return [answers[name] for name in sorted(answers) if "batch" not in answers[name]]

    def body(self, number: int) -> dict[str, Any]:
        """All that the log says of a batch."""
        told = next((batch for batch in self.listed() if batch["batch"] == number), None)
        if told is None:
            raise self._no_such(number)
        return body_of(self._reader.log, told["seq"]) | {"seq": told["seq"], "at": told["at"]}

    def some_rows(self, body: dict[str, Any], most: int = ROWS_SHOWN) -> list[Row]:
        """The first rows of a batch, with their inputs where these can be read."""
        rows, found = body["rows"], []
        for place, example in enumerate(rows["example"][:most]):
            event = self._reader.at(example) if example > 0 else None
            said = tuple(
                in_words(reason["words"], [values[reason["rows"].index(place)] for values in reason["values"]])
                for reason in body["reasons"]
                if place in reason["rows"]
            )
            found.append(
                Row(
                    example,
                    event["id"] if event else None,
                    rows["weight"][place],
                    rows["times_learnt"][place],
                    event["body"].get("input") if event else None,
                    said,
                )
            )
        return found

    def checked(self, number: int) -> Checked:
        """Whether the batch is what the log says of it."""
        found = check(number, self._stands, self._settings, self._beside)
        if found is None:
            raise self._no_such(number)
        return found

    def _no_such(self, number: int) -> NoSuchBatch:
        return NoSuchBatch(f"no batch {number} in {self._reader.path}. `adaptd batch list` shows those that there are.")

    # What would be formed

    def preview(self, workload: str, now: int) -> Preview:
        """What that workload would learn now, whether or not a trigger fires."""
        made = self._made(workload, now)
        position = self._stands.now().position
        if isinstance(made, str):
            return Preview(workload, position, (), made)
        triggers = () if made.decision is None else tuple((one.fires, one.words) for one in made.decision.triggers)
        told = Preview(workload, position, triggers, made.why_not.reason if made.why_not else None)
        told = told._replace(
            stages=tuple(made.shaped.stages) if made.shaped else (),
            failures=tuple(f"stage {one.stage}: {one.reason}" for one in made.failures),
            pool=len(made.taken.pool),
            held_apart=dict(made.taken.held_apart),
        )
        if made.batch is None:
            return told
        body = made.batch.body
        return told._replace(
            rows=len(body["rows"]["example"]),
            new=new_rows(body),
            validation=body["validation"]["count"],
            some=tuple(self.some_rows(body)),
        )

    def _made(self, workload: str, now: int) -> Made | str:
        if workload not in self._settings.workloads:
            known = ", ".join(self.workloads) or "none: [workloads.NAME] in config.toml begins one"
            raise NoSuchBatch(f"no workload {workload!r}, expected one of {known}")
        try:
            line = Line.load(workload, self._settings.workloads[workload], self._beside)
            return make(self._stands.now(), line, now, None, in_any_case=True)
        except (PluginRejected, BadSettings, NotPrepared) as error:
            return str(error)

    # Why

    def explain(self, given: str, number: int | None, now: int) -> Iterator[Explained]:
        """Why the example is in that batch, in the newest that has it, or in what would be formed now; or why not."""
        output = self._output_of(given)
        if number is not None:
            yield self._explained_in(self.body(number), output)
            return
        having = self._stands.now().batches.with_output(output)
        if having:
            yield self._explained_in(self.body(having[-1]["batch"]), output)
            return
        for workload in self.workloads:
            yield self._explained_now(workload, output, now)

    def _output_of(self, given: str) -> int:
        event = self._reader.find(given)
        output = output_of(self._stands.now().examples, event["seq"]) if event is not None else None
        if event is None or output is None:
            what = "is about no output that has come" if event else "is no event"
            raise NoSuchBatch(
                f"{given!r} {what} in {self._reader.path}, expected the id or number of an output, or of feedback on "
                "one. `adaptd feedback list` shows the newest."
            )
        return output

    def _explained_in(self, body: dict[str, Any], output: int) -> Explained:
        found = from_body(body, output)
        if found is not None:
            return found
        line = line_of(body, self._settings, self._beside)
        if isinstance(line, str):
            return _not_said(body, output, line)
        standing = self._stands.at(body["position"])
        again = formed_again(body, standing, line)
        if isinstance(again, str):
            return _not_said(body, output, again)
        found = from_stages(line, body["batch"], output, *again)
        why_not = why_not_learnable(standing, line, output) if found is None else ""
        return found or Explained(body["workload"], body["batch"], output, False, why_not=why_not)

    def _explained_now(self, workload: str, output: int, now: int) -> Explained:
        made = self._made(workload, now)
        if isinstance(made, str):
            return Explained(workload, None, output, False, why_not=made)
        found = from_stages(made.line, None, output, made.taken, made.shaped)
        if found is not None:
            return found
        return Explained(
            workload, None, output, False, why_not=why_not_learnable(self._stands.now(), made.line, output)
        )


def _not_said(body: dict[str, Any], output: int, why: str) -> Explained:
    why_not = f"at which stage it was left out cannot be said. {why[:1].upper()}{why[1:]}"
    return Explained(body["workload"], body["batch"], output, False, why_not=why_not)


@contextmanager
def batch_tellings(state_dir: str, config_path: str | None, tell: Tell = silent) -> Iterator[BatchTellings]:
    """The batches of that folder, opened for reading. LogError where there is no log, BadConfig where that is wrong."""
    folder, config = Path(state_dir), None if config_path is None else Path(config_path)
    settings = read_settings(config)
    with ExitStack() as closing:
        reader = EventReader.open(state_dir)
        closing.callback(reader.close)
        sealing = Sealing.open_read_only(folder / "keys.db")
        closing.callback(sealing.close)
        sources = Sources(folder, reader.log, sealing, lambda: settings)
        stands = FoldedStanding(reader.log, sources, folder / "views.db", tell)
        yield BatchTellings(reader, stands, settings, config.parent if config else folder)
