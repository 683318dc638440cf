"""`adaptd train sbert`: the document's command line, over a file of labelled texts.

Reads the file, draws the splits, trains into a folder beside the output and puts it in place when it is whole; then
measures it on the test texts. Interrupted, it goes on from its last checkpoint when the same command is given again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    from adaptd.plugin.command import Desk

_CHOICES = ("classify", "softmax_pair", "contrast", "triplet", "ranking", "simcse", "classify_contrast")
_OF_SETTINGS = (
    "preset",
    "objective",
    "epochs",
    "batch_size",
    "learning_rate",
    "warmup_steps",
    "evaluation_steps",
    "class_weights",
    "precision",
)


class SbertCommand:
    """Fine-tune from a file, evaluate, compare."""

    line = "fine-tune a sentence-transformers model on a file of labelled texts"
    epilog = (
        "examples:\n  adaptd train sbert --data tweets.csv --text-column tweet --label-column class\n"
        "  adaptd train sbert --data tweets.csv --balance-classes --epochs 6 --compare\n"
        "  adaptd train sbert --data tweets.csv --preset document --output models/ft1\n"
        "  adaptd train sbert --data tweets.csv --evaluate-only models/fine_tuned\n"
        "  adaptd train sbert --data tweets.csv --compare --few-labels --png pictures\n"
        "  adaptd train sbert --data tweets.csv --folds 5 --output models/folds\n\n"
        "Splits are stratified: 70% to learn from, 9% to validate, 21% to test on. Sizes\n"
        "that are given are shares of all rows. Interrupted, the same command goes on.\n"
        "What config.toml says to a workload with this plugin holds where no option says\n"
        "otherwise. docs/migrating.md has the document's commands."
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        add, of = parser.add_argument, "default %(default)s"
        add("--data", metavar="FILE", default="data/raw/labeled_data.csv", help=f"CSV or JSON lines; {of}")
        add("--text-column", metavar="NAME", help="where texts are; without it text, tweet, sentence or input")
        add("--label-column", metavar="NAME", help="where labels are; without it label, class or category")
        add("--base-model", metavar="FOLDER", default="all-MiniLM-L6-v2", help=f"the model to begin from; {of}")
        add("--output", metavar="FOLDER", default="models/fine_tuned", help=f"where the model comes; {of}")
        self._add_training(parser)
        add("--test-size", metavar="SHARE", type=float, default=0.21, help=f"of all rows; {of}")
        add("--val-size", metavar="SHARE", type=float, default=0.09, help=f"of all rows; {of}")
        add("--seed", metavar="N", type=int, default=42, help=f"of splits and training; {of}")
        add("--no-preprocessing", action="store_true", help="read texts as they are; else tweets become words")
        add("--evaluate-only", metavar="FOLDER", help="train nothing, measure this model on the test texts")
        add("--compare", action="store_true", help="measure the base model too, and what was gained, with intervals")
        self._add_measuring(parser)

    def _add_measuring(self, parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument
        few = "a second training, on this share of the labels alone (0.05 without a number): what they spread to"
        add("--few-labels", metavar="SHARE", type=float, nargs="?", const=0.05, help=few)
        add("--folds", metavar="K", type=int, help="K models, each tested on the fold it has not seen, in --output")
        add("--png", metavar="FOLDER", help="draw confusions, and a map of the test texts before and after")

    def _add_training(self, parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument
        add("--preset", choices=("shipped", "document"), help="what holds where nothing else is said")
        add("--objective", metavar="NAME", choices=_CHOICES, help=f"what is learnt: {', '.join(_CHOICES)}")
        add("--epochs", metavar="N", type=float, help="passes over the texts")
        add("--batch-size", metavar="N", type=int, help="texts a step learns from")
        add("--learning-rate", metavar="RATE", type=float, help="the highest, after the warm-up")
        add("--warmup-steps", metavar="N", type=int, help="steps until the rate is reached")
        add("--evaluation-steps", metavar="N", type=int, help="steps between two validations")
        weights = ("none", "inverse", "sqrt_inverse")
        add("--class-weights", metavar="HOW", choices=weights, help=f"of rare classes: {', '.join(weights)}")
        add("--balance-classes", action="store_true", help="repeat texts of rare classes until all are as frequent")
        add("--precision", choices=("float32", "bfloat16", "auto"), help="what is computed in")
        add("--lora", action="store_true", help="train small matrices beside the weights; needs peft")

    def run(self, options: argparse.Namespace, desk: Desk) -> Mapping[str, Any]:
        """Splits, training, measures; see `lines` for what is in it."""
        from plugins.workloads.sbert.from_file import from_file

        given = {name: getattr(options, name) for name in _OF_SETTINGS if getattr(options, name) is not None}
        given |= {"balance_classes": True} if options.balance_classes else {}
        how = {"preprocess": "none" if options.no_preprocessing else "tweets"}
        return from_file(options, {**how, **desk.settings, **given, **(how if options.no_preprocessing else {})}, desk)

    def lines(self, document: Mapping[str, Any]) -> Iterable[str]:
        """What was learnt from, what was reached, what was gained."""
        from plugins.workloads.sbert.telling import told_folds, told_model

        yield from told_folds(document) if "folds" in document else told_model(document)


COMMAND = SbertCommand()
