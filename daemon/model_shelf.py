"""The shelf of one workload: models as numbered folders with a card, and which of them is in use.

A model's folder is whole or not there. Its files never change and are checked against their hashes before they are
used; its card is renewed. `champion`, `challenger` and `previous` are links that are swapped at once; what they are to
say, the log says: `point_as` sets them right after a crash. Nothing here decides, and nothing here writes an event.

    state/models/support/0003/            the model's own files, card.json, README.md, manifest.json
    state/models/support/champion         → 0003
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Collection, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

from adaptd.errors import AdaptdError
from adaptd.models import CARD, MANIFEST, OURS, README, hash_of_file
from daemon.state_folder import sync_folder

FORMAT = 1
LINKS = ("champion", "challenger", "previous")
EMBEDDINGS = "embeddings.json"  # the workload's: the fingerprint of its vectors, and their size
README_OF_THE_MODEL = "README.model.md"  # what the workload wrote under the name of ours
MODE = 0o750  # hosts of the group load the champion
_NUMBER = re.compile(r"\d{4,}")
Card = Mapping[str, Any]


class ModelDamaged(AdaptdError):
    """A model's folder is not as it was put on the shelf."""

    def __init__(self, folder: Path, found: str) -> None:
        super().__init__(
            f"{folder}: {found}; expected the files that were put there. Nothing of it is used: roll back to another "
            "model with `adaptd models rollback`, or restore the folder from a backup."
        )
        self.folder = folder


class NoSuchModel(AdaptdError):
    """There is no model of that number."""

    exit_code = 4

    def __init__(self, shelf: Path, number: int, known: Collection[int]) -> None:
        there = f"{min(known)} to {max(known)}" if known else "none yet"
        super().__init__(f"{shelf.name}: no model {number}, there are {there}. `adaptd models list` shows them.")


class Shelf:
    """The models of one workload."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, number: int) -> Path:
        """Where the model of that number is, or would be."""
        return self.folder / f"{number:04}"

    def numbers(self) -> list[int]:
        """Those that are there, whole or damaged, in order."""
        if not self.folder.is_dir():
            return []
        return sorted(int(path.name) for path in self.folder.iterdir() if _NUMBER.fullmatch(path.name))

    # Putting

    def put(self, number: int, source: Path, card: Card, readme: str, *, foreign: bool = False) -> str:
        """The files of `source` become the model of that number; returns its hash. Done twice, it is done once.

        They are linked, not copied, where both are on one disk: models are large, and neither folder ever changes.
        What is `foreign` may change, and is copied, with what links in it lead to, such as downloaded models have.
        """
        final = self.path(number)
        if final.is_dir():
            return self.check(number)
        self.folder.mkdir(parents=True, exist_ok=True)
        beside = self.folder / f".{final.name}.new"
        shutil.rmtree(beside, ignore_errors=True)
        try:
            return self._put(beside, number, source, card, readme, foreign=foreign)
        except (OSError, ModelDamaged):
            shutil.rmtree(beside, ignore_errors=True)  # half of a large model keeps a full disk full
            raise

    def _put(self, beside: Path, number: int, source: Path, card: Card, readme: str, *, foreign: bool) -> str:
        _take_over(source, beside, foreign=foreign)
        files = {name: hash_of_file(str(beside / name)) for name in _files_of(beside)}
        whole = _hash_of(files)
        _write(beside / CARD, _text_of(dict(card) | {"model": number, "hash": whole}))
        _write(beside / README, readme)
        _write(beside / MANIFEST, json.dumps({"format": FORMAT, "hash": whole, "files": files}, indent=1))
        _sync_all(beside)
        beside.rename(self.path(number))
        sync_folder(self.folder)
        return whole

    def renew(self, number: int, card: Card, readme: str) -> None:
        """Another card and README beside the same files, each at once; nothing is written where they say that."""
        path = self.path(number)
        fixed = {"model": number, "hash": self._json(number, MANIFEST).get("hash")}
        for name, text in ((CARD, _text_of(dict(card) | fixed)), (README, readme)):
            if _read(path / name) != text:
                _write(self.folder / f".{path.name}.{name}.new", text)
                (self.folder / f".{path.name}.{name}.new").replace(path / name)

    def remove(self, number: int) -> None:
        """Lets go of a model that nothing points at: the caller knows which ones may go."""
        path = self.path(number)
        gone = self.folder / f".{path.name}.gone"  # renamed first: a half-deleted one must not look whole
        shutil.rmtree(gone, ignore_errors=True)
        if path.is_dir():
            path.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def clean(self) -> None:
        """Takes away what a killed process left half written or half deleted."""
        for path in self.folder.glob(".*"):
            if path.suffix in (".new", ".gone") and path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.suffix in (".new", ".link"):
                path.unlink(missing_ok=True)

    # Looking

    def card(self, number: int) -> dict[str, Any]:
        """What the model is. NoSuchModel, or ModelDamaged where the card cannot be read."""
        return self._json(number, CARD)

    def embeddings(self, number: int) -> dict[str, Any] | None:
        """What the model's own embeddings.json says of them; None for one that makes none."""
        try:
            found = json.loads((self.path(number) / EMBEDDINGS).read_bytes())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def check(self, number: int) -> str:
        """The model's hash, after every file was hashed again. ModelDamaged names the first that is otherwise."""
        manifest = self._json(number, MANIFEST)
        path, files = self.path(number), manifest.get("files")
        if manifest.get("format") != FORMAT or not isinstance(files, dict):
            raise ModelDamaged(path, f"a {MANIFEST} that is none of format {FORMAT}")
        for name in sorted(files.keys() | set(_files_of(path))):
            found = _hash_or_none(path / name)
            if name not in files:
                raise ModelDamaged(path, f"{name}, which is not among its files")
            if found != files[name]:
                raise ModelDamaged(path, f"{name} is {'gone' if found is None else 'not as it was written'}")
        if _hash_of(files) != manifest.get("hash"):
            raise ModelDamaged(path, f"a {MANIFEST} whose files do not give its hash")
        return str(manifest["hash"])

    def _json(self, number: int, name: str) -> dict[str, Any]:
        path = self.path(number)
        if not path.is_dir():
            raise NoSuchModel(self.folder, number, self.numbers())
        try:
            found = json.loads((path / name).read_bytes())
        except (OSError, ValueError) as error:
            raise ModelDamaged(path, f"{name}: {error}") from None
        if not isinstance(found, dict):
            raise ModelDamaged(path, f"{name} holds {type(found).__name__}")
        return found

    # Which is in use

    def pointed(self, link: str) -> int | None:
        """The number that a link says; None where it says nothing, or nothing of ours."""
        try:
            target = os.readlink(self.folder / link)
        except OSError:
            return None
        return int(target) if _NUMBER.fullmatch(target) else None

    def point(self, link: str, number: int | None) -> None:
        """Swaps one link at once; None takes it away. A reader sees the old one or the new one."""
        assert link in LINKS, link
        path = self.folder / link
        if number is None:
            path.unlink(missing_ok=True)
        else:
            beside = self.folder / f".{link}.link"
            beside.unlink(missing_ok=True)
            beside.symlink_to(self.path(number).name)
            beside.replace(path)
        if self.folder.is_dir():
            sync_folder(self.folder)

    def point_as(self, wanted: Mapping[str, int | None]) -> list[str]:
        """Sets the links to what the log says; returns those that were otherwise."""
        wrong = [link for link in LINKS if self.pointed(link) != wanted.get(link)]
        for link in wrong:
            self.point(link, wanted.get(link))
        return wrong


def _take_over(source: Path, into: Path, *, foreign: bool) -> None:
    """Every file of `source` under the same name; what is no file, and files under our names, are refused.

    A model of another shelf, as a base model may be, is taken over without what that shelf has written beside it.
    """
    if not source.is_dir():
        raise ModelDamaged(source, "no folder")
    into.mkdir(mode=MODE)
    into.chmod(MODE)
    ours = OURS if _is_of_a_shelf(source) else ()
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source)
        if not (path.is_file() if path.is_symlink() and foreign else _is_plain(path)):
            raise ModelDamaged(source, f"{name}, which is no plain file")
        if path.is_dir():
            (into / name).mkdir(mode=MODE)
        elif name.as_posix() in (MANIFEST, CARD) and not ours:
            raise ModelDamaged(source, f"{name}, a name under which adaptd puts a file of its own")
        elif name.as_posix() not in ours:
            put = shutil.copyfile if foreign else _link
            target = into / (README_OF_THE_MODEL if name == Path(README) else name)
            put(path, target)
            target.chmod(0o640)


def _is_plain(path: Path) -> bool:
    return not path.is_symlink() and (path.is_dir() or path.is_file())


def is_of_a_shelf(source: Path) -> bool:
    """Whether the folder is a model as one stands on a shelf, under its number."""
    return _NUMBER.fullmatch(source.name) is not None and _is_of_a_shelf(source)


def _is_of_a_shelf(source: Path) -> bool:
    try:
        found = json.loads((source / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.keys() == {"format", "hash", "files"}


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or one that knows no links
        shutil.copyfile(source, target)


def _files_of(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in OURS:
            yield name


def _hash_or_none(path: Path) -> str | None:
    try:
        return hash_of_file(str(path))
    except OSError:
        return None


def _hash_of(files: Mapping[str, str]) -> str:
    return blake2b(json.dumps(sorted(files.items())).encode(), digest_size=32).hexdigest()


def _text_of(card: Card) -> str:
    return json.dumps(card, indent=1, sort_keys=True)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o640)


def _sync_all(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
