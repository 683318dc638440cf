"""Where an index of the model in use is: embeddings of texts that were made with that model, and with no other one.

An index lies under the number of its model, so the one link that says which model is in use says which index is too:
nobody is ever shown the one with another one's. Standard library alone.
"""

from __future__ import annotations

import os

from adaptd.complaints import complaints
from adaptd.destination import here
from adaptd.errors import AdaptdError
from adaptd.models import NoModel, _in_use, _is_plain, _shelves

FOLDER = "indexes"


class NoIndex(AdaptdError):
    """The model in use has no such index, or not yet."""

    def __init__(self, workload: str, name: str, reason: str) -> None:
        self.workload, self.name, self.reason = workload, name, reason
        super().__init__(
            f"adaptd.index_path({workload!r}, {name!r}): {reason}. `adaptd status` shows which indexes are behind, "
            "`adaptd reindex` builds them."
        )


def index_path(workload: str, name: str, model: str | None = None, *, strict: bool | None = None) -> str | None:
    """Return the folder of that index of the model in use; None when there is none.

    With `model`, a folder that `model_path` gave, the index of just that model: also when another one has been promoted
    since. The folder never changes; a newer build is another one. `strict` raises NoIndex or NoModel instead of None.
    """
    try:
        return _path(_shelves(workload), workload, name, model)
    except Exception as trouble:
        if here.wishes.strict if strict is None else strict:
            raise
        if not isinstance(trouble, NoModel | NoIndex):
            complaints.tell(trouble, "index_path", type(trouble).__name__)
        return None


def _path(shelves: str, workload: str, name: str, model: str | None) -> str:
    number = os.path.basename(_in_use(shelves, workload)[1] if model is None else model.rstrip("/"))
    if not (_is_plain(workload) and _is_plain(name) and number.isascii() and number.isdigit()):
        raise NoIndex(workload, name, f"no index can be of {model or name!r}, expected a folder of model_path")
    folder = f"{os.path.dirname(shelves)}/{FOLDER}/{workload}/{number}"
    try:
        path = f"{folder}/{os.readlink(f'{folder}/{name}')}"
    except OSError:
        raise NoIndex(workload, name, f"model {int(number)} has none of that name yet") from None
    if not os.path.isdir(path):
        raise NoIndex(workload, name, f"the one of model {int(number)} is gone")
    return path
