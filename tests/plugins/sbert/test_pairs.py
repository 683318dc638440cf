"""What feedback makes of pairs: near-duplicates of one label, and a right label against a rejected one."""

import numpy as np
import pytest
import torch

from daemon.pooling import Wanted, judged_of, pool_of
from plugins.workloads.sbert.settings import SbertSettings
from plugins.workloads.sbert.task import _Partners, lesson_of
from plugins.workloads.sbert.workload import Sbert
from tests.derived_world import DerivedWorld
from tests.intake_world import feedback
from tests.sbert_world import CORRECTED, QUESTIONS, answers, learnt_from
from tests.sbert_world import pool_of as pool_of_rows

RANKING = SbertSettings(objective="ranking")
CLASSES = ("login", "parcel", "refund")


@pytest.fixture
def world(tmp_path):
    made = DerivedWorld(tmp_path)
    yield made
    made.close()


def partners_of(rows, settings=RANKING, negatives=None):
    data = Sbert(settings).examples(pool_of_rows(rows))
    lesson = lesson_of(data, None, CLASSES, settings, np.random.default_rng(1))
    if negatives is not None:
        object.__setattr__(lesson, "negatives", np.array(negatives))
    return data, _Partners(lesson, settings)


def test_near_duplicates_of_one_label_are_partners_more_often():
    """Every other time; where the label is another one they never are."""
    texts = ["where is my parcel", "Where is my parcel?", *(f"parcel number {n} {n * 7}" for n in range(6))]
    rows = [{"input": text, "correction": "parcel"} for text in texts]
    rows.append({"input": "where is my parcel!", "correction": "login"})
    _, partners = partners_of(rows)
    rng = np.random.default_rng(2)
    drawn = [int(partners.of(np.array([0]), rng)[0][0][0]) for _ in range(300)]
    assert 0.45 < np.mean(np.array(drawn) == 1) < 0.7
    assert set(drawn) == set(range(1, 8))


def test_negatives_come_from_the_label_that_was_rejected():
    """Every other time, the mined one otherwise; an example of which nothing was rejected has mined ones alone."""
    rows = [
        {"input": "a", "output": "login", "verdict": "worse", "compared_with": "refund"},
        {"input": "b", "output": "login", "thumb": "up"},
        {"input": "c", "output": "parcel", "thumb": "up"},
    ]
    data, partners = partners_of(rows, negatives=[[2], [2], [1]])
    assert (data.labels, data.rejected) == (("refund", "login", "parcel"), ("login", "", ""))
    rng = np.random.default_rng(2)
    drawn = np.array([partners.of(np.arange(3), rng)[0][1] for _ in range(200)])
    assert 0.4 < np.mean(drawn[:, 0] == 1) < 0.6
    assert set(drawn[:, 0]) == {1, 2}
    assert (set(drawn[:, 1]), set(drawn[:, 2])) == ({2}, {1})


def test_pairs_of_a_real_log_are_of_the_learn_side_alone(world):
    """Preferences and near-duplicates: what is held out, and what is near to it, is in no pair."""
    for number in range(12):
        side = ("learn", "validate", "judge")[number % 3]
        world.output_on(side, f"o{number}", output="login", rated=False)
        world.send(feedback(f"p{number}", f"o{number}", verdict="worse", compared_with="refund"))
    held = world.text_on("judge", "please send the parcel to my new address at the river street tomorrow, {}")
    near = world.text_on("learn", held + " ok {}")
    from tests.intake_world import output

    world.send(output("held", input=held, output="parcel"), output("near", input=near, output="parcel"))
    world.send(feedback("u1", "held", thumb="up"), feedback("u2", "near", thumb="up"))
    world.prepare()
    workload = Sbert(RANKING)
    wanted = Wanted((), tuple(workload.describe().needs))
    pooled = pool_of(world.source(), wanted, {}, world.moment())
    data = workload.examples(pooled.pool)
    learnt = {world.ids[f"o{number}"] for number in range(0, 12, 3)}
    assert set(data.examples.tolist()) == learnt
    assert (set(data.labels), set(data.rejected)) == ({"refund"}, {"login"})
    assert pooled.held_apart["near"] == 1
    judged = judged_of(world.source(), wanted, world.moment(), "all")
    assert not {text["input"] for text in judged.pool.texts(np.arange(len(judged.pool)))} & set(data.inputs)


@pytest.mark.parametrize(
    ("objective", "wrong"), [("classify", 0.5), ("classify_contrast", 0.5), ("contrast", 0.0), ("ranking", 0.0)]
)
def test_a_thumb_down_without_a_label_teaches_heads_alone(objective, wrong):
    """All other labels may be right: that is no pair, and a loss that only compares texts learns nothing from it."""
    rows = [{"input": "a", "output": "login", "thumb": said} for said in ("up", "down")]
    settings = SbertSettings(objective=objective, class_weights="none")
    data = Sbert(settings).examples(pool_of_rows(rows))
    assert (data.labels, data.right.tolist()) == (("login", "login"), [True, False])
    assert lesson_of(data, None, CLASSES, settings, np.random.default_rng(1)).weights.tolist() == [1.0, wrong]


@pytest.mark.parametrize("objective", ["ranking", "triplet", "classify"])
def test_it_learns_from_preferences_alone(objective, tmp_path):
    """Nobody corrected anything: of two labels somebody said which is the better one."""
    torch.set_num_threads(1)
    rows = [
        {"input": text, "output": "refund" if label == "login" else "login", "verdict": "worse", "compared_with": label}
        | {"worse": True}
        for text, label in QUESTIONS
    ]
    assert learnt_from(rows, tmp_path, objective=objective).state == "finished"
    texts, labels = zip(*QUESTIONS, strict=True)
    assert np.mean(np.array(answers(tmp_path, texts)) == np.array(labels)) > 0.8


def test_its_dataset_says_which_examples_it_has():
    """A judging must know of which example each answer is, where some teach nothing."""
    rows = [CORRECTED[0], {"input": "a", "output": "b"}, CORRECTED[1]]
    assert Sbert(RANKING).examples(pool_of_rows(rows)).examples.tolist() == [0, 2]
