"""Who chooses what to ask about next: our strategies, behind one call that peers share (bench/asking_peers.py).

A chooser gets the situation and gives row numbers. It never sees a label that was not paid for.
"""

from __future__ import annotations

import ast
import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.probe import Probe

ROOT = Path(__file__).resolve().parents[1]
Rows = NDArray[np.int64]
NEED_LABELS_FIRST = ("margin", "entropy", "badge", "cluster_margin", "v2_mix")  # these begin with a random share


@dataclass(frozen=True, slots=True, eq=False)
class Situation:
    """All that a chooser may know."""

    vectors: NDArray[np.float32]  # of the whole pool
    labelled: Rows  # rows with labels, in the order in which they were asked about
    labels: Rows  # theirs
    classes: int
    probe: Probe | None  # fitted on them; None before the first
    probabilities: NDArray[np.float32] | None  # the probe's, for the whole pool
    seed: int

    @property
    def unlabelled(self) -> Rows:
        free = np.ones(len(self.vectors), dtype=np.bool_)
        free[self.labelled] = False
        return np.flatnonzero(free)

    def rng(self, *about: str) -> np.random.Generator:
        """A generator of this seed, this number of labels and this purpose."""
        return np.random.default_rng([self.seed, len(self.labelled), zlib.crc32(" ".join(about).encode())])


Chooser = Callable[[Situation, int], Rows]


@dataclass(frozen=True, slots=True)
class Strategy:
    """A way of choosing, whose it is, and what its results depend on."""

    name: str
    origin: str  # adaptd, or the peer and its version
    choose: Chooser
    starts_itself: bool  # chooses its own first labels
    fingerprint: str

    @property
    def is_peer(self) -> bool:
        return self.origin != "adaptd"


def random_rows(situation: Situation, count: int) -> Rows:
    """The share that every strategy which needs labels first begins with: the same for all of them."""
    return situation.rng("random").permutation(situation.unlabelled)[:count]


def ours() -> list[Strategy]:
    """Every strategy of components/active_learner.py."""
    from components.active_learner import STRATEGIES

    code = code_fingerprint("components.active_learner")
    known = {"random": "1"}  # needs nothing of the component
    return [
        Strategy(name, "adaptd", _ours(name), name not in NEED_LABELS_FIRST, known.get(name, code))
        for name in STRATEGIES
    ]


def _ours(name: str) -> Chooser:
    if name == "random":
        return random_rows

    def choose(situation: Situation, count: int) -> Rows:
        from components.active_learner import choose_to_ask

        chosen = choose_to_ask(
            situation.vectors,
            count,
            strategy=name,
            labelled=situation.labelled,
            labels=situation.labels,
            probabilities=situation.probabilities,
            rng=situation.rng(name),
        )
        return chosen.rows

    return choose


def code_fingerprint(module: str) -> str:
    """A hash of the module's code and of what it imports of ours; comments, docstrings and layout do not count."""
    trees: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = ROOT / f"{name.replace('.', '/')}.py"
        if name in trees or not path.exists():
            continue
        tree = _without_docstrings(ast.parse(path.read_text()))
        trees[name] = ast.dump(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                waiting += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                waiting += [alias.name for alias in node.names]
    return hashlib.blake2b(repr(sorted(trees.items())).encode(), digest_size=8).hexdigest()


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:] or [ast.Pass()]
    return tree
