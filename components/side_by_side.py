"""Work on blocks of rows in as many threads as BLAS has, each with a BLAS of one thread.

numpy and BLAS let other threads run while they count. Where BLAS itself shares one product among threads, all wait for
the last at the end of each, in a loop that does nothing: beside other work on the same cores that took two to three
times the CPU seconds. And what comes between products is shared too.

Without threadpoolctl (scikit-learn brings it), with one thread, or one block, the blocks are simply taken in order.

>>> found = []
>>> side_by_side(found.extend, range(0, 30, 10))
>>> sorted(found)
[0, 10, 20]
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any


def side_by_side(work: Callable[[Sequence[int]], None], starts: Sequence[int]) -> None:
    """Call `work` with shares of the starts, all at once; what it raises is raised here."""
    blas = _blas() if len(starts) > 1 else None
    threads = min(len(starts), _threads(blas))
    if blas is None or threads < 2:
        work(starts)
        return
    with blas.limit(limits=1), ThreadPoolExecutor(threads) as pool:
        # each share in a copy of this thread's context, where numpy keeps what its errstate says
        runs = [pool.submit(contextvars.copy_context().run, work, starts[place::threads]) for place in range(threads)]
        for one in runs:
            one.result()


def in_one_thread() -> AbstractContextManager[Any]:
    """A BLAS of one thread, for many products each of which is too small to be worth sharing."""
    blas = _blas()
    return nullcontext() if blas is None else blas.limit(limits=1)


def _blas() -> Any:
    """The BLAS libraries of this process; None where nothing can be asked of them."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    return ThreadpoolController().select(user_api="blas")


def _threads(blas: Any) -> int:
    return 1 if blas is None else max((library.num_threads for library in blas.lib_controllers), default=1)
