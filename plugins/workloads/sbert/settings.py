"""What may be said to the workload, and what holds when it is not said: what measured best, or what the document says.

`preset = "document"` is the fine-tuning document that this workload began from: SoftmaxLoss over (text, text), 2e-5,
batches of 16, four epochs. Whatever is said beside a preset holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from components.bad_input import BadInput, finite_numbers, one_number, one_of, whole_number

Objective = Literal["classify", "softmax_pair", "contrast", "triplet", "ranking", "simcse", "classify_contrast"]
Balance = Literal["none", "inverse", "sqrt_inverse"]
SelectBy = Literal["accuracy", "macro_f1", "nll", "both"]
OBJECTIVES: tuple[str, ...] = (
    "classify",
    "softmax_pair",
    "contrast",
    "triplet",
    "ranking",
    "simcse",
    "classify_contrast",
)
SELECT_BY = ("accuracy", "macro_f1", "nll", "both")
PRECISIONS = ("float32", "bfloat16", "auto")

SHIPPED: Mapping[str, Any] = {
    "objective": "classify",
    "epochs": 3.0,
    "batch_size": 32,
    "learning_rate": 1e-4,
    "warmup_steps": 50,
    "evaluation_steps": 100,
    "class_weights": "sqrt_inverse",
    "select_by": "both",
    "max_tokens": 128,
}
DOCUMENT: Mapping[str, Any] = {
    "objective": "softmax_pair",
    "epochs": 4.0,
    "batch_size": 16,
    "learning_rate": 2e-5,
    "warmup_steps": 100,
    "evaluation_steps": 500,
    "class_weights": "none",
    "select_by": "accuracy",
    "max_tokens": 256,
}
PRESETS: Mapping[str, Mapping[str, Any]] = {"shipped": SHIPPED, "document": DOCUMENT}


@dataclass(frozen=True)
class SbertSettings:
    """How it learns. What is None here has the preset's value, and is never None once it is made."""

    preset: Literal["shipped", "document"] = "shipped"
    # None until it is made, then the preset's: so that the types below are those that everybody else sees.
    objective: Objective = None  # type: ignore[assignment]
    epochs: float = None  # type: ignore[assignment]
    batch_size: int = None  # type: ignore[assignment]
    learning_rate: float = None  # type: ignore[assignment]
    warmup_steps: int = None  # type: ignore[assignment]
    evaluation_steps: int = None  # type: ignore[assignment]  # between two looks at the validation examples
    class_weights: Balance = None  # type: ignore[assignment]  # what an example weighs by how rare its class is
    select_by: SelectBy = None  # type: ignore[assignment]  # which weights are the best
    max_tokens: int = None  # type: ignore[assignment]  # of a text; the rest is not read

    max_steps: int | None = None  # in place of epochs: so many, however many examples there are
    balance_classes: bool = False  # rare classes are repeated until all are as frequent
    matryoshka: tuple[int, ...] = ()  # lengths at which the beginning of an embedding is to be good too
    contrast_weight: float = 0.5  # of the contrastive loss beside the other, in classify_contrast
    scale: float = 20.0  # of unit embeddings before the head
    temperature: float = 0.05  # of similarities in contrast, ranking and simcse
    margin: float = 0.3  # of cosines in triplet
    hard_negatives: int = 3  # mined for each example in ranking, one of which is drawn at each step; 0: none
    patience: int | None = 5  # evaluations without a better one, then it ends
    weight_decay: float = 0.01
    ema_decay: float | None = None  # weights are averaged over steps, as 0.99 of what was and 0.01 of what is
    attention_dropout: bool = True  # as the model has it; without, a processor has a quicker kernel
    micro_batch_size: int | None = None  # texts at once in memory; None: the whole batch
    precision: Literal["float32", "bfloat16", "auto"] = "float32"  # auto: bfloat16 where the processor has it
    preprocess: Literal["none", "tweets"] = "none"
    lora_rank: int = 16
    lora_alpha: float = 32.0
    lora_dropout: float = 0.0
    good_score: float = 70.0  # from here on a score confirms the output
    bad_score: float = 40.0  # below it, the output is taken for wrong
    wrong_weight: float = 0.5  # what knowing a wrong label weighs beside knowing the right one
    checkpoint_every: int = 100  # steps

    def __post_init__(self) -> None:
        one_of("preset", self.preset, tuple(PRESETS))
        for name, value in PRESETS[self.preset].items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        self._check_names()
        self._check_counts()
        self._check_numbers()

    def _check_names(self) -> None:
        one_of("objective", self.objective, OBJECTIVES)
        one_of("class_weights", self.class_weights, ("none", "inverse", "sqrt_inverse"))
        one_of("select_by", self.select_by, SELECT_BY)
        one_of("precision", self.precision, PRECISIONS)
        one_of("preprocess", self.preprocess, ("none", "tweets"))

    def _check_counts(self) -> None:
        for name in ("batch_size", "evaluation_steps", "lora_rank", "checkpoint_every"):
            whole_number(name, getattr(self, name), low=1)
        for name in ("micro_batch_size", "patience", "max_steps"):
            if getattr(self, name) is not None:
                whole_number(name, getattr(self, name), low=1)
        for name in ("warmup_steps", "hard_negatives"):
            whole_number(name, getattr(self, name), low=0)
        whole_number("max_tokens", self.max_tokens, low=3)
        for size in self.matryoshka:
            whole_number("matryoshka", size, low=1)
        if self.batch_size == 1 and self.objective not in ("classify", "softmax_pair"):
            raise BadInput("batch_size", 1, f"at least 2, since {self.objective} compares texts of one batch")

    def _check_numbers(self) -> None:
        for name in ("epochs", "learning_rate", "scale", "temperature", "lora_alpha"):
            one_number(name, getattr(self, name), 0.0, above=True)
        for name in ("margin", "contrast_weight", "weight_decay", "wrong_weight"):
            one_number(name, getattr(self, name), 0.0)
        one_number("lora_dropout", self.lora_dropout, 0.0, 0.9)
        if self.ema_decay is not None:
            one_number("ema_decay", self.ema_decay, 0.0, 1.0)
        finite_numbers("bad_score and good_score", [self.bad_score, self.good_score], low=0.0, high=100.0)
        if self.bad_score > self.good_score:
            raise BadInput("bad_score", self.bad_score, f"at most good_score, {self.good_score:g}")

    @property
    def has_head(self) -> bool:
        """Whether the classes are learnt while the encoder is; else a head is fitted when it is done."""
        return self.objective in ("classify", "softmax_pair", "classify_contrast")
