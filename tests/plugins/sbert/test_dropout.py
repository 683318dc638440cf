"""Quick dropout keeps its share, scales what it keeps, repeats with the seed, and stands where BERT's was."""

import pytest
import torch

from plugins.workloads.sbert.dropout import QuickDropout, with_quick_dropout
from plugins.workloads.sbert.encoder import open_encoder
from tests.sbert_world import small_model


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_its_share_is_dropped_and_the_rest_scaled(share):
    """Within five standard errors of a million draws."""
    torch.manual_seed(3)
    found = QuickDropout(share)(torch.ones(1000, 1001))
    error = 5 * (share * (1 - share) / found.numel()) ** 0.5 + 1 / 65536
    assert abs(float((found == 0).float().mean()) - share) < error
    torch.testing.assert_close(found[found != 0].unique(), torch.tensor([1 / (1 - share)]))


def test_neighbours_are_dropped_independently():
    """The four numbers of one draw share no chance: pairs at each distance are kept as often as chance says."""
    torch.manual_seed(3)
    kept = (QuickDropout(0.3)(torch.ones(1_000_000)) != 0).float()
    for apart in (1, 2, 3, 4):
        assert abs(float((kept[apart:] * kept[:-apart]).mean()) - 0.49) < 0.0035


def test_the_gradient_passes_where_the_value_did():
    """And is scaled alike."""
    given = torch.ones(40, 40, requires_grad=True)
    found = QuickDropout(0.2)(given)
    found.sum().backward()
    torch.testing.assert_close(given.grad, found.detach())


def test_the_same_seed_drops_the_same():
    """Which is what going on to the same last bit hangs on."""
    drops = []
    for _ in range(2):
        torch.manual_seed(7)
        drops.append(QuickDropout(0.5)(torch.ones(99)))
    torch.testing.assert_close(*drops, rtol=0, atol=0)


@pytest.mark.parametrize("in_attention", [True, False])
def test_it_takes_the_place_of_all_layers_but_attentions(in_attention):
    """Whose probability stays, or becomes 0; nothing changes for a model that is asked."""
    encoder = open_encoder(small_model())
    features = encoder.tokenizer(["the parcel is late"], return_tensors="pt")
    before = encoder(dict(features))["sentence_embedding"]
    with_quick_dropout(encoder, "cpu", in_attention=in_attention)
    left = [module.p for module in encoder.modules() if isinstance(module, torch.nn.Dropout)]
    assert left == [0.1 if in_attention else 0.0] * 2
    assert sum(isinstance(module, QuickDropout) for module in encoder.modules()) == 5
    torch.testing.assert_close(encoder(dict(features))["sentence_embedding"], before)
    encoder.train()
    assert not torch.equal(encoder(dict(features))["sentence_embedding"], before)


def test_a_card_keeps_its_own():
    """It draws quickly enough."""
    encoder = open_encoder(small_model())
    with_quick_dropout(encoder, "cuda", in_attention=True)
    assert not any(isinstance(module, QuickDropout) for module in encoder.modules())
