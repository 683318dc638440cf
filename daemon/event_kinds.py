"""Every kind of event: its stable name, its version, and how older versions are read.

An event is stored under `name/version` and never rewritten. When a body must change its shape, the version goes up
here and an upcaster from the version before is added; readers see only the newest shape.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from adaptd.errors import AdaptdError
from daemon.clock_and_chance import Chance, new_id
from daemon.event_log import Entry

Body = dict[str, Any]
Upcaster = Callable[[Body], Body]


class UnknownKind(AdaptdError):
    """An event was written under a kind or version that this daemon does not know."""

    def __init__(self, kind: str, known: list[str]) -> None:
        super().__init__(
            f"event kind {kind!r}: not known here, expected one of {', '.join(known)} or an older version of one. "
            "A newer adaptd wrote this log: upgrade adaptd to read it."
        )
        self.kind = kind


class Kind(NamedTuple):
    """One kind of event, with what lifts each older version by one."""

    name: str
    version: int
    meaning: str
    upcasters: Mapping[int, Upcaster] = {}

    @property
    def stored_as(self) -> str:
        return f"{self.name}/{self.version}"


def _judged_without_success(body: Body) -> Body:
    """Version 1 did not say which way its metric goes, nor how many examples reach 70 of 100; more was better then."""
    return {"higher_is_better": True, "success": None, **body}


OUTPUT_RECORDED = Kind("output_recorded", 1, "a model of the host produced an output")
FEEDBACK_RECORDED = Kind("feedback_recorded", 1, "somebody or something judged an output")
LINE_QUARANTINED = Kind("line_quarantined", 1, "something was received that could not be taken in; it is kept aside")
EVENT_REFUSED = Kind("event_refused", 1, "an event of a forgotten subject came; nothing of it was kept")
SUBJECT_FORGOTTEN = Kind("subject_forgotten", 1, "a subject was forgotten; the keys of its events are destroyed")
SPOOL_FINISHED = Kind("spool_finished", 1, "a spool file was read to its end, committed, and deleted")
TARGET_CAME = Kind(
    "target_came", 1, "what an earlier event named came: whose that event is, and which rater's, is known now"
)
DAEMON_STARTED = Kind("daemon_started", 1, "the daemon began its work")
DAEMON_STOPPED = Kind("daemon_stopped", 1, "the daemon ended in order")
CONFIG_RELOADED = Kind("config_reloaded", 1, "the daemon took over a changed configuration")
CONFIG_REFUSED = Kind("config_refused", 1, "a changed configuration had errors; the old one stayed")
NIGHT_OPENED = Kind("night_opened", 1, "the window of a local date opened; there is one for each date")
TRAINING_ASKED = Kind("training_asked", 1, "somebody asked for a training outside the windows and triggers")
NIGHTS_PAUSED = Kind(
    "nights_paused", 1, "somebody said that nothing may be trained, for a time or until told otherwise"
)
NIGHTS_RESUMED = Kind("nights_resumed", 1, "a pause was ended by somebody")
BATCH_FORMED = Kind("batch_formed", 1, "the examples, weights and reasons of one fine-tune were fixed")
BATCH_NOT_FORMED = Kind("batch_not_formed", 1, "a workload had nothing to learn tonight, or could not; with the reason")
STAGE_FAILED = Kind("stage_failed", 1, "a stage raised or refused while a batch was formed")
OUTPUTS_ASKED = Kind("outputs_asked", 1, "outputs were named as worth rating, each with its propensity")
RUN_PLANNED = Kind("run_planned", 1, "a batch is to be learnt")
RUN_STARTED = Kind("run_started", 1, "a training process began, or went on from its checkpoint")
RUN_PAUSED = Kind("run_paused", 1, "a training gave the device back, its checkpoint saved")
RUN_FINISHED = Kind("run_finished", 1, "a training came to its end and left a model")
RUN_FAILED = Kind("run_failed", 1, "a training ended without a model; the body says whether it is tried again")
RUN_CANCELLED = Kind("run_cancelled", 1, "somebody ended a run, or what it was to learn from is gone")
SETTINGS_CHOSEN = Kind("settings_chosen", 1, "a search chose training settings for a workload")
MODEL_SHELVED = Kind(
    "model_shelved", 1, "a model was put on its workload's shelf; number 0 is the one that it began with"
)
CHALLENGER_JUDGED = Kind(
    "challenger_judged",
    2,
    "challenger and champion answered the same judge and golden examples",
    {1: _judged_without_success},
)
CHALLENGER_PROMOTED = Kind("challenger_promoted", 1, "a model became the champion, by the gate or by hand")
CHALLENGER_TURNED_DOWN = Kind("challenger_turned_down", 1, "a model did not become the champion; with every reason")
CHAMPION_ROLLED_BACK = Kind("champion_rolled_back", 1, "the champion gave its place back; it is quarantined")
MODEL_PINNED = Kind("model_pinned", 1, "somebody said that a model is to be kept, or no longer")
REINDEX_ASKED = Kind("reindex_asked", 1, "somebody asked that the indexes of the model in use are built again")
INDEX_BUILT = Kind("index_built", 1, "an index was built with a model; both are shown together from then on")
INDEX_FAILED = Kind("index_failed", 1, "an index could not be built with a model; with the reason")
GOLDEN_RECORDED = Kind("golden_recorded", 1, "an example was put into a golden set")
GOLDEN_FROZEN = Kind("golden_frozen", 1, "a golden set got its next version")
GOLDEN_RETIRED = Kind("golden_retired", 1, "a golden set is judged on no longer")
EXAMPLES_SERVED = Kind("examples_served", 1, "examples served their last decision: they are learnt from, from now on")

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        OUTPUT_RECORDED,
        FEEDBACK_RECORDED,
        LINE_QUARANTINED,
        EVENT_REFUSED,
        SUBJECT_FORGOTTEN,
        SPOOL_FINISHED,
        TARGET_CAME,
        DAEMON_STARTED,
        DAEMON_STOPPED,
        CONFIG_RELOADED,
        CONFIG_REFUSED,
        NIGHT_OPENED,
        TRAINING_ASKED,
        NIGHTS_PAUSED,
        NIGHTS_RESUMED,
        BATCH_FORMED,
        BATCH_NOT_FORMED,
        STAGE_FAILED,
        OUTPUTS_ASKED,
        RUN_PLANNED,
        RUN_STARTED,
        RUN_PAUSED,
        RUN_FINISHED,
        RUN_FAILED,
        RUN_CANCELLED,
        SETTINGS_CHOSEN,
        MODEL_SHELVED,
        CHALLENGER_JUDGED,
        CHALLENGER_PROMOTED,
        CHALLENGER_TURNED_DOWN,
        CHAMPION_ROLLED_BACK,
        MODEL_PINNED,
        REINDEX_ASKED,
        INDEX_BUILT,
        INDEX_FAILED,
        GOLDEN_RECORDED,
        GOLDEN_FROZEN,
        GOLDEN_RETIRED,
        EXAMPLES_SERVED,
    )
}


def current(stored_kind: str, body: Body, kinds: Mapping[str, Kind] = KINDS) -> tuple[Kind, Body]:
    """The kind and the body in its newest shape; the given body is not changed."""
    name, _, version_text = stored_kind.partition("/")
    kind = kinds.get(name)
    if kind is None or version_text not in map(str, range(1, kind.version + 1)):
        raise UnknownKind(stored_kind, sorted(known.stored_as for known in kinds.values()))
    body = dict(body)
    for version in range(int(version_text), kind.version):
        body = kind.upcasters[version](body)
    return kind, body


def own_event(kind: Kind, body: Body, now: int, chance: Chance, event_id: str | None = None) -> Entry:
    """An event of the daemon itself."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    text = text.encode(errors="replace").decode()  # a file name may hold what is no text
    return Entry(event_id or new_id(now, chance), kind.stored_as, received_at=now, occurred_at=now, body=text)
