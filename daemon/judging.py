"""This file knows how a finished run becomes a challenger, is judged, and is promoted or not: `night_parts.Judges`.

It is stepped by turns: shelve, judge, decide. Each step is an event, and what lies between two of them can be done
twice: a model is put on the shelf once, and a child that was lost judges again. Links follow the log elsewhere
(`daemon.shelves`). Whatever goes wrong turns the challenger down, with the reason. So does what was tried before: a
model whose files are to the byte those of one that was rolled back is not judged again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import numpy as np

from adaptd.errors import AdaptdError
from adaptd.plugin.moment import Moment
from daemon.clock_and_chance import Chance
from daemon.deciding import case_of, decided, event_of, failed_event, level_of, spent
from daemon.event_kinds import CHALLENGER_JUDGED, CHALLENGER_PROMOTED, EXAMPLES_SERVED, Body, Kind, own_event
from daemon.event_log import EventLog
from daemon.gpus import LooksAtGpus
from daemon.judge_children import JudgeChildren
from daemon.judge_folder import JudgeFolder, JudgeResult, JudgeSpec, judge_folder
from daemon.judge_planning import Goldens, Matter, described, matter_of, write
from daemon.judge_results import Results
from daemon.model_shelf import Shelf
from daemon.night_parts import Told
from daemon.nights import Night
from daemon.pooling import JUDGE, Source, sources_of
from daemon.run_folder import BadRunFolder, folder_of
from daemon.run_queue import Place
from daemon.shelving import newest_finished, shelve
from daemon.views.examples import Examples
from daemon.views.models import Model, Models, Standing
from daemon.views.runs import Record, Runs

if TYPE_CHECKING:
    from daemon.settings import Settings

AView = TypeVar("AView")


class Folds(Protocol):
    """The part of the views that judging needs."""

    @property
    def position(self) -> int: ...
    def of(self, kind: type[AView]) -> AView: ...
    def catch_up(self, max_events: int | None = None) -> int: ...


class Stands(NamedTuple):
    """The log, its views, and how a source of pools is made of them."""

    log: EventLog
    views: Folds
    source_of: Callable[[Examples], Source]


class Allowed(NamedTuple):
    """Whether a model may be judged now: in an open window, or where its run needs none."""

    night: Night | None
    asked: Collection[str]

    def may(self, workload: str, run: Record | None) -> bool:
        free = run is not None and run.get("plan", {}).get("night") is None
        return self.night is not None or free or workload in self.asked


class Awaits(Protocol):
    """Who builds what has to be there before a model is promoted."""

    def missing(self, workload: str, number: int) -> str | None:
        """What is missing still, "" while it is being built; a reason where it cannot be; None where nothing is."""


class NoIndexes:
    """Where there are none."""

    def missing(self, workload: str, number: int) -> str | None:  # noqa: ARG002 part of the contract
        return None


class Judging:
    """Judges and decides for all workloads."""

    def __init__(
        self,
        place: Place,
        stands: Stands,
        gpus: LooksAtGpus,
        settings: Settings,
        chance: Chance,
        goldens: Goldens,
        indexes: Awaits | None = None,
    ) -> None:
        self._indexes = indexes or NoIndexes()
        self._place, self._stands, self._chance, self._goldens = place, stands, chance, goldens
        self.settings = settings
        self._children = JudgeChildren(place, gpus, settings)
        self._nothing_at: dict[str, int] = {}  # up to which event no run of a workload waited for the shelf

    def follow(self, settings: Settings) -> None:
        """The configuration that holds from now on; a child that judges goes on by the old one."""
        self.settings = settings
        self._children.follow(settings)

    @property
    def _models(self) -> Models:
        return self._stands.views.of(Models)

    @property
    def _runs(self) -> Runs:
        return self._stands.views.of(Runs)

    def busy(self, workload: str) -> bool:
        """Whether what a run has left is not decided about yet: the next one begins from whoever is champion then."""
        return self._unshelved(workload) is not None or self._models.standing(workload).undecided is not None

    def _unshelved(self, workload: str) -> Record | None:
        position = self._stands.views.position
        if self._nothing_at.get(workload) == position:
            return None
        shelved = {model.run for model in self._models.standing(workload).models.values()}
        found = newest_finished(self._runs, workload, shelved, self._place.state_dir)
        if found is None:
            self._nothing_at[workload] = position
        return found

    def turn(self, now: int, night: Night | None, asked: Collection[str]) -> Told:
        """What can be done now for each workload."""
        self._let_go_of_children()
        told: list[str] = []
        for workload in self.settings.workloads:
            told += self._turn(workload, Allowed(night, asked), now)
        return told

    def _turn(self, workload: str, allowed: Allowed, now: int) -> Iterator[str]:
        run = self._unshelved(workload)
        if run is not None:
            yield from self._shelve(workload, run, now)
        standing = self._models.standing(workload)
        model = standing.undecided
        again = None if model is None else tried_before(model, standing)
        if model is not None and again is not None:
            yield self._turn_down(workload, model, standing, again, now)
        elif model is not None and _judged_against(model, standing) is not None:
            yield from self._decide(workload, model, standing, now)
        elif model is not None:
            may = allowed.may(workload, self._runs.by_id.get(model.run or ""))
            yield from self._judge(workload, model, standing, now, may=may)

    def _let_go_of_children(self) -> None:
        """One that judges for nobody any more is ended: a person has decided, or the workload is gone."""
        standings = {workload: self._models.standing(workload) for workload in self.settings.workloads}
        undecided = ((name, one.undecided) for name, one in standings.items())
        folders = (judge_folder(self._place.state_dir, name, one.number) for name, one in undecided if one is not None)
        self._children.keep_only({folder.path for folder in folders})

    def stop(self, now: int) -> Told:  # noqa: ARG002 part of the contract
        """Nothing may be done now, or the daemon ends: a judging is begun again later."""
        return self._children.stop()

    # The shelf

    def _shelf(self, workload: str) -> Shelf:
        return Shelf(self._place.state_dir / "models" / workload)

    def _shelve(self, workload: str, run: Record, now: int) -> Iterator[str]:
        base = self.settings.workloads[workload].base_model
        shelf, standing = self._shelf(workload), self._models.standing(workload)
        number = self._models.next_number(workload)
        path = None if base is None else (self._place.beside / base).resolve()
        folder = folder_of(self._place.state_dir, run["run"])
        for kind, body in shelve(shelf, workload, run, folder, number, standing, path):
            self._append(kind, body, now)
            failed = f", and turned down: {body['failed']}" if body.get("failed") else ""
            yield f"{workload}: model {body['model']} is on the shelf{failed}"

    # Judging

    def _judge(self, workload: str, model: Model, standing: Standing, now: int, *, may: bool) -> Iterator[str]:
        folder = judge_folder(self._place.state_dir, workload, model.number)
        try:
            ended = self._children.ended(folder, now, may=may)
            if ended is not None:
                yield self._note(workload, model, standing, ended, now)
            elif may and not self._children.at_work:
                yield from self._begin(workload, model, standing, folder, now)
        except (AdaptdError, BadRunFolder) as error:
            yield self._turn_down(workload, model, standing, str(error), now)

    def _begin(self, workload: str, model: Model, standing: Standing, folder: JudgeFolder, now: int) -> Iterator[str]:
        matter = self._matter(workload, now)
        if not len(matter):
            yield from self._decide(workload, model, standing, now)
            return
        if self._spec_of(folder, standing) is None:
            write(self._place.state_dir, matter, model, standing.champion)
        yield from self._children.begin(folder, folder.judge_spec(), now)

    def _spec_of(self, folder: JudgeFolder, standing: Standing) -> JudgeSpec | None:
        """What a child was to judge, where champion and golden set are still the same."""
        try:
            spec = folder.judge_spec() if folder.is_whole() else None
        except BadRunFolder:
            return None
        if spec is None or spec.champion != standing.champion:
            return None
        golden = self._goldens.of(spec.workload)
        examples = [] if golden is None else list(golden.examples)
        return spec if spec.golden == examples else None

    def _matter(self, workload: str, now: int) -> Matter:
        position = self._stands.views.position
        source = self._stands.source_of(self._stands.views.of(Examples))
        settings = self.settings.workloads[workload]
        golden = self._goldens.of(workload)
        return matter_of(workload, settings, self._place.beside, source, golden, Moment(now, position, 0))

    def _note(self, workload: str, model: Model, standing: Standing, result: JudgeResult, now: int) -> str:
        """What the child has said; of no use is what it said against another champion, or on another golden set."""
        folder = judge_folder(self._place.state_dir, workload, model.number)
        if self._spec_of(folder, standing) is None:
            folder.remove()
            return f"{workload}: model {model.number} is judged again, the champion or the golden set has changed"
        if result.state == "failed" or result.results is None:
            return self._turn_down(workload, model, standing, result.reason or "it was not judged", now)
        spec = folder.judge_spec()
        body = {"workload": workload, "model": model.number, "champion": spec.champion, "run": model.run}
        body |= {"outputs": result.outputs, "golden": spec.golden_version, "results": result.results}
        body |= {"metric": result.metric, "higher_is_better": result.higher_is_better, "success": result.success}
        body |= {"metrics": result.metrics, "latency": result.latency, "latencies": result.latencies}
        body |= {"size": result.size, "seconds": result.seconds}
        self._append(CHALLENGER_JUDGED, body, now)
        return f"{workload}: model {model.number} is judged on {len(result.outputs)} examples"

    # Deciding

    def _decide(self, workload: str, model: Model, standing: Standing, now: int) -> Iterator[str]:
        """A promotion waits for the indexes that go with the model."""
        try:
            kind, body = self._decision(workload, model, standing, now)
        except AdaptdError as error:
            yield self._turn_down(workload, model, standing, str(error), now)
            return
        missing = self._indexes.missing(workload, model.number) if kind is CHALLENGER_PROMOTED else None
        if missing:
            yield self._turn_down(workload, model, standing, missing, now)
        elif missing is None:
            self._append(kind, body, now)
            self._serve(workload, now)
            yield f"{workload}: model {model.number}: {body['decision']['sentence']}"

    def _decision(self, workload: str, model: Model, standing: Standing, now: int) -> tuple[Kind, Body]:
        settings, gate = self.settings.workloads[workload], self.settings.gate
        _, said = described(workload, settings, self._place.beside)
        told = _judged_against(model, standing)
        folder = judge_folder(self._place.state_dir, workload, model.number)
        results = None if told is None else Results.read(folder.results, told["results"], said.metrics[0].name)
        level = level_of(gate, self._models.taken(), workload, len(self.settings.workloads), now)
        case = case_of(said.metrics[0], results, told, settings.ratings, level)
        if results is not None:
            source = self._stands.source_of(self._stands.views.of(Examples))
            case = replace(case, sources=sources_of(source, results.judged.examples))
        decision = decided(case, gate, self._stands.log.salt, workload, model.number)
        return event_of(workload, model, standing, decision, spent(decision, case, gate))

    def _turn_down(self, workload: str, model: Model, standing: Standing, why: str, now: int) -> str:
        kind, body = failed_event(workload, model, standing, why)
        self._append(kind, body, now)
        return f"{workload}: model {model.number} is turned down, undecided by the gate: {why}"

    def _serve(self, workload: str, now: int) -> None:
        """Examples that served their last decision are learnt from, once."""
        served = self._models.served(workload)
        due = np.flatnonzero(served >= self.settings.gate.serves)
        if len(due):
            resolved = self._stands.views.of(Examples).resolved("seq", "side")
            still = due[np.isin(due, resolved["seq"][resolved["side"] == JUDGE])]
            if len(still):
                self._append(EXAMPLES_SERVED, {"workload": workload, "outputs": still.tolist()}, now)

    def _append(self, kind: Kind, body: Mapping[str, Any], now: int) -> None:
        """Folded at once: what comes next goes by it."""
        self._stands.log.append([own_event(kind, dict(body), now, self._chance)])
        self._stands.views.catch_up()


def _judged_against(model: Model, standing: Standing) -> Mapping[str, Any] | None:
    """How it was judged against the champion of now; another one's answers say nothing of that."""
    judged = model.judged
    return judged if judged is not None and judged["champion"] == standing.champion else None


def tried_before(model: Model, standing: Standing) -> str | None:
    """Why it is turned down unlooked at: files that are to the byte those of a model that was rolled back."""
    same = (one for one in standing.models.values() if one.state == "quarantined" and one.hash == model.hash)
    found = None if model.hash is None else next(same, None)
    if found is None:
        return None
    return f"its files are those of model {found.number}, which was rolled back; `adaptd models promote` is for people"
