"""What a daemon of this release writes about nights: one body of each kind at least, as the code makes them."""

from __future__ import annotations

from typing import Any

NIGHT = "2026-09-22"
OPENS, CLOSES = 1_790_000_000_000_000, 1_790_018_000_000_000
PLUGIN = {"name": "tiny_classifier", "code": "0f" * 16}
STAGE = {
    "name": "size_batch",
    "code": "1e" * 16,
    "settings": {"max_examples": 2000},
    "kept": 3,
    "left_out": [{"words": "older than what fits", "count": 1}],
    "added": 1,
    "skipped": None,
}
BATCH = {
    "batch": 1,
    "workload": "support",
    "plugin": PLUGIN,
    "night": NIGHT,
    "by": ["2 of 2 new examples"],
    "position": 9,
    "now": OPENS,
    "seed": 77,
    "stages": [STAGE],
    "fingerprints": {"adaptd": "0.1.0", "numpy": "2.4.6", "embeddings": "hashing"},
    "held_apart": {"subject": 1, "episode": 0, "near": 0},
    "rows": {
        "example": [2, 3, -2],
        "derived_from": [-1, -1, 2],
        "weight": [0.5, 1.0, 0.25],
        "times_learnt": [0, 0, 0],
        "hash": ["aa" * 16, "bb" * 16, "cc" * 16],
    },
    "reasons": [{"stage": "size_batch", "words": "new", "rows": [0, 1], "values": []}],
    "validation": {"count": 1, "example": [4], "hash": "dd" * 16},
    "figures": {"new": 2},
    "hash": "ee" * 16,
}
RUN = {"batch": 1, "batch_hash": "ee" * 16, "workload": "support", "plugin": PLUGIN, "mode": "full", "night": NIGHT}
RUN |= {"settings": {"epochs": 3}, "base_model": None, "seed": 77, "attempts": 3}
FINISHED = {"step": 9, "metrics": {"loss": 0.1, "correct": 1.0}, "seconds": 7.5, "model_hash": "ab" * 32, "flags": []}
FAILED = {"attempt": 3, "how": "error", "reason": "ValueError: no", "step": 2, "seconds": 1.5, "final": True}
CHOSEN = {"artifact_type": None, "settings": {"epochs": 3}, "score": 0.8, "baseline": 0.7, "trials": 9, "seconds": 60.0}

EVENTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("outputs_asked", {"kind": "random", "of": 9, "outputs": [{"seq": 2, "propensity": 0.5}]}),
    ("night_opened", {"date": NIGHT, "opens_at": OPENS, "closes_at": CLOSES, "late": False}),
    ("stage_failed", {"workload": "support", "stage": "freshest", "reason": "ValueError at freshest.py:3"}),
    ("batch_not_formed", {"workload": "support", "night": NIGHT, "kind": "triggers", "reason": "1 of 2 new examples"}),
    ("training_asked", {"workload": "support"}),
    ("settings_chosen", {"workload": "support"} | CHOSEN),
    ("batch_formed", BATCH),
    ("run_planned", {"run": "run-0001"} | RUN),
    ("run_started", {"run": "run-0001", "attempt": 1, "device": "cpu", "pid": 4711, "from_step": 0}),
    ("run_paused", {"run": "run-0001", "step": 5, "steps": 9, "reason": "window", "seconds": 4.0, "rate": 1.25}),
    ("nights_paused", {"until": CLOSES, "reason": "a demonstration"}),
    ("nights_resumed", {}),
    ("run_started", {"run": "run-0001", "attempt": 1, "device": "cpu", "pid": 4712, "from_step": 5}),
    ("run_finished", {"run": "run-0001"} | FINISHED),
    ("run_planned", {"run": "run-0002"} | RUN | {"batch": 2, "batch_hash": "ef" * 16}),
    ("run_failed", {"run": "run-0002"} | FAILED),
    ("run_planned", {"run": "run-0003"} | RUN | {"batch": 3, "batch_hash": "fe" * 16}),
    ("run_cancelled", {"run": "run-0003", "reason": "not needed"}),
)
