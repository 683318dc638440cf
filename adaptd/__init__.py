"""What a host application imports: record what a model put out and how good it was, and load what was learnt from it.

Importing this loads nothing else; each name is fetched from its file when it is first used.
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from adaptd.asking import ask
    from adaptd.capturing import capture, feedback
    from adaptd.destination import configure, flush, stats
    from adaptd.errors import AdaptdError, NotRecorded
    from adaptd.indexes import index_path
    from adaptd.models import Champion, check_promotions, model_number, model_path, on_promotion
    from adaptd.recording import arecord_feedback, record_feedback, record_feedback_many, record_output, retract
    from adaptd.records import Feedback, FeedbackType

__all__ = [
    "AdaptdError",
    "Champion",
    "Feedback",
    "FeedbackType",
    "NotRecorded",
    "__version__",
    "arecord_feedback",
    "ask",
    "capture",
    "check_promotions",
    "configure",
    "feedback",
    "flush",
    "index_path",
    "model_number",
    "model_path",
    "on_promotion",
    "record_feedback",
    "record_feedback_many",
    "record_output",
    "retract",
    "stats",
]

_FILES = {
    "AdaptdError": "errors",
    "Champion": "models",
    "Feedback": "records",
    "FeedbackType": "records",
    "NotRecorded": "errors",
    "arecord_feedback": "recording",
    "ask": "asking",
    "capture": "capturing",
    "check_promotions": "models",
    "configure": "destination",
    "feedback": "capturing",
    "flush": "destination",
    "index_path": "indexes",
    "model_number": "models",
    "model_path": "models",
    "on_promotion": "models",
    "record_feedback": "recording",
    "record_feedback_many": "recording",
    "record_output": "recording",
    "retract": "recording",
    "stats": "destination",
}


def __getattr__(name: str) -> object:
    if name == "testing":  # so that `adaptd.testing.capture_feedback()` needs no import of its own
        return __import__("adaptd.testing", fromlist=["capture_feedback"])
    file = _FILES.get(name)
    if file is None:
        raise AttributeError(f"module 'adaptd' has no attribute {name!r}; it offers {', '.join(sorted(_FILES))}")
    if name == "configure":  # its caller will record: perhaps first in a signal handler, or when no file can be opened
        __import__("adaptd.recording")
    value: object = getattr(__import__(f"adaptd.{file}", fromlist=[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
