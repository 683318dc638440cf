"""Which examples teach the most: the V2 document's active learner, and strategies that were measured.

Settles (2009), "Active learning literature survey". Two questions, two functions: choose_to_ask says which unrated
outputs to show to people, choose_to_train which rated ones to spend training time on. Pools are arrays: embeddings, and
where there are any labels, scores and a model's probabilities.
"""

from __future__ import annotations

from components.asking import STRATEGIES, ask_limit, choose_to_ask
from components.choosing import Choice
from components.training_rows import TRAIN_RULES, choose_to_train, train_limit

__all__ = ["STRATEGIES", "TRAIN_RULES", "Choice", "ask_limit", "choose_to_ask", "choose_to_train", "train_limit"]
