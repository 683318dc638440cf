"""The views as the daemon keeps them: folded up to the log's head, saved with their position, rebuilt beside.

A view whose version changed is folded from the first event under a new generation, while the old one stays readable in
the file; it takes the old one's place when it has caught up. One read of a page serves all views at its position.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from adaptd.errors import AdaptdError
from daemon.event_kinds import current as in_newest_shape
from daemon.event_log import Asked, EventLog, Head, Row
from daemon.telling import Tell, silent
from daemon.views.batches import Batches
from daemon.views.chosen import Chosen
from daemon.views.examples import Examples
from daemon.views.folding import Fold
from daemon.views.golden import Golden
from daemon.views.history import History
from daemon.views.kinds import Kinds
from daemon.views.models import Models
from daemon.views.nights import NightBook
from daemon.views.page import SELDOM, SOME_SELDOM, Ints, Mask, Page, Vocabulary
from daemon.views.quarantine import Quarantine
from daemon.views.resting import Resting
from daemon.views.runs import Runs
from daemon.views.saving import Chunk, SavedView, ViewsFile, ViewsUnreadable
from daemon.views.spools import Spools

Maker = Callable[[], Fold]
AView = TypeVar("AView")
ALL_VIEWS: tuple[Maker, ...] = (
    Examples,
    Kinds,
    Quarantine,
    Spools,
    Batches,
    NightBook,
    Runs,
    Chosen,
    Models,
    Golden,
    History,
)
READ_EVENTS = 500
PAGE_EVENTS = 16_000
COMMIT_EVENTS = 64_000  # some 5 MB: the WAL stays below 20 MB
BODIES_AT_ONCE = 500


class LogRewound(AdaptdError):
    """The log is not the one, or ends before the place, that the views were folded from."""

    def __init__(self, path: Path | str, view: SavedView, found: Head | None, head: Head) -> None:
        there = f"that event has hash {found.chain.hex()[:16]}…" if found else f"the log ends at event {head.seq}"
        super().__init__(
            f"{path}: view {view.name!r} is folded up to event {view.position} with hash {view.chain.hex()[:16]}…, but "
            f"{there}. Events were cut off, or it is another log. Restore the log that has this event; or, if this log "
            "is to be believed, move views.db away and run `adaptd replay`."
        )
        self.position = view.position
        self.head = head


class _Kept(NamedTuple):
    """A view in memory, its state in the file, and which rows lie in which chunk there."""

    fold: Fold
    saved: SavedView
    position: int
    chunks: dict[str, list[Chunk]]


class CurrentExamples:
    """The examples as of the last `catch_up`; stays the same object when the views are loaded again."""

    def __init__(self, views: Views) -> None:
        self._views = views

    def _examples(self) -> Examples:
        found = self._views.loaded_examples
        return self._views.of(Examples) if found is None else found

    def find(self, keys: Ints) -> Ints:
        return self._examples().find(keys)

    def subject_of(self, rows: NDArray[Any]) -> Ints:
        return self._examples().subject_of(rows)

    def has_output(self, rows: NDArray[Any]) -> Mask:
        return self._examples().has_output(rows)

    def side_of_bucket(self, bucket: int) -> int:
        return self._examples().side_of_bucket(bucket)

    def key_at(self, seq: int) -> int | None:
        return self._examples().key_at(seq)

    def waiting_for(self, event_ids: Iterable[str]) -> dict[str, list[int]]:
        return self._examples().waiting_for(event_ids)

    def rated_judge_examples(self) -> int:
        return self._examples().rated_judge_examples()

    def resolved(self, *only: str) -> dict[str, NDArray[Any]]:
        return self._examples().resolved(*only)

    def settle(self, most: int | None = None) -> int:
        return self._examples().settle(most)

    def outputs_under(self, pseudonyms: Ints) -> Ints:
        return self._examples().outputs_under(pseudonyms)

    def seqs_under(self, pseudonyms: Ints) -> Ints:
        return self._examples().seqs_under(pseudonyms)

    def newest_said(self, rows: Ints, bits: int) -> Ints:
        return self._examples().newest_said(rows, bits)

    def listed(self, column: str) -> list[str | None]:
        """The names by number of artifact_type; None for not given and for beyond the cap."""
        return self._examples().names[column].listed()


class Views:
    """All views of one log. One writer; whoever else reads the file sees whole states only."""

    def __init__(
        self,
        path: Path | str,
        log: EventLog,
        *,
        makers: Sequence[Maker] = ALL_VIEWS,
        page_events: int = PAGE_EVENTS,
        commit_events: int = COMMIT_EVENTS,
        resting: Resting | None = None,
    ) -> None:
        self._path = path
        self._log = log
        self._makers = makers
        self._page_events = page_events
        self._commit_events = commit_events
        self.examples = CurrentExamples(self)
        self._resting = resting or Resting(Path(path).parent)
        self._file = ViewsFile(path)
        try:
            self._load()
        except BaseException:
            self._file.close()
            raise

    @classmethod
    def open(cls, path: Path | str, log: EventLog, **options: Any) -> Self:
        """The views of `log` in the file at `path`, made where there is none. ViewsUnreadable if it is damaged."""
        return cls(path, log, **options)

    def _load(self) -> None:
        saved = self._file.views()
        self.kept = [self._load_view(make(), saved) for make in self._makers]
        # At hand, since intake asks for each event.
        self.loaded_examples = next((kept.fold for kept in self.kept if isinstance(kept.fold, Examples)), None)
        self._unsaved = 0
        self._half_folded = False
        self._vocabulary = Vocabulary()
        self._throw_away()

    def _load_view(self, fold: Fold, saved: Sequence[SavedView]) -> _Kept:
        mine = [view for view in saved if view.name == fold.name]
        matching = [view for view in mine if view.version == fold.version]
        view = matching[-1] if matching else self._file.add(fold.name, fold.version, current=not mine)
        load = self._file.load_rows
        try:
            chunks = {part: load(view.generation, part, table) for part, table in fold.tables.items()}
            fold.restore(self._file.cells(view.generation))
        except ValueError as error:
            raise ViewsUnreadable(self._path, error) from error
        return _Kept(fold, view, view.position, chunks)

    def of(self, kind: type[AView]) -> AView:
        """The view of this class, as of the last `catch_up`; another object after a failure, so ask again."""
        return next(kept.fold for kept in self.kept if isinstance(kept.fold, kind))

    @property
    def position(self) -> int:
        """The newest event that all views have."""
        return min(kept.position for kept in self.kept)

    def digests(self) -> dict[str, str]:
        """A hash of each view's state; equal for equal logs, however they were folded."""
        return {kept.fold.name: kept.fold.digest() for kept in self.kept}

    def catch_up(self, max_events: int | None = None) -> int:
        """Folds what is new, and saves it; returns how many events were folded. LogRewound when the log lost events.

        After a failure the next call takes up the last saved state again.
        """
        if self._half_folded:
            self._load()
        self._refuse_rewound_log()
        self._half_folded = True
        folded = self._fold_pages(max_events)
        self._save()
        self._half_folded = False
        self._swap()
        return folded

    def _refuse_rewound_log(self) -> None:
        head = self._log.head()
        for saved in {kept.saved.position: kept.saved for kept in self.kept if kept.saved.position}.values():
            found = head if saved.position == head.seq else _event_at(self._log, saved.position)
            if found is None or found.chain != saved.chain:
                raise LogRewound(self._path, saved, found, head)

    def _fold_pages(self, max_events: int | None) -> int:
        folded = 0
        while max_events is None or folded < max_events:
            limit = self._page_events if max_events is None else min(self._page_events, max_events - folded)
            count = self._fold_page(limit)
            if not count:
                break
            folded += count
            self._unsaved += count
            if self._unsaved >= self._commit_events:
                self._save()
        return folded

    def _fold_page(self, limit: int) -> int:
        """One page for the views that are furthest behind; it ends where others stand already."""
        position = self.position
        room = [kept.position - position for kept in self.kept if kept.position > position]
        behind = [kept.fold for kept in self.kept if kept.position == position]
        newest, count = fold_next(self._log, behind, position, min([limit, *room]), self._vocabulary)
        self.kept = [kept._replace(position=newest) if kept.position == position else kept for kept in self.kept]
        return count

    def _save(self) -> None:
        """One transaction: what the views know, and how far they are."""
        heads = {position: _event_at(self._log, position) for position in {kept.position for kept in self.kept}}
        moved = [kept.position != kept.saved.position for kept in self.kept]
        if not any(moved):
            return
        with self._file.transaction():
            self.kept = [self._save_view(kept, heads[kept.position]) if kept.position else kept for kept in self.kept]
        self._unsaved = 0

    def _save_view(self, kept: _Kept, head: Head | None) -> _Kept:
        if kept.position == kept.saved.position or head is None:
            return kept
        generation = kept.saved.generation
        for part, table in kept.fold.tables.items():
            self._file.save_rows(generation, part, table, kept.chunks[part])
        self._file.save_cells(generation, kept.fold.take_cells())
        self._file.move(generation, head.seq, head.chain)
        return kept._replace(saved=kept.saved._replace(position=head.seq, chain=head.chain))

    def _swap(self) -> None:
        """Views that have caught up take the place of their older versions."""
        head = self._log.head().seq
        ready = [not kept.saved.current and kept.position == head for kept in self.kept]
        if not any(ready):
            return
        with self._file.transaction():
            for kept, is_ready in zip(self.kept, ready, strict=True):
                if is_ready:
                    self._file.make_current(kept.saved.generation, kept.fold.name)
        self.kept = [
            kept._replace(saved=kept.saved._replace(current=True)) if is_ready else kept
            for kept, is_ready in zip(self.kept, ready, strict=True)
        ]
        self._throw_away()

    def _throw_away(self) -> None:
        """States that nobody reads any more."""
        in_use = {kept.saved.generation for kept in self.kept}
        for view in self._file.views():
            if view.generation not in in_use and not view.current:
                self._file.remove(view.generation)

    def rest(self) -> None:
        """For when nothing comes: what is large leaves memory, and comes back page by page when it is asked for."""
        for kept in self.kept:
            for table in kept.fold.tables.values():
                table.rest(self._resting)
            if isinstance(kept.fold, Examples):
                kept.fold.rest(self._resting)
        self._resting.let_go()

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def fold_next(
    log: EventLog, folds: Sequence[Fold], position: int, limit: int, vocabulary: Vocabulary
) -> tuple[int, int]:
    """Folds the page after `position`; returns the newest event in it, and how many there were."""
    columns = dict.fromkeys(("seq", *(column for fold in folds for column in fold.columns())))
    page = _read_page(log, position, limit, list(columns), vocabulary)
    if not page.events:
        return position, 0
    wants = [fold.wants(page) for fold in folds]
    if any(want.ids for want in wants) and not page.has("id"):
        page.add("id", [row[1] for rows in _read(log, position, page.events, ("seq", "id")) for row in rows])
    page.bodies = _bodies(log, sorted({seq for want in wants for seq in want.bodies}))
    for fold in folds:
        fold.fold(page)
    return int(page.whole("seq")[-1]), page.events


def _read_page(log: EventLog, position: int, limit: int, columns: list[str], vocabulary: Vocabulary) -> Page:
    """Each value that Python must make costs more than folding it: seldom columns are one, until some are given."""
    seldom = [] if vocabulary.has_seldom else [column for column in columns if column in SELDOM]
    first = [column for column in columns if column not in seldom] + [SOME_SELDOM] * bool(seldom)
    page = Page(_read(log, position, limit, first), first, vocabulary)
    vocabulary.has_seldom = page.gives_seldom()
    if vocabulary.has_seldom and seldom:
        again = Page(_read(log, position, page.events, ["seq", *seldom]), ["seq", *seldom])
        for column in seldom:
            page.take(column, again)
    for column in seldom if not vocabulary.has_seldom else ():
        page.add_none(column)
    return page


def _read(log: EventLog, position: int, limit: int, columns: Sequence[str]) -> Iterator[list[Row]]:
    """Up to `limit` rows, in short reads of their own: no read holds up the log's checkpoints."""
    assert columns[0] == "seq"
    asked = [_asked(column) for column in columns]
    while limit > 0 and (rows := log.read_after(position, min(limit, READ_EVENTS), asked)):
        position, limit = rows[-1][0], limit - len(rows)
        yield rows


def _asked(column: str) -> Asked:
    return SELDOM if column == SOME_SELDOM else column


def _event_at(log: EventLog, position: int) -> Head | None:
    rows = log.read_after(position - 1, 1, ("seq", "chain")) if position else []
    return Head(*rows[0]) if rows and rows[0][0] == position else None


def _bodies(log: EventLog, seqs: Sequence[int]) -> dict[int, Mapping[str, Any]]:
    """The decoded bodies of these events, in their newest shape; neighbours are read together."""
    bodies: dict[int, Mapping[str, Any]] = {}
    if not seqs:
        return bodies
    for run in np.split(np.array(seqs), np.flatnonzero(np.diff(seqs) != 1) + 1):
        for start in range(0, len(run), BODIES_AT_ONCE):
            some = run[start : start + BODIES_AT_ONCE]
            for seq, kind, body in log.read_after(int(some[0]) - 1, len(some), ("seq", "kind", "body")):
                bodies[seq] = in_newest_shape(kind, msgspec.json.decode(body))[1]
    return bodies


def rebuild_digests(
    log: EventLog, up_to: int | None = None, page_events: int = PAGE_EVENTS, *, tell: Tell = silent
) -> dict[str, str]:
    """What `digests` must be: folds the log anew from its first event, up to the event `up_to`, and saves nothing."""
    folds = [make() for make in ALL_VIEWS]
    last = log.head().seq if up_to is None else up_to
    position, count, vocabulary = 0, 1, Vocabulary()
    while count and position < last:
        position, count = fold_next(log, folds, position, min(page_events, last - position), vocabulary)
        tell("folding the log", position, last)
    return {fold.name: fold.digest() for fold in folds}
