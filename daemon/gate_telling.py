"""This file knows what can be asked of the gate, the daemon running or not: why it decided so, and what it has left."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from adaptd.errors import AdaptdError
from adaptd.plugin.moment import Moment
from daemon.deciding import DAY, Level, level_of
from daemon.event_kinds import current
from daemon.event_reading import EventReader
from daemon.golden_keeping import golden_of
from daemon.judge_planning import coming_of, described
from daemon.model_naming import Standings, named
from daemon.pool_sources import Sources
from daemon.pooling import Wanted, judged_of
from daemon.sealing import Sealing
from daemon.telling import Tell, silent
from daemon.views.examples import Examples
from daemon.views.golden import Golden
from daemon.views.models import ROLLED_BACK, Model, Models, Standing
from daemon.views.reading import at_head
from daemon.views.runs import Runs

if TYPE_CHECKING:
    from daemon.settings import Settings

YEAR = 365 * DAY


class NoModel(AdaptdError):
    """The run has left no model."""

    exit_code = 4


class Explained(NamedTuple):
    """One model and the newest decision about it; `decided` is its event, None while there is none."""

    workload: str
    model: Model
    champion: int | None
    decided: Mapping[str, Any] | None
    at: int | None
    by_hand: bool
    rolled_back: Mapping[str, Any] | None = None  # how it lost its place to the one before, the last time

    @property
    def sentence(self) -> str:
        """What happened, for a busy person."""
        if self.decided is None:
            return (
                "Not decided yet." if self.model.number or self.model.run else "The model that the workload began with."
            )
        if self.by_hand:
            return f"Promoted by hand: {self.decided.get('reason') or 'no reason was given'}."
        if self.decided.get("failed"):
            return f"Turned down, undecided by the gate: {self.decided['failed']}"
        return str(self.decided["decision"]["sentence"])

    @property
    def clauses(self) -> list[Mapping[str, Any]]:
        """Everything that was looked at."""
        return list(((self.decided or {}).get("decision") or {}).get("clauses", ()))

    @property
    def evidence(self) -> Mapping[str, Any]:
        """What the decision rested on."""
        return dict(((self.decided or {}).get("decision") or {}).get("evidence", {}))


class Fair(NamedTuple):
    """What a workload could be judged on now, and what its next decision could spend."""

    workload: str
    ratings: str
    judged: int
    fair: int
    wanted: int
    level: float
    unreadable: str | None = None
    golden: int = 0  # of the frozen set that it is judged on

    @property
    def evidence(self) -> int:
        """What superiority could be claimed on."""
        return self.fair + self.golden


class Shown(NamedTuple):
    """The year's budget."""

    per_year: float
    spent: float
    decisions: int
    left: float
    workloads: list[Fair]


class GateTellings:
    """The decisions of one state folder."""

    def __init__(self, reader: EventReader, sealing: Sealing, state_dir: Path, tell: Tell = silent) -> None:
        self._reader, self._sealing, self._state_dir = reader, sealing, state_dir
        self._views = at_head(reader.log, state_dir / "views.db", (Models, Runs, Examples, Golden), tell)

    @property
    def _models(self) -> Models:
        found = self._views[0]
        assert isinstance(found, Models)
        return found

    @property
    def _runs(self) -> Runs:
        found = self._views[1]
        assert isinstance(found, Runs)
        return found

    def explained(self, name: str) -> Explained:
        """Of a run by its id, or a model by its number. NoModel, NotNamed or NotClear."""
        workload, number = self._named(name)
        standing = self._models.standing(workload)
        model = standing.models[number]
        fact = model.decided
        body = None if fact is None else self._body(fact["seq"])
        champion = _compared_with(model, standing, body)
        by_hand = body is not None and body.get("by") == "hand"
        taken_back = [one for one in self._models.facts(workload) if one["kind"] == ROLLED_BACK]
        newest = next((one for one in reversed(taken_back) if one["from"] == number), None)
        at = None if fact is None else fact["at"]
        return Explained(workload, model, champion, body, at, by_hand, newest)

    def _named(self, name: str) -> tuple[str, int]:
        standings: Standings = {one: self._models.standing(one) for one in self._models.workloads()}
        if not name.startswith("run-"):
            return named(standings, name)
        for workload, standing in standings.items():
            if (model := standing.of_run(name)) is not None:
                return workload, model.number
        record = self._runs.by_id.get(name)
        if record is not None and record["state"] != "finished":
            why = (record.get("last") or {}).get("reason")
            told = f"{record['state']}, {why}" if why else record["state"]
            raise NoModel(f"{name} has left no model that could be judged: it is {told}. `adaptd runs show {name}`")
        raise NoModel(
            f"{name} has left no model on a shelf: there is no such run, or it has not finished, or it was followed by "
            "another before it was looked at. `adaptd runs list` and `adaptd models list` show what there is."
        )

    def _body(self, seq: int) -> dict[str, Any]:
        ((kind, body),) = self._reader.log.read_after(seq - 1, 1, ("kind", "body"))
        return current(kind, json.loads(body))[1]

    def shown(self, settings: Settings, beside: Path, now: int) -> Shown:
        """Spent, left, and how far each workload is."""
        taken, gate = self._models.taken(), settings.gate
        levels = {name: level_of(gate, taken, name, len(settings.workloads), now) for name in settings.workloads}
        within = [one for one in taken if one.at > now - YEAR]
        left = next(iter(levels.values())).left if levels else level_of(gate, taken, "", 1, now).left
        return Shown(
            gate.false_promotions_per_year,
            sum(one.level for one in within),
            len(within),
            left,
            [self._fair(name, settings, beside, level, now) for name, level in levels.items()],
        )

    def _fair(self, name: str, settings: Settings, beside: Path, level: Level, now: int) -> Fair:
        workload, wanted = settings.workloads[name], settings.gate.judge_wanted
        examples = self._views[2]
        assert isinstance(examples, Examples)
        sources = Sources(self._state_dir, self._reader.log, self._sealing, lambda: settings)
        try:
            _, said = described(name, workload, beside)
        except AdaptdError as error:
            return Fair(name, workload.ratings, 0, 0, wanted, level.level, str(error).partition("\n")[0])
        needs = Wanted(workload.artifact_types, tuple(said.needs))
        judged = judged_of(sources(examples), needs, Moment(now, 0, 0), coming_of(workload))
        fair, golden = int(np.count_nonzero(judged.fair)), self._golden(name, workload.artifact_types)
        return Fair(name, workload.ratings, len(judged.pool), fair, wanted, level.level, golden=golden)

    def _golden(self, workload: str, artifact_types: tuple[str, ...]) -> int:
        view = self._views[3]
        assert isinstance(view, Golden)
        found = golden_of(view, workload, artifact_types, np.array(self._sealing.destroyed(), np.int64))
        return 0 if found is None else len(found[1])


def _compared_with(model: Model, standing: Standing, body: Mapping[str, Any] | None) -> int | None:
    if body is not None:
        told = body.get("previous") if "previous" in body else body.get("champion")
        return None if told is None else int(told)
    return standing.champion if standing.champion != model.number else None


@contextmanager
def gate_tellings(state_dir: str, tell: Tell = silent) -> Iterator[GateTellings]:
    """The decisions of that folder, opened for reading. LogError where there is no log."""
    with ExitStack() as closing:
        reader = EventReader.open(state_dir)
        closing.callback(reader.close)
        sealing = Sealing.open_read_only(Path(state_dir) / "keys.db")
        closing.callback(sealing.close)
        yield GateTellings(reader, sealing, Path(state_dir), tell)
