"""This file knows `adaptd embeddings compare`: models of sentence embeddings beside each other, on labelled texts."""

from __future__ import annotations

import argparse
import textwrap
from typing import TYPE_CHECKING, Any

from adaptd.errors import AdaptdError
from daemon.cli.printing import harmless, print_json, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SCHEMA = "adaptd.embeddings_compare/1"
_NAMES = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class NotCompared(AdaptdError):
    """Models could not be compared, for a reason that the operator can mend."""


def add_embeddings(parser: argparse.ArgumentParser) -> None:
    """The options of `embeddings` and of the verb below it."""
    parser.epilog = (
        "examples:\n  adaptd embeddings compare --data tweets.csv --models base models/ft1\n"
        "  adaptd embeddings compare --models base models/ft1 models/ft2 --png pictures"
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True, dest="verb")
    compare = verbs.add_parser("compare", help="which model keeps the classes of a file apart better, and how fast")
    compare.epilog = (
        "examples:\n  adaptd embeddings compare --data tweets.csv --models base models/ft1\n"
        "  adaptd embeddings compare --sample-size 3000 --n-clusters 12 --json\n\n"
        "Needs the extra `sbert` and no configuration. Equal texts are asked once. A\n"
        "model that has learnt from these labels looks better than it is: give the file\n"
        "of texts that it has not seen. A star stands where an interval that holds for\n"
        "all comparisons together leaves out nothing."
    )
    _add_options(compare)


def _add_options(parser: argparse.ArgumentParser) -> None:
    add, of = parser.add_argument, "default %(default)s"
    models = ["base", "models/fine_tuned"]
    what = "folders of sentence-transformers models, `base` (all-MiniLM-L6-v2) or `hashing`"
    add("--models", metavar="MODEL", nargs="+", default=models, help=f"{what}; default {' '.join(models)}")
    add("--data", metavar="FILE", default="data/raw/labeled_data.csv", help=f"CSV or JSON lines; {of}")
    add("--text-column", metavar="NAME", help="where texts are; without it text, tweet, sentence or input")
    add("--label-column", metavar="NAME", help="where labels are; without it label, class or category")
    add("--sample-size", metavar="N", type=int, default=3000, help=f"texts at most; {of}")
    add("--n-clusters", metavar="K", type=int, default=12, help=f"of k-means; {of}")
    add("--no-preprocessing", action="store_true", help="read texts as they are; else tweets become words")
    add("--seed", metavar="N", type=int, default=42, help=f"of sample and clusters; {of}")
    add("--png", metavar="FOLDER", help="draw a map of the texts by each model")
    add("--json", action="store_true", help=f"as one JSON document, {SCHEMA}")


def embeddings(options: argparse.Namespace) -> int:
    """Ask each model, and tell the table."""
    from components.bad_input import BadInput
    from daemon.embedding_comparing import compare

    try:
        found = compare(_asked(options), lambda line: say(harmless(f"adaptd: {line}")))
    except BadInput as wrong:
        raise NotCompared(f"embeddings compare: {wrong}") from None
    if options.json:
        print_json({"schema": SCHEMA, **found})
        return 0
    for line in _lines(found):
        print(harmless(line))
    return 0


def _asked(options: argparse.Namespace) -> Any:
    from pathlib import Path

    from daemon.embedding_comparing import Asked

    return Asked(
        models=tuple(options.models),
        data=Path(options.data),
        text_column=options.text_column,
        label_column=options.label_column,
        sample_size=options.sample_size,
        clusters=options.n_clusters,
        preprocess="none" if options.no_preprocessing else "tweets",
        seed=options.seed,
        png=None if options.png is None else Path(options.png),
    )


def _lines(found: Mapping[str, Any]) -> Iterable[str]:
    for note in found["notes"]:
        yield from textwrap.wrap(note, 80, subsequent_indent="  ")
    counts = ", ".join(f"{count} {name}" for name, count in list(found["classes"].items())[:6])
    more = len(found["classes"]) - 6
    yield f"{found['texts']} texts: {counts}{f', {more} more classes' if more > 0 else ''}"
    yield ""
    letters = {one["name"]: _letter(number) for number, one in enumerate(found["models"])}
    yield from (f"{letters[one['name']]}  {one['name']}" for one in found["models"])
    yield ""
    yield from _table(found, letters)
    if found["pairs"]:
        yield from _pairs(found["pairs"], letters)
    yield from (f"drawn: {path}" for path in found["pictures"])


def _letter(number: int) -> str:
    return _NAMES[number] if number < len(_NAMES) else str(number + 1)


def _table(found: Mapping[str, Any], letters: Mapping[str, str]) -> Iterable[str]:
    clusters = f"{found['clusters']} clusters"
    yield f"{'':<21}{'purity of':>14}{'silhouette of':>17}{'k-NN':>14}{'regression':>14}"
    heads = f"{'':<5}{'numbers':>8}{'texts/s':>8}{clusters:>14}{'classes':>8}{'clusters':>9}"
    yield f"{heads}{'acc.':>8}{'F1':>6}{'acc.':>8}{'F1':>6}"
    for one in found["models"]:
        speed = f"{one['texts_per_second']:,.0f}"
        yield (
            f"{letters[one['name']]:<5}{one['dimension']:>8}{speed:>8}{one['purity']:>7.3f}{one['balanced_purity']:>7.3f}"
            f"{one['silhouette']:>8.3f}{one['cluster_silhouette']:>9.3f}{_two(one, 'knn')}{_two(one, 'regression')}"
        )
    words = found["bag_of_words"]
    yield f"{'TF-IDF, logistic regression':<66}{words['accuracy']:>8.3f}{words['macro_f1']:>6.3f}"
    yield "purity: as it is, and with as many texts of each class"


def _two(one: Mapping[str, Any], way: str) -> str:
    return f"{one[way]:>8.3f}{one[way + '_macro_f1']:>6.3f}"


def _pairs(pairs: Iterable[Mapping[str, Any]], letters: Mapping[str, str]) -> Iterable[str]:
    yield ""
    yield "gained, with intervals that hold for all together at 95% (* beyond chance)"
    names = {"purity": "purity", "silhouette": "silhouette", "knn": "k-NN", "regression": "regression"}
    for one in pairs:
        shared = f"{one['neighbours_shared']:.0%} of ten neighbours"
        yield f"{letters[one['from']]} → {letters[one['to']]}, which share {shared}"
        for key, name in names.items():
            moved = one[key]
            star = " *" if moved["beyond_chance"] else ""
            yield f"  {name:<12}{moved['gain']:+.3f} ({moved['low']:+.3f} … {moved['high']:+.3f}){star}"
