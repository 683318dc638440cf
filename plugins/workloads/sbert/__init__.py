"""Sentence embeddings that are taught an application's own classes: a sentence-transformers model, fine-tuned.

The folder that comes out is one that plain `SentenceTransformer(path)` loads; the head that names classes lies in it.
"""

from plugins.workloads.sbert.workload import Sbert

__all__ = ["WORKLOAD", "Sbert"]

WORKLOAD = Sbert
