"""The process of one trial of a search: `python -P -m daemon.tune_child TRIAL_FOLDER`, started by daemon.tuning.

It trains with the settings that are tried, judges the model on what training validates on, and leaves the score. It
reads the log and writes in its folder alone, which goes when the trial is over. It ends with whoever started it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from msgspec import Struct

from adaptd.plugin.pool import Pool, Rows, Text
from adaptd.plugin.workload import Job, Judged, Trained
from components.bad_input import BadInput
from daemon import plugin_loading
from daemon.clock_and_chance import seeded_rng
from daemon.run_folder import put_whole
from daemon.texts import SEQS, TextSource

NICENESS = 10
LEARN, VALIDATE = "learn", "validate"
TEXT_COLUMNS = ("example", "ups", "downs", *SEQS)


class Trial(Struct, frozen=True):
    """What is tried, on what, and for how long at most."""

    state_dir: str
    beside: str
    workload: str
    plugin: str
    code: str
    mode: Literal["full", "lora"]
    settings: dict[str, Any]
    base_model: str | None
    device: str
    seed: int
    metric: str
    seconds: float | None = None


class Score(Struct, frozen=True):
    """What came of it: the metric as the workload gives it, or why there is none."""

    value: float | None = None
    reason: str | None = None
    late: bool = False


def main(arguments: Sequence[str] | None = None) -> int:
    """Leaves score.json, whatever happens; exit code 0 with a score."""
    (name,) = arguments if arguments is not None else sys.argv[1:]
    folder = Path(name).resolve()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C at the terminal is for whoever started us
    with suppress(OSError):
        os.nice(NICENESS)
    trial = msgspec.json.decode((folder / "trial.json").read_bytes(), type=Trial)
    try:
        score = _tried(folder, trial)
    except Exception as error:  # noqa: BLE001 somebody else's code is run here, and its end has to be told
        traceback.print_exc()
        score = Score(reason=_words_of(error))
    put_whole(folder / "score.json", msgspec.json.encode(score))
    return 0 if score.value is not None else 1


def _words_of(error: Exception) -> str:
    """Of errors that are not ours the kind alone, since their words may quote a text."""
    ours = isinstance(error, BadInput | plugin_loading.PluginRejected | plugin_loading.BadSettings)
    return str(error) if ours else f"{type(error).__name__}; the trial's out.log has the rest"


def _tried(folder: Path, trial: Trial) -> Score:
    plugin = plugin_loading.load("workload", trial.plugin, Path(trial.beside))
    if plugin.code_hash != trial.code:
        return Score(reason=f"the code of {trial.plugin} was changed during the search")
    workload = plugin.make(trial.settings, f"workloads.{trial.workload}.settings")
    with TextSource.open(Path(trial.state_dir)) as source:
        learnt, validated = (workload.examples(read_pool(folder.parent / name, source)) for name in (LEARN, VALIDATE))
    stopped = _Clock(trial.seconds)
    trained = workload.train(_job(folder, trial, workload.settings, learnt, validated, stopped))
    if not isinstance(trained, Trained) or trained.state == "unhealthy":
        return Score(
            reason=trained.problem or "it was unhealthy" if isinstance(trained, Trained) else "no Trained came"
        )
    if trained.state == "paused":
        return Score(reason="the time for the search was over", late=True)
    judged: Judged = workload.judge(folder / "out", validated, trial.device)
    value = judged.overall.get(trial.metric)
    return Score(value=float(value)) if value is not None else Score(reason=f"judge gave no {trial.metric!r}")


def _job(folder: Path, trial: Trial, settings: Any, learnt: Any, validated: Any, stopped: _Clock) -> Job:
    (folder / "out").mkdir()
    (folder / "checkpoints").mkdir()
    return Job(
        dataset=learnt,
        validation=validated,
        base_model=None if trial.base_model is None else Path(trial.base_model),
        out=folder / "out",
        checkpoints=folder / "checkpoints",
        settings=settings,
        mode=trial.mode,
        device=trial.device,
        rng=seeded_rng(trial.seed),
        log=lambda _figures: None,
        should_stop=stopped.is_over,
    )


class _Clock:
    """Whether the time is over, or whoever started us is gone."""

    def __init__(self, seconds: float | None) -> None:
        self._until = None if seconds is None else time.monotonic() + seconds
        self._parent = os.getppid()

    def is_over(self) -> bool:
        return os.getppid() != self._parent or (self._until is not None and time.monotonic() >= self._until)


# The pools, as numbers: texts stay in the log


def write_pool(path: Path, pool: Pool) -> None:
    """The columns; what they say is fetched by whoever reads them."""
    path.mkdir(mode=0o700, exist_ok=True)
    np.savez(path / "columns.npz", **pool.columns)  # type: ignore[arg-type]
    (path / "names.json").write_bytes(msgspec.json.encode({name: list(names) for name, names in pool.names.items()}))


def read_pool(path: Path, source: TextSource) -> Pool:
    with np.load(path / "columns.npz", allow_pickle=False) as stored:
        columns = {name: stored[name] for name in stored.files}
    names = msgspec.json.decode((path / "names.json").read_bytes(), type=dict[str, list[str | None]])
    order = np.argsort(columns["example"], kind="stable")

    def fetch_texts(examples: Rows) -> Sequence[Text]:
        places = order[np.searchsorted(columns["example"][order], examples)]
        return source.texts({name: columns[name][places] for name in TEXT_COLUMNS})

    return Pool.of(columns, names=names, fetch_texts=fetch_texts)


if __name__ == "__main__":
    sys.exit(main())
