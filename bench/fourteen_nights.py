"""Fourteen simulated days and nights of the daemon with sbert, for ways of choosing what is rated and what is learnt.

    python -m bench.fourteen_nights [--sets davidson clinc150] [--arms shipped random v1 v2] [--nights 14] [--seeds 1]
    python -m bench.fourteen_nights --report                what is finished or under way, without another night

Each day a host answers texts with the model that is in use, and people rate as many answers in every arm; each night
the daemon forms a batch, trains a fixed number of steps, judges, and its gate promotes or turns down. Each morning the
model in use is asked the test split, which is in no log. Arms: the shipped defaults, the same with what is rated drawn
at random, and the presets of the V1 and the V2 document. What was interrupted goes on: every life keeps its folder.

Prints each goal met or MISSED, and writes JSON, a chart and docs/fourteen_nights.md.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from bench.labelled_texts import LabelledTexts, UnreadableData, read_known, read_labelled
from bench.measuring import RESULTS, machine, show_goals, write_json
from bench.nights_judged import goals_of, summary
from bench.nights_lived import ARMS, Life, Sizes, so_far
from bench.text_vectors import CACHE

SETS = ("clinc150", "davidson")
NIGHTS = 14
PAGE = Path(__file__).resolve().parents[1] / "docs" / "fourteen_nights.md"
OF_SET: dict[str, dict[str, Any]] = {"davidson": {"settings": 'preprocess = "tweets"'}}


def main(words: list[str] | None = None) -> int:
    given = _arguments(words)
    try:
        found = _found(given, _lived(given))
    except UnreadableData as error:
        print(error, file=sys.stderr)
        return 2
    write_json(given.json, found)
    _draw(found, given)
    show_goals(found["goals"])
    return 0


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.fourteen_nights", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--sets", nargs="+", choices=SETS, default=SETS, help="which of ../shared/data")
    add("--data", type=Path, metavar="FILE", help="in their place, JSON lines with text, label and perhaps split")
    add("--arms", nargs="+", choices=tuple(ARMS), default=tuple(ARMS))
    add("--nights", type=int, default=NIGHTS)
    add("--seeds", nargs="+", type=int, default=[1], help="default: 1")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="a size of a day or a night")
    add("--report", action="store_true", help="tell what there is, and live no other night")
    add("--note", help="what a reader of the page has to know of these lives")
    add("--cache", type=Path, default=CACHE / "nights", help="where lives are kept (default %(default)s)")
    add("--json", type=Path, default=RESULTS / "fourteen_nights.json")
    add("--page", type=Path, help="where the page is written (default: docs/, where all of it was asked for)")
    return parser.parse_args(words)


def _sizes(given: argparse.Namespace, name: str) -> Sizes:
    sizes = replace(Sizes(), **OF_SET.get(name, {}))
    for one in given.set:
        field, _, value = one.partition("=")
        if field not in sizes.key():
            raise UnreadableData(f"--set {one}: expected one of {', '.join(sizes.key())}")
        kind = type(getattr(sizes, field))
        sizes = replace(sizes, **{field: kind(value)})
    return sizes


def _sets(given: argparse.Namespace) -> list[LabelledTexts]:
    return [read_labelled(given.data)] if given.data else [read_known(name) for name in given.sets]


def _lived(given: argparse.Namespace) -> dict[str, Any]:
    """Night after night in every arm, so that what is there after a while can be compared; then the next set."""
    lives: dict[str, Any] = {}
    for data in _sets(given):
        sizes = _sizes(given, data.name)
        lives[data.name] = {"data": data, "sizes": sizes, "arms": {}}
        for seed in given.seeds:
            for night in range(1, given.nights + 1):
                for arm in given.arms:
                    if found := _life(given, data, arm, seed, sizes, night):
                        lives[data.name]["arms"].setdefault(arm, {})[seed] = found
    return lives


def _life(
    given: argparse.Namespace, data: LabelledTexts, arm: str, seed: int, sizes: Sizes, nights: int
) -> list[dict[str, Any]]:
    """What the life has told up to that night; it lives on till then where that is wanted."""
    told = json.dumps([data.fingerprint, sizes.key()], sort_keys=True)
    place = given.cache / f"{data.name}-{arm}-{seed}-{blake2b(told.encode(), digest_size=4).hexdigest()}"
    found = so_far(place)
    if not given.report and len(found) < nights:
        life = Life(place, data, ARMS[arm], seed, sizes)
        found = life.go_on(nights, lambda line: print(line, flush=True))
        if nights >= NIGHTS:  # it goes on no further: what it has told suffices, and its models are large
            shutil.rmtree(place / "state")
    return found[: given.nights]


def _found(given: argparse.Namespace, lives: dict[str, Any]) -> dict[str, Any]:
    sets = {name: summary(**one, nights=given.nights) for name, one in lives.items() if one["arms"]}
    return {
        "schema": "adaptd.bench.fourteen_nights/1",
        "machine": machine(),
        "nights": given.nights,
        "note": given.note,
        "sets": sets,
        "goals": goals_of(sets),
    }


def _draw(found: dict[str, Any], given: argparse.Namespace) -> None:
    from bench.nights_page import page
    from bench.nights_plot import draw

    print(draw(found, given.json.with_suffix(".svg")))
    whole = given.json == RESULTS / "fourteen_nights.json" and not given.data
    path = given.page or (PAGE if whole else None)
    if path is not None:
        path.write_text(page(found))
        print(f"written: {path}")


if __name__ == "__main__":
    sys.exit(main())
