"""This file knows which model is meant by `3` or `support/3`: numbers are a workload's own."""

from __future__ import annotations

from collections.abc import Mapping

from adaptd.errors import AdaptdError
from daemon.config_faults import nearest
from daemon.views.models import Standing

Standings = Mapping[str, Standing]


class NotNamed(AdaptdError):
    """No model of that name, or no workload."""

    exit_code = 4


class NotClear(AdaptdError):
    """More than one is meant."""

    exit_code = 2


def named(standings: Standings, text: str) -> tuple[str, int]:
    """Workload and number. NotNamed, or NotClear where several workloads have a model of that number."""
    workload, _, number = text.rpartition("/")
    if not (number.isascii() and number.isdigit()):
        raise NotNamed(f"{text!r} names no model, expected its number, as in 3 or support/3. `adaptd models list`")
    having = [name for name in _wanted(standings, workload) if int(number) in standings[name].models]
    if not having:
        of = f" of {workload}" if workload else ""
        raise NotNamed(f"no model {int(number)}{of}. `adaptd models list` shows which there are.")
    if len(having) > 1:
        raise NotClear(f"model {number} is of {' and '.join(having)}: say which, as in {having[0]}/{int(number)}")
    return having[0], int(number)


def workload_named(standings: Standings, text: str | None) -> str:
    """The workload of that name, or the only one that has models."""
    found = list(_wanted(standings, text or ""))
    if not found:
        raise NotNamed("no model yet. A run's model is put on the shelf when it has finished: `adaptd runs list`")
    if len(found) > 1:
        raise NotClear(f"{' and '.join(found)} have models: say which")
    return found[0]


def _wanted(standings: Standings, workload: str) -> list[str]:
    if workload and workload not in standings:
        near = nearest(workload, list(standings))
        guess = f", did you mean {near!r}?" if near else "."
        raise NotNamed(f"no workload {workload!r} with models, expected {' or '.join(standings) or 'none yet'}{guess}")
    return [workload] if workload else list(standings)
