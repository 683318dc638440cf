"""Where the champion is, and telling the host when it moves; with the daemon running or not.

What is in use is read off a link in the state folder at each call. Hosts get the numbered folder behind it, which never
changes: a model that is being loaded stays whole when another one is promoted meanwhile.
"""

from __future__ import annotations

import os
from _thread import RLock

from adaptd.complaints import complaints
from adaptd.destination import here
from adaptd.errors import AdaptdError
from adaptd.locating import find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FOLDER, LINK, ADAPTERS = "models", "champion", "adapters"
MANIFEST, CARD, README = "manifest.json", "card.json", "README.md"
OURS = frozenset((MANIFEST, CARD, README))  # beside the model's own files


class NoModel(AdaptdError):
    """It is not known which model is in use."""

    def __init__(self, workload: str, reason: str) -> None:
        self.workload, self.reason = workload, reason
        super().__init__(
            f"adaptd.model_path({workload!r}): {reason.rstrip('.')}. `adaptd models list` shows the workloads that "
            "have a model, and which is in use."
        )


class ModelDamaged(AdaptdError):
    """The files of the model in use are not those that were put on the shelf."""

    def __init__(self, path: str, found: str) -> None:
        super().__init__(
            f"{path}: {found}; expected the files that were put there. Nothing of it should be used: roll back with "
            "`adaptd models rollback`, or restore the folder from a backup."
        )


class Champion:
    """The model of a workload that is in use: its number, its folder, and the number that was in use before it."""

    __slots__ = ("number", "path", "previous", "workload")

    def __init__(self, workload: str, number: int, path: str, previous: int | None) -> None:
        self.workload, self.number, self.path, self.previous = workload, number, path, previous

    def __repr__(self) -> str:
        told = f"workload={self.workload!r}, number={self.number}, path={self.path!r}, previous={self.previous}"
        return f"Champion({told})"


def model_path(
    workload: str, artifact_type: str | None = None, *, strict: bool | None = None, check: bool = False
) -> str | None:
    """Return the folder of the model to use now; None when there is none, or it cannot be known.

    With an artifact type the folder of its own adapter, where the model has one. `check` hashes every file first, as
    one may want before it is loaded: of a damaged model there is no path. `strict` (as in `configure`) raises NoModel,
    ModelDamaged, or what is wrong with the configuration, instead of None.
    """
    try:
        number, path = _in_use(_shelves(workload), workload)
        if check:
            _check(path)
    except Exception as trouble:
        if here.wishes.strict if strict is None else strict:
            raise
        if not isinstance(trouble, NoModel):  # a workload's first model takes its time
            complaints.tell(trouble, "model_path", type(trouble).__name__)
        return None
    _answered[workload] = number
    return path if artifact_type is None else _of_its_own(path, artifact_type)


def model_number(workload: str) -> int | None:
    """Return the number of the model to use now; None when there is none, or it cannot be known."""
    path = model_path(workload, strict=False)
    return None if path is None else int(os.path.basename(path))


def _shelves(workload: str | None) -> str:
    """Return the folder of all workloads' models; NoModel where adaptd is switched off."""
    if os.environ.get("ADAPTD_DISABLED", "") not in ("", "0"):
        raise NoModel(str(workload), "ADAPTD_DISABLED is set")
    return f"{find(here.wishes.config, here.wishes.state_dir).state_dir}/{FOLDER}"


def _in_use(shelves: str, workload: str) -> tuple[int, str]:
    if not _is_plain(workload):
        raise NoModel(workload, "no name that a workload can have")
    shelf = f"{shelves}/{workload}"
    try:
        target = os.readlink(f"{shelf}/{LINK}")
    except FileNotFoundError:
        raise NoModel(workload, f"{shelf} has no model in use") from None
    path = f"{shelf}/{target}"
    if not (target.isascii() and target.isdigit()):
        raise NoModel(workload, f"{shelf}/{LINK} leads to {target!r}, expected the number of a model")
    if not os.path.isdir(path):  # the base model of a workload that loads it from elsewhere has no folder
        raise NoModel(workload, f"model {int(target)} is in use and has no folder here")
    return int(target), path


def _check(path: str) -> None:
    """Hash each file again; ModelDamaged names the first that is not as manifest.json has it."""
    import json

    try:
        with open(f"{path}/{MANIFEST}", "rb") as file:
            wanted = dict(json.load(file)["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelDamaged(path, f"{MANIFEST}: {error}") from None
    found = {os.path.relpath(f"{folder}/{name}", path) for folder, _, names in os.walk(path) for name in names}
    for name in sorted(wanted.keys() | found - OURS):
        if name not in wanted:
            raise ModelDamaged(path, f"{name}, which is not among its files")
        if name not in found or hash_of_file(f"{path}/{name}") != wanted[name]:
            raise ModelDamaged(path, f"{name} is {'not as it was written' if name in found else 'gone'}")


def hash_of_file(path: str) -> str:
    """As manifest.json has it for each of a model's files."""
    from hashlib import blake2b

    hashed = blake2b(digest_size=32)
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            hashed.update(piece)
    return hashed.hexdigest()


def _of_its_own(path: str, artifact_type: str) -> str:
    adapter = f"{path}/{ADAPTERS}/{artifact_type}"
    return adapter if _is_plain(artifact_type) and os.path.isdir(adapter) else path


def _is_plain(name: str) -> bool:
    return name not in ("", ".", "..") and "/" not in name and "\0" not in name


# When it moves


_answered: dict[str, int] = {}  # by workload: what model_path said last
_watchers: list[_Watcher] = []


class _Watcher:
    """One callback, and what it was told."""

    def __init__(self, callback: Callable[[Champion], object], workload: str | None) -> None:
        self.callback, self.workload = callback, workload
        self.told: dict[str, int] = {}
        self.lock = RLock()
        self.begin()

    def begin(self) -> None:
        """What the host has now is not news: what it asked for last, or else what is in use."""
        for workload, number, _ in self._seen():
            self.told[workload] = _answered.get(workload, number)

    def check(self) -> list[Champion]:
        """Tell what has moved; what the callback could not take is told again at the next check."""
        with self.lock:
            return [champion for champion in self._moved() if self._tell(champion)]

    def _moved(self) -> list[Champion]:
        return [
            Champion(workload, number, path, self.told.get(workload))
            for workload, number, path in self._seen()
            if self.told.get(workload) != number
        ]

    def _tell(self, champion: Champion) -> bool:
        try:
            self.callback(champion)
        except Exception as trouble:  # noqa: BLE001 - the host's own
            complaints.tell(trouble, "on_promotion", champion.workload, str(champion.number))
            return False
        self.told[champion.workload] = champion.number
        return True

    def _seen(self) -> Iterator[tuple[str, int, str]]:
        try:
            shelves = _shelves(self.workload)
            names = sorted(os.listdir(shelves)) if self.workload is None else [self.workload]
        except (AdaptdError, OSError):
            return  # not configured, or no shelf yet
        for name in names:
            try:
                yield name, *_in_use(shelves, name)
            except (NoModel, OSError):
                continue


def on_promotion(
    callback: Callable[[Champion], object], workload: str | None = None, *, watch: float | None = None
) -> Callable[[], None]:
    """Have `callback(champion)` called when another model of this workload, or of any, is in use; also rolled back to.

    `check_promotions` calls it, between two requests for instance; `watch` starts a thread that looks every so many
    seconds. What the host had from `model_path` before is no news. Where the callback raises, that is told as what was
    not recorded is, and tried again at the next look. Returns a function that ends it.
    """
    if watch is not None and not watch > 0:
        raise AdaptdError(f"adaptd.on_promotion: watch = {watch!r}, expected seconds above 0, or None for no thread")
    watcher = _Watcher(callback, workload)
    _watchers.append(watcher)
    end_watch = _look_every(watch, watcher) if watch is not None else None

    def end() -> None:
        if watcher in _watchers:
            _watchers.remove(watcher)
        if end_watch is not None:
            end_watch()

    return end


def check_promotions() -> list[Champion]:
    """Look now, and call whoever waits for it; return what has moved. Costs one link read per workload."""
    moved: dict[str, Champion] = {}
    for watcher in _watchers[:]:  # a callback may end its own
        moved.update({champion.workload: champion for champion in watcher.check()})
    return list(moved.values())


def _look_every(seconds: float, watcher: _Watcher) -> Callable[[], None]:
    from threading import Event, Thread

    ended = Event()

    def look() -> None:
        while not ended.wait(seconds):
            watcher.check()

    Thread(target=look, name="adaptd on_promotion", daemon=True).start()
    return ended.set


def _in_child() -> None:
    """The parent's thread may have held the locks, and is not here."""
    for watcher in _watchers:
        watcher.lock = RLock()


os.register_at_fork(after_in_child=_in_child)
