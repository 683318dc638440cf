"""Two local models translate there and back; nothing is downloaded."""

import pytest

from components.back_translation import BackTranslator
from components.bad_input import BadInput


def test_a_folder_without_a_model_is_told(tmp_path):
    """At once, not when it is first used."""
    with pytest.raises(BadInput, match=r"translation folder 'there': found .*, expected a folder with a tra"):
        BackTranslator(str(tmp_path / "none"), str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(BadInput, match="translation folder 'back'"):
        BackTranslator(tmp_path, tmp_path / "none")
    with pytest.raises(BadInput, match="batch_size: found 0"):
        BackTranslator(tmp_path, tmp_path, batch_size=0)


@pytest.mark.slow
def test_saved_models_are_loaded_and_give_a_text_for_each_text(tmp_path):
    """A tiny T5 with random weights: as many texts as were given, in their order, the same every time."""
    pytest.importorskip("transformers")
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
        from tokenizers import Tokenizer, models, pre_tokenizers
        from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

        words = ["<pad>", "</s>", "<unk>", *["draw", "a", "shop", "the", "bank", "opens", "at", "nine", "two", "cats"]]
        plain = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
        plain.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=plain, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
        )
        torch.manual_seed(0)
        sizes = {"d_model": 16, "d_ff": 16, "d_kv": 8, "num_layers": 1, "num_heads": 2}
        model = T5ForConditionalGeneration(
            T5Config(vocab_size=len(words), decoder_start_token_id=0, eos_token_id=1, pad_token_id=0, **sizes)
        )
        for name in ("there", "back"):
            model.save_pretrained(tmp_path / name)
            tokenizer.save_pretrained(tmp_path / name)
        translate = BackTranslator(tmp_path / "there", tmp_path / "back", batch_size=2, longest=8)
        texts = ["draw a shop", "the bank opens at nine", "two cats"]
        said = translate(texts)
        alone = [translate([text])[0] for text in texts]
    assert len(said) == 3
    assert all(isinstance(text, str) for text in said)
    assert said == alone == translate(texts)
