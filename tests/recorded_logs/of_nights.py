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
MODEL = {"workload": "support", "model": 1}
GAIN = {"rows": 400, "gain": 0.05, "better": 40, "worse": 20, "p": 0.007, "level": 0.01, "smallest_gain": 0.04}
DECISION = {
    "verdict": "promote",
    "sentence": "Promoted: correct +5.0 points on 400 fair examples, and worse nowhere by more than allowed.",
    "clauses": [{"name": "better", "holds": True, "words": "correct +5.0 points", "figures": GAIN}],
    "evidence": {"metric": "correct", "champion": 0.8, "challenger": 0.85, "fair": 400, "level": 0.01},
}
INTERVALS = {
    "champion": {"mean": 0.8, "low": 0.758, "high": 0.836},
    "challenger": {"mean": 0.85, "low": 0.812, "high": 0.882},
}
JUDGED = {
    "champion": 0,
    "run": "run-0001",
    "outputs": [4],
    "golden": None,
    "results": "ac" * 32,
    "metric": "correct",
    "higher_is_better": True,
    "success": {"all": INTERVALS},
    "metrics": {"all": {"rows": 400, "correct": INTERVALS}},
    "latency": {"champion": 0.001, "challenger": 0.001},
    "latencies": {"type ticket": {"champion": 0.001, "challenger": 0.002}},
    "size": {"champion": 1000, "challenger": 1000},
    "seconds": 2.0,
}
INDEX = {"index": "articles", "build": 1}
BUILT = {"fingerprint": "af" * 16, "rows": 2, "dimension": 384, "texts": "ba" * 16}
BUILT |= {"recorded": False, "position": 9, "seconds": 3.5}

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
    (
        "golden_recorded",
        {"set": "tickets", "input": "where is it?", "reference": "delivery", "artifact_type": "ticket"},
    ),
    ("golden_frozen", {"set": "tickets", "version": 1, "rows": 1, "hash": "ad" * 32}),
    ("golden_retired", {"set": "tickets"}),
    ("model_shelved", {"workload": "support", "model": 0, "run": None, "batch": None, "hash": "aa", "base": None}),
    ("model_shelved", MODEL | {"run": "run-0001", "batch": 1, "hash": "ab" * 32, "base": 0}),
    ("challenger_judged", MODEL | JUDGED),
    ("challenger_promoted", MODEL | {"previous": 0, "by": "gate", "reason": None, "level": 0.01, "decision": DECISION}),
    ("examples_served", {"workload": "support", "outputs": [4]}),
    ("reindex_asked", MODEL),
    ("index_built", MODEL | INDEX | BUILT),
    ("index_failed", MODEL | INDEX | {"build": 2, "reason": "articles.jsonl, line 1: expected an id and a text"}),
    ("model_pinned", MODEL | {"pinned": True}),
    ("champion_rolled_back", {"workload": "support", "from": 1, "to": 0, "reason": "it lied"}),
    (
        "challenger_turned_down",
        {"workload": "sbert", "model": 1, "champion": None, "level": 0.0, "failed": "no baseline"},
    ),
    ("run_planned", {"run": "run-0002"} | RUN | {"batch": 2, "batch_hash": "ef" * 16}),
    ("run_failed", {"run": "run-0002"} | FAILED),
    ("run_planned", {"run": "run-0003"} | RUN | {"batch": 3, "batch_hash": "fe" * 16}),
    ("run_cancelled", {"run": "run-0003", "reason": "not needed"}),
)
