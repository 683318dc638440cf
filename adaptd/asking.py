"""Asking the running daemon which outputs are worth rating, for a host that shows somebody a rating widget."""

from __future__ import annotations

from adaptd.destination import here
from adaptd.errors import AdaptdError
from adaptd.json_text import quote
from adaptd.locating import find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ANSWER_WITHIN_SECONDS = 5.0
LONGEST_ANSWER = 4 * 1024 * 1024


class NotAsked(AdaptdError):
    """It is not known what to ask about."""

    def __init__(self, reason: object) -> None:
        super().__init__(
            f"adaptd.ask: {reason}. Expected the daemon's answer: see `adaptd status`, and start it with `adaptd run`."
        )


def ask(
    limit: int = 10, *, artifact_type: str | None = None, random: bool = False, strict: bool | None = None
) -> list[dict[str, Any]]:
    """Which outputs are most worth a rating, as dicts with `id`, `artifact_type` and `propensity`; never a text.

    Show them with your own copy of the output, and record what is said with `record_feedback(output_id=...)`. With
    `random` they are drawn uniformly from those that models are judged by. That they were asked about is recorded.
    While the daemon is away the list is empty; `strict` (as in `configure`) raises NotAsked instead.
    """
    try:
        answer = _answer(_question(limit, artifact_type, random=random))
        return [{name: one[name] for name in ("id", "artifact_type", "propensity")} for one in answer["outputs"]]
    except Exception as trouble:
        if here.wishes.strict if strict is None else strict:
            raise NotAsked(str(trouble).rstrip(".") or type(trouble).__name__) from trouble
        return []


def _question(limit: int, artifact_type: str | None, *, random: bool) -> bytes:
    told = "null" if artifact_type is None else quote(str(artifact_type))
    drawn = "true" if random else "false"
    return f'{{"kind":"ask/1","limit":{int(limit)},"artifact_type":{told},"random":{drawn}}}\n'.encode()


def _answer(question: bytes) -> dict[str, Any]:
    import json
    import os
    import socket

    if os.environ.get("ADAPTD_DISABLED", "") not in ("", "0"):
        return {"outputs": []}
    place = find(here.wishes.config, here.wishes.state_dir)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_WITHIN_SECONDS)
        connection.connect(f"{place.state_dir}/adaptd.sock")
        connection.sendall(question)
        received = b""
        while not received.endswith(b"\n"):
            piece = connection.recv(65536)
            if not piece or len(received) > LONGEST_ANSWER:
                raise ConnectionResetError("the daemon closed the connection")
            received += piece
    answer: dict[str, Any] = json.loads(received)
    if "error" in answer:
        raise ValueError(str(answer["error"]))
    return answer
