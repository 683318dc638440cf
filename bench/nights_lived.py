"""One life of a daemon on simulated days and nights: a host that answers, people who rate, and the nights in between.

Log, batches, training, judging, gate and shelf are the real ones; the days are told by a stopped clock. The host asks
`adaptd.model_path` for the model that is in use and answers with it; where there is none yet, by chance. A life that
was interrupted goes on at the day or night that it had reached: its folder and what is told of it are kept.
"""

from __future__ import annotations

import json
import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import adaptd
from bench.labelled_texts import LabelledTexts, Rows

DAY, FIRST_MIDNIGHT = 86_400, 1_794_787_200  # 2026-11-16T00:00:00Z, a Monday
WORKLOAD, SO_FAR = "sorter", "so_far.json"
CONFIG = """[adaptd]

[night]
window = "01:00-06:00"

[device]
use = "cpu"

[embeddings]
model = "{embeddings}"

[runs]
attempts = 1
keep_folders = 1

[models]
keep = 0

[gate]
judge_wanted = {judge_wanted}
most_latency = 10.0           # the machine is shared: its noise is not to turn models down

[workloads.{workload}]
plugin = "sbert"
preset = "{preset}"
{base_model}trigger = {{ new_examples = {trigger} }}

[workloads.{workload}.settings]
max_steps = {steps}
evaluation_steps = 100000     # no look in between: few validation examples would only choose by chance
max_tokens = 64
precision = "auto"
{settings}
"""


@dataclass(frozen=True)
class Sizes:
    """How large a day is, and a night. Everything that a result hangs on; it is told beside it."""

    outputs: int = 300  # answers of the host in a day
    before: int = 600  # answers before the first day, which nobody rates
    asked: int = 60  # of the learn side, rated because the arm chose them
    told: int = 20  # of the day's answers, rated because somebody felt like it; drawn at random
    judged: int = 200  # of the judge side on the first day, drawn at random by `adaptd ask --random`
    steps: int = 24  # of a night's training
    batch_size: int = 32
    judge_wanted: int = 200  # as when nothing is said
    trigger: int = 40
    tested: int = 1000  # texts of the test split that each morning's model is asked
    new_from_day: int = 8  # from then on classes come that were not there before
    new_classes: float = 0.1  # the share of the classes that come late, where there are ten at least
    base_model: str = ""
    embeddings: str = "all-MiniLM-L6-v2"
    settings: str = ""

    def key(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Arm:
    """A way of going on: the preset, and who chooses what is rated."""

    name: str
    preset: str
    asks: str  # "worth" as `adaptd ask` does, "v2_mix" as the V2 document, or "random"


ARMS = {
    "shipped": Arm("shipped", "shipped", "worth"),
    "random": Arm("random", "shipped", "random"),
    "v1": Arm("v1", "v1", "random"),
    "v2": Arm("v2", "v2", "v2_mix"),
}


class Life:
    """The place of one arm on one data set, and how far it has come."""

    def __init__(self, place: Path, data: LabelledTexts, arm: Arm, seed: int, sizes: Sizes) -> None:
        self.place, self.data, self.arm, self.seed, self.sizes = place, data, arm, seed, sizes
        self.test = rows_of_test(data, seed, sizes)
        self.days = days_of(data, seed, sizes)
        self.notes: dict[str, Any] = {"recorded": -1, "nights": []}
        place.mkdir(parents=True, exist_ok=True)
        if self._kept.is_file():
            self.notes = json.loads(self._kept.read_text())
        os.environ["ADAPTD_LEASES"] = str(place / "leases")
        (place / "config.toml").write_text(self._config())
        adaptd.configure(config=place / "config.toml", strict=True)

    @property
    def _kept(self) -> Path:
        return self.place / SO_FAR

    def _keep(self) -> None:
        written = self._kept.with_suffix(".new")
        written.write_text(json.dumps(self.notes))
        written.replace(self._kept)

    def _config(self) -> str:
        sizes = self.sizes
        return CONFIG.format(
            workload=WORKLOAD,
            preset=self.arm.preset,
            embeddings=sizes.embeddings,
            judge_wanted=sizes.judge_wanted,
            trigger=sizes.trigger,
            steps=sizes.steps,
            settings=f"batch_size = {sizes.batch_size}\n{sizes.settings}",
            base_model=f'base_model = "{sizes.base_model}"\n' if sizes.base_model else "",
        )

    def go_on(self, nights: int, tell: Callable[[str], None]) -> list[dict[str, Any]]:
        """What each night left, up to so many nights."""
        if self.notes["recorded"] < 0:
            self._record(0, self.days[0], by_model=False)
            self._done(0)
            with self._opened(1, 1.5) as world:  # nobody has rated anything: embeddings alone are prepared
                world.until(world.is_prepared)
        for day in range(len(self.notes["nights"]) + 1, nights + 1):
            if self.notes["recorded"] < day:
                self.notes["from"] = self._live_a_day(day)
                self._done(day)
            self.notes["nights"].append(self._live_a_night(day))
            self._keep()
            tell(in_words(self.data.name, self.arm.name, self.seed, self.notes["nights"][-1]))
        return list(self.notes["nights"])

    def _done(self, day: int) -> None:
        self.notes["recorded"] = day
        self._keep()

    # A day

    def _live_a_day(self, day: int) -> int:
        """The host answers, then people rate: some of today's answers, what was chosen, and at first a fair draw.

        Returns the newest event: what follows it is of the night, also where a night was interrupted.
        """
        rng = np.random.default_rng([self.seed, day, 2])
        answered = self._record(day, self.days[day], by_model=True)
        volunteers = rng.permutation(len(answered))[: self.sizes.told]
        for place in volunteers.tolist():
            self._rate(answered[place], bare=rng.random() < 0.5)
        with self._opened(day, 18.0) as world:
            world.take_in()
            chosen = world.chosen(self.arm.asks, self.sizes.asked, self.seed * 1000 + day)
            fair = world.asked(self.sizes.judged, random=True) if day == 1 else []
        for output in (*chosen, *fair):
            self._rate(output, bare=False)
        adaptd.flush()
        with self._opened(day, 20.0) as world:
            world.take_in()
            return int(world.state.log.head().seq)

    def _record(self, day: int, rows: Rows, *, by_model: bool) -> list[str]:
        """Ids of the day's outputs; each says its row and what was answered."""
        classes, rng = self.data.classes, np.random.default_rng([self.seed, day, 1])
        guessed = rng.integers(0, len(classes), len(rows))
        path = in_use() if by_model else None
        told = [classes[place] for place in guessed] if path is None else answers(path, self._texts(rows))
        ids = [f"{day}-{row}-{classes.index(answer)}" for row, answer in zip(rows.tolist(), told, strict=True)]
        for one, row, answer in zip(ids, rows.tolist(), told, strict=True):
            adaptd.record_output(self.data.texts[row], answer, artifact_type="text", id=one)
        adaptd.flush()
        return ids

    def _rate(self, output: str, *, bare: bool) -> None:
        """Honestly: a thumb where the answer is right, else the right label, or but a thumb where somebody is lazy."""
        _, row, answered = (int(word) for word in output.split("-"))
        right = int(self.data.labels[row])
        said: dict[str, Any] = {"correction": self.data.classes[right]}
        if right == answered:
            said = {"thumb": "up"}
        elif bare:
            said = {"thumb": "down"}
        adaptd.record_feedback(output_id=output, id=f"f-{output}", rater="somebody", **said)

    def _texts(self, rows: Rows) -> list[str]:
        return [self.data.texts[row] for row in rows.tolist()]

    # A night, and the morning after

    def _live_a_night(self, day: int) -> dict[str, Any]:
        again, busy = self.notes.get("living") == day, _children_seconds()
        self.notes["living"] = day
        self._keep()
        with self._opened(day + 1, 1.5) as world:
            world.begun = self.notes.get("from", world.begun)
            world.until(world.is_over)
            world.turn()
            told = world.told_of_night(day)
        found = self._morning(told["champion"])
        labels = day * (self.sizes.asked + self.sizes.told)
        seconds = None if again else round(_children_seconds() - busy, 1)  # of an interrupted night, only its rest
        return {"night": day, "labels": labels, "cpu_seconds": seconds, **told, **found}

    def _morning(self, champion: int | None) -> dict[str, Any]:
        """What the model in use says of texts that are in no log; that of yesterday has said it already."""
        last = self.notes["nights"][-1] if self.notes["nights"] else None
        if last is not None and last["champion"] == champion:
            return {"answers": last["answers"]}
        path = in_use()
        if path is None:
            return {"answers": None}
        places = {name: place for place, name in enumerate(self.data.classes)}
        return {"answers": [places.get(one, -1) for one in answers(path, self._texts(self.test))]}

    @contextmanager
    def _opened(self, day: int, hour: float) -> Iterator[World]:
        from daemon.clock_and_chance import SeededChance, StoppedClock
        from daemon.opening import open_state
        from daemon.settings import read_settings

        settings = read_settings(self.place / "config.toml", {})
        at = round((FIRST_MIDNIGHT + day * DAY + hour * 3600) * 1e6)
        clock, chance = StoppedClock(at), SeededChance(self.seed * 10_000 + day * 100 + round(hour))
        with open_state(self.place / "state", settings, clock, chance, beside=self.place) as state:
            world = World(self.place, state, settings, clock, chance)
            yield world
            world.shift.stop(clock.now())


class World:
    """An opened state folder with its main loop, stepped by hand."""

    PATIENCE_SECONDS = 1800
    ENDS = ("challenger_promoted", "challenger_turned_down", "batch_not_formed", "stage_failed", "run_failed")

    def __init__(self, place: Path, state: Any, settings: Any, clock: Any, chance: Any) -> None:
        from daemon.main_loop import MainLoop
        from daemon.night_building import parts_of, shift_of

        self.state, self.settings, self.clock, self.chance = state, settings, clock, chance
        parts = parts_of(state, settings, place / "config.toml", clock, chance)
        self.shift = shift_of(state, settings, parts, clock, chance)
        self.loop = MainLoop(state.intake, state.views, shift=self.shift)
        self.begun = state.log.head().seq

    def turn(self) -> Any:
        report = self.loop.turn(self.clock.advance(seconds=0.05))
        if report.failure is not None:
            raise SystemExit(f"the daemon failed: {report.failure}")
        return report

    def take_in(self) -> None:
        while self.turn().events:
            pass

    def until(self, happened: Callable[[], bool]) -> None:
        """Turns until it has; children need real time, which does not move the clock."""
        end = time.monotonic() + self.PATIENCE_SECONDS
        while not happened():
            report = self.turn()
            if time.monotonic() > end:
                raise SystemExit(f"waited in vain for the night's end; the last that was told: {report.told}")
            time.sleep(0.1)

    def is_prepared(self) -> bool:
        from daemon.derived import open_derived
        from daemon.views.examples import Examples

        derived = open_derived(self.state.state_dir)
        newest = int(self.state.views.of(Examples).resolved("seq")["seq"].max(initial=0))
        return derived is not None and derived.position >= newest

    def asked(self, limit: int, *, random: bool) -> list[str]:
        """Ids, as `adaptd ask` names them."""
        from daemon import asking

        request = asking.Request(limit, WORKLOAD, None, random)
        told = asking.ask(self.state, self.settings, request, self.clock.now(), self.chance)
        return [one["id"] for one in told["outputs"]]

    def chosen(self, how: str, limit: int, seed: int) -> list[str]:
        """As many outputs of the learn side that nobody has rated, whoever chooses them."""
        if how == "worth":
            return self.asked(limit, random=False)
        from adaptd.plugin.moment import Moment
        from daemon.asking import source_of
        from daemon.pooling import Wanted, unrated_of

        source, moment = source_of(self.state), Moment(self.clock.now(), self.state.log.head().seq, seed)
        pool, rng = unrated_of(source, Wanted(), moment), np.random.default_rng(seed)
        rows = rng.permutation(len(pool))[:limit]
        if how == "v2_mix":
            rows = self._by_mix(source, moment, pool, limit, rng)
        seqs = pool["example"][rows].tolist()
        return [next(iter(self.state.log.read_after(seq - 1, 1, ("id",))))[0] for seq in seqs]

    def _by_mix(self, source: Any, moment: Any, pool: Any, limit: int, rng: Any) -> Rows:
        """The V2 document's mix of uncertainty, diversity and quality, over the embeddings that are there."""
        from components.asking import choose_to_ask
        from daemon.pooling import Wanted, rated_of

        rated = rated_of(source, Wanted(), moment)
        known, open_rows = (np.flatnonzero(one["embedding_row"] >= 0) for one in (rated, pool))
        scores = 50 * (1 + np.nan_to_num(rated["worth"][known]))
        points = np.concatenate([rated.embeddings(known), pool.embeddings(open_rows)])
        labelled = np.arange(len(known))
        choice = choose_to_ask(points, limit, strategy="v2_mix", labelled=labelled, scores=scores, rng=rng)
        return np.asarray(open_rows[choice.rows - len(known)])

    # What the log says

    def _events(self, kinds: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
        rows = self.state.log.read_after(self.begun, 1_000_000, ("seq", "kind", "body"))
        found = ((kind.partition("/")[0], body) for _, kind, body in rows if kind.startswith(tuple(kinds)))
        return [(kind, json.loads(body)) for kind, body in found]

    def is_over(self) -> bool:
        """Whether the night's one batch has been decided about, or there was none."""
        return bool(self._events(self.ENDS))

    def told_of_night(self, day: int) -> dict[str, Any]:  # noqa: ARG002 for the caller's symmetry
        """The batch, the run, and what became of its model."""
        from daemon.views.models import Models

        told: dict[str, Any] = {"end": None, "promoted": None, "why": None}
        for kind, body in self._events((*self.ENDS, "batch_formed", "run_finished", "challenger_judged")):
            told |= _of_event(kind, body)
        told["champion"] = self.state.views.of(Models).standing(WORKLOAD).champion
        return told


def _of_event(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    """What is kept of an event of the night."""
    if kind == "batch_formed":
        again = sum(map(bool, body["rows"]["times_learnt"]))
        left = [{"stage": one["name"], "left_out": one["left_out"]} for one in body["stages"] if one["left_out"]]
        made = sum(number < 0 for number in body["rows"]["example"])
        rows = len(body["rows"]["example"])
        return {"batch": {"rows": rows, "again": again, "made": made, "left_out": left, "held": body["held_apart"]}}
    if kind == "run_finished":
        return {"run": {"seconds": body["seconds"], "metrics": body["metrics"], "flags": body["flags"]}}
    if kind == "challenger_judged":
        return {"judging_seconds": body["seconds"]}
    if kind in ("challenger_promoted", "challenger_turned_down"):
        decision = body.get("decision") or {}
        clauses = decision.get("clauses", ())
        told = [one["name"] for one in clauses if not one["holds"]]
        figures = next((one["figures"] for one in clauses if one["name"] == "better"), None)
        why = decision.get("sentence") or body.get("failed")
        promoted = kind == "challenger_promoted"
        return {"end": kind, "promoted": promoted, "why": why, "failed_clauses": told, "gain": figures}
    return {"end": kind, "promoted": False, "why": str(body.get("reason"))}


# What is the same for all


def so_far(place: Path) -> list[dict[str, Any]]:
    """The nights that a life in that folder has told."""
    kept = place / SO_FAR
    return json.loads(kept.read_text())["nights"] if kept.is_file() else []


def days_of(data: LabelledTexts, seed: int, sizes: Sizes, days: int = 14) -> list[Rows]:
    """The rows of each day, the first of which is the time before; some classes come in the second week alone."""
    pool = np.random.default_rng([seed, 5]).permutation(data.split(0)[0])
    late = np.isin(data.labels[pool], late_classes(data, seed, sizes))
    early, new = pool[~late].tolist(), pool[late].tolist()
    found = [np.array(early[: sizes.before], np.int64)]
    del early[: sizes.before]
    for day in range(1, days + 1):
        if day == sizes.new_from_day:
            early = np.random.default_rng([seed, 6]).permutation([*early, *new]).tolist()
        found.append(np.array(early[: sizes.outputs], np.int64))
        del early[: sizes.outputs]
    return found


def late_classes(data: LabelledTexts, seed: int, sizes: Sizes) -> Rows:
    count = round(sizes.new_classes * len(data.classes)) if len(data.classes) >= 10 else 0
    return np.sort(np.random.default_rng([seed, 4]).permutation(len(data.classes))[:count])


def rows_of_test(data: LabelledTexts, seed: int, sizes: Sizes) -> Rows:
    return np.sort(np.random.default_rng([seed, 3]).permutation(data.split(0)[1])[: sizes.tested])


def in_use() -> str | None:
    """The folder of the model that answers, once it knows any class."""
    from plugins.workloads.sbert.model_folder import has_head

    path = adaptd.model_path(WORKLOAD, strict=False)
    return path if path is not None and has_head(Path(path)) else None


def answers(path: str, texts: Sequence[str]) -> list[str]:
    """What the model in that folder says, asked as a host would."""
    from plugins.workloads.sbert.model_folder import Model

    model = Model.load(Path(path))
    chances = model.chances(texts, "auto")
    return [model.head.classes[place] for place in chances.argmax(1).tolist()]


def in_words(name: str, arm: str, seed: int, night: dict[str, Any]) -> str:
    batch = night.get("batch", {"rows": 0, "again": 0})
    told = f"{name} {arm} {seed}, night {night['night']}: {batch['rows']} examples, {batch['again']} again"
    return f"{told}; {night['cpu_seconds']} CPU s; {night['why']}"


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
