"""What each objective costs is what a second, slower way of writing it says."""

import math

import numpy as np
import pytest
import torch

from plugins.workloads.sbert.objectives import Views, logits_of, losses_of, unlikeliness
from plugins.workloads.sbert.settings import SbertSettings
from plugins.workloads.sbert.task import nearest_centre, single_head

ROWS, SIZE, CLASSES = 6, 8, 3
LABELS = [0, 0, 1, 1, 2, 0]


@pytest.fixture
def vectors():
    rng = np.random.default_rng(5)
    return [torch.tensor(rng.standard_normal((ROWS, SIZE)), dtype=torch.float32) for _ in range(3)]


def views(own, *others, right=None, missing=None, negative_labels=None):
    return Views(
        own,
        others,
        torch.tensor(LABELS),
        torch.tensor([True] * ROWS if right is None else right),
        torch.tensor([False] * ROWS if missing is None else missing),
        None if negative_labels is None else torch.tensor(negative_labels),
    )


def head(width=SIZE):
    rng = np.random.default_rng(7)
    made = torch.nn.Linear(width, CLASSES)
    made.weight.data = torch.tensor(rng.standard_normal((CLASSES, width)), dtype=torch.float32)
    made.bias.data = torch.tensor(rng.standard_normal(CLASSES), dtype=torch.float32)
    return made


def loss(name, seen, **settings):
    width = 3 * SIZE if name == "softmax_pair" else SIZE
    with torch.no_grad():
        return losses_of(head(width), seen, SbertSettings(objective=name, **settings))


def unit(tensor):
    rows = tensor.numpy().astype(np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_classify_is_cross_entropy_over_scaled_unit_vectors(vectors):
    """And for a wrong label, of all others together."""
    right = [True, True, True, True, True, False]
    found = loss("classify", views(vectors[0], right=right), scale=5.0)["nll"].numpy()
    weights, bias = head().weight.detach().numpy(), head().bias.detach().numpy()
    for row, label in enumerate(LABELS):
        logits = 5.0 * unit(vectors[0])[row] @ weights.T + bias
        chances = np.exp(logits) / np.exp(logits).sum()
        chance = chances[label] if right[row] else 1 - chances[label]
        assert found[row] == pytest.approx(-math.log(chance), rel=1e-4)


def test_one_class_costs_nothing_and_has_no_slope():
    """There is nothing to tell apart."""
    logits = torch.zeros(2, 1, requires_grad=True)
    lost = unlikeliness(logits, torch.zeros(2, dtype=torch.long), torch.tensor([True, False]))
    lost.sum().backward()
    assert lost.tolist() == [0, 0]
    assert logits.grad.tolist() == [[0], [0]]


def test_softmax_pair_is_one_layer_over_two_texts_and_their_difference(vectors):
    """As SoftmaxLoss has it; folded it is a head for one text."""
    u, v = (torch.tensor(unit(one), dtype=torch.float32) for one in vectors[:2])
    layer = head(3 * SIZE)
    output = layer(torch.cat([u, v, (u - v).abs()], dim=1))
    wanted = torch.nn.functional.cross_entropy(output, torch.tensor(LABELS), reduction="none")
    found = loss("softmax_pair", views(vectors[0], vectors[1]))["nll"]
    assert found.tolist() == pytest.approx(wanted.tolist(), rel=1e-4)
    folded = single_head(layer, SIZE)
    same = layer(torch.cat([u, u, torch.zeros_like(u)], dim=1))
    assert torch.allclose(logits_of(folded, vectors[0], 1.0), same, atol=1e-5)


def test_contrast_is_the_supervised_contrastive_loss(vectors):
    """For each anchor the mean over its positives, itself left out."""
    seen, each = views(vectors[0]), unit(vectors[0])
    found = loss("contrast", seen, temperature=0.1)["contrast"].numpy()
    for row, label in enumerate(LABELS):
        others = [place for place in range(ROWS) if place != row]
        total = sum(math.exp(each[row] @ each[place] / 0.1) for place in others)
        alike = [place for place in others if LABELS[place] == label]
        terms = [-math.log(math.exp(each[row] @ each[place] / 0.1) / total) for place in alike]
        assert found[row] == pytest.approx(np.mean(terms) if terms else 0.0, rel=1e-4, abs=1e-6)


def test_a_wrong_label_compares_with_nothing(vectors):
    """As an anchor it costs nothing, and it is nobody's neighbour."""
    right = [True, True, True, True, True, False]
    for name in ("contrast", "triplet"):
        found = loss(name, views(vectors[0], right=right))[name]
        moved = vectors[0].clone()
        moved[5] += 3.0
        assert found[5] == 0
        assert torch.equal(found, loss(name, views(moved, right=right))[name])


def test_triplet_is_the_mean_of_all_that_hurt(vectors):
    """Each (anchor, alike, other) of the batch whose margin is not kept."""
    found = loss("triplet", views(vectors[0]), margin=0.4)["triplet"].numpy()
    each = unit(vectors[0])
    for row, label in enumerate(LABELS):
        alike = [place for place in range(ROWS) if LABELS[place] == label and place != row]
        others = [place for place in range(ROWS) if LABELS[place] != label]
        lost = [max(0.0, 0.4 + each[row] @ each[o] - each[row] @ each[a]) for a in alike for o in others]
        hurt = [one for one in lost if one > 0]
        assert found[row] == pytest.approx(np.mean(hurt) if hurt else 0.0, rel=1e-4, abs=1e-6)


def test_ranking_seeks_the_partner_among_texts_of_other_labels(vectors):
    """Mined negatives among them; a row whose partner is missing costs nothing."""
    negatives = [1, 2, 0, 2, 0, 1]
    missing = [False, False, False, False, True, False]
    seen = views(*vectors, missing=missing, negative_labels=negatives)
    found = loss("ranking", seen, temperature=0.2)["ranking"].numpy()
    own, positive, negative = (unit(one) for one in vectors)
    for row, label in enumerate(LABELS):
        against = [own[row] @ positive[place] for place in range(ROWS) if LABELS[place] != label]
        against += [own[row] @ negative[place] for place in range(ROWS) if negatives[place] != label]
        mine = math.exp(own[row] @ positive[row] / 0.2)
        wanted = -math.log(mine / (mine + sum(math.exp(one / 0.2) for one in against)))
        assert found[row] == pytest.approx(0.0 if missing[row] else wanted, rel=1e-4)


def test_simcse_seeks_the_text_itself_and_looks_at_no_label(vectors):
    """Among all others of the batch."""
    found = loss("simcse", views(vectors[0], vectors[1], right=[False] * ROWS), temperature=0.05)["simcse"].numpy()
    near = unit(vectors[0]) @ unit(vectors[1]).T / 0.05
    for row in range(ROWS):
        assert found[row] == pytest.approx(-math.log(math.exp(near[row, row]) / np.exp(near[row]).sum()), rel=1e-4)


def test_both_losses_are_told_apart(vectors):
    """So that the loop weighs them, and health rules see each."""
    both = loss("classify_contrast", views(vectors[0]))
    assert torch.equal(both["nll"], loss("classify", views(vectors[0]))["nll"])
    assert torch.equal(both["contrast"], loss("contrast", views(vectors[0]))["contrast"])


@pytest.mark.parametrize("name", ["classify", "softmax_pair", "contrast", "ranking"])
def test_matryoshka_is_the_mean_over_beginnings(name, vectors):
    """Of the whole and of each length that is shorter."""
    others = vectors[1:2] if name != "classify" else []
    whole = views(vectors[0], *others)
    key = {"classify": "nll", "softmax_pair": "nll"}.get(name, name)
    found = loss(name, whole, matryoshka=(4, 2, SIZE))[key]
    if name in ("contrast", "ranking"):
        parts = [loss(name, whole.cut(size))[key] for size in (SIZE, 4, 2)]
        assert torch.allclose(found, sum(parts) / 3)
    else:
        assert not torch.allclose(found, loss(name, whole)[key])


def test_the_nearest_centre_leaves_the_text_itself_out():
    """Of each class the mean of the other texts that are right, by a slower way of writing it."""
    rng = np.random.default_rng(8)
    vectors, labels = rng.standard_normal((40, 3)).astype(np.float32), rng.integers(0, 4, 40)
    right = rng.random(40) < 0.8
    each = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for row, found in enumerate(nearest_centre(vectors, labels, right)):
        others = [(labels == label) & right & (np.arange(40) != row) for label in range(4)]
        assert found == np.argmax([each[row] @ each[members].mean(axis=0) for members in others])


def test_a_class_of_two_is_met_by_the_other_one_alone():
    """Cosine 0.6 to it, 0.5 to the text of another class; counting the text itself would halve the former."""
    vectors = np.array([[1.0, 0.0], [0.6, 0.8], [0.5, 0.75**0.5]], np.float32)
    assert nearest_centre(vectors, np.array([0, 0, 1]), np.array([True] * 3))[0] == 0
