"""Reward models on no ordinary causal model: encoders of the BERT family, and recurrent models without masks."""

import json

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertModel,
    MambaConfig,
    MambaForCausalLM,
    RobertaConfig,
    RobertaForSequenceClassification,
    TokenizersBackend,
)

from exchange.records import RankingGroup
from exchange.snapshot import read_snapshot
from tests.engine.conftest import in_double
from tests.engine.test_reward_run import LEARN
from training.engine import encoder
from training.engine.attention import has_tree_attention
from training.engine.base import byte_tokenizer
from training.engine.classifiers import know_classifier
from training.engine.errors import RunError
from training.engine.models import encode_completion, encode_prompt, load_reward, load_tokenizer, new_reward
from training.engine.scoring import score_families

SMALL = {"vocab_size": 260, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
         "intermediate_size": 64, "max_position_embeddings": 300, "pad_token_id": 0}  # fmt: skip
FAMILIES = [([7, 8, 9], [[20, 21, 3], [22, 3], [23, 24, 25, 26, 3]]), ([], [[30, 3]])]
CPU = torch.device("cpu")


def bert_tokenizer() -> TokenizersBackend:
    """Bytes after BERT's own special tokens; it has no end token."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", *alphabet))}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return TokenizersBackend(
        tokenizer_object=backend, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", unk_token="[UNK]"
    )


@pytest.fixture(scope="module")
def bert_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bert")
    torch.manual_seed(5)
    BertModel(BertConfig(**SMALL)).save_pretrained(folder)
    bert_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def mamba_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mamba")
    torch.manual_seed(5)
    config = MambaConfig(vocab_size=259, hidden_size=32, state_size=8, num_hidden_layers=2, pad_token_id=0,
                         eos_token_id=2, bos_token_id=None)  # fmt: skip
    MambaForCausalLM(config).save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return folder


def loaded(folder, dtype=torch.float32):
    inputs = {"base_model": str(folder), "models_dir": "/nowhere"}
    return new_reward(inputs, None, seed=3, dtype=dtype, device=CPU)


def test_an_encoder_learns_and_plain_transformers_gives_its_scores(make_snapshot, run_script, bert_folder):
    snapshot = make_snapshot()
    ran = run_script("reward", snapshot, {**LEARN, "backbone": str(bert_folder)})
    assert ran.code == 0, ran.result
    assert ran.summary["train_loss_end"] < ran.summary["train_loss_start"] / 2
    assert any("rows are used" in note["text"] for note in ran.of("note"))
    folder = ran.directory / ran.result["checkpoint"]
    assert json.loads((folder / "plumbline.json").read_text())["parents"]["base_model"] == str(bert_folder)

    plain, tokenizer = (
        AutoModelForSequenceClassification.from_pretrained(folder),
        AutoTokenizer.from_pretrained(folder),
    )
    reference = {"path": str(folder), "digest": ran.result["digest"], "name": "RM 1"}
    ours, _ = load_reward({}, reference, dtype=torch.float32, device=CPU, encoders=True)
    for record in read_snapshot(snapshot, RankingGroup, split="valid"):
        prompt = encode_prompt(tokenizer, record.messages)
        answers = [encode_completion(tokenizer, completion.text) for completion in record.completions]
        rows = [torch.tensor([[tokenizer.cls_token_id, *prompt, *answer]]) for answer in answers]
        with torch.no_grad():
            wanted = [float(plain(input_ids=row).logits[0, 0]) + plain.config.reward_bias for row in rows]
            found = score_families(ours, [(prompt, answers)])[0].tolist()
        assert all(answer[-1] == tokenizer.sep_token_id for answer in answers)
        assert found == pytest.approx(wanted, abs=1e-5)
    with pytest.raises(RunError, match="RM 1 is built on an encoder, which PPO cannot use"):
        load_reward({}, reference, dtype=torch.float32, device=CPU)


@pytest.mark.oracle(8)
def test_an_encoders_rows_do_not_depend_on_their_neighbours(bert_folder):
    model, _ = loaded(bert_folder)
    model.double()
    together = torch.cat(score_families(model, FAMILIES))
    alone = [
        float(model(input_ids=torch.tensor([[2, *prompt, *answer]])).logits[0, 0].detach())
        for prompt, answers in FAMILIES
        for answer in answers
    ]
    assert together.tolist() == pytest.approx(alone, abs=1e-12)


def test_an_encoders_head_starts_small_and_computes_in_fp32_over_a_bf16_body(bert_folder):
    model, tokenizer = loaded(bert_folder, torch.bfloat16)
    assert model.classifier.weight.std().item() == pytest.approx((1 / 33) ** 0.5, rel=0.4)
    assert model.classifier.bias.tolist() == [0.0]
    assert (model.bert.encoder.layer[0].output.dense.weight.dtype, model.classifier.weight.dtype) == (
        torch.bfloat16, torch.float32,
    )  # fmt: skip
    assert score_families(model, FAMILIES)[0].dtype is torch.float32
    assert tokenizer.eos_token_id == tokenizer.sep_token_id


def test_robertas_head_of_two_layers_and_its_positions():
    config = RobertaConfig(**{**SMALL, "pad_token_id": 1, "num_labels": 1})
    model = RobertaForSequenceClassification(config).eval()
    encoder.init_head(model, 3)
    encoder.prepare_model(model, bert_tokenizer())
    assert encoder.room(model) == 300 - 1 - 2  # positions begin behind the padding's number, and the first token
    assert model.classifier.out_proj.bias.tolist() == [0.0]
    model.roberta.bfloat16()
    assert torch.isfinite(torch.cat(score_families(model, FAMILIES))).all()
    with torch.no_grad():  # the longest that fits
        score_families(model, [([9] * 200, [[9] * 97])])
    with pytest.raises((IndexError, RuntimeError)):
        score_families(model, [([9] * 200, [[9] * 98])])


def test_an_encoder_without_room_for_the_length_is_refused(make_snapshot, run_script, bert_folder):
    ran = run_script("reward", make_snapshot(), {**LEARN, "backbone": str(bert_folder), "max_length": 300})
    assert ran.refusal == "max_length is 300 tokens, but the model reads at most 299."


def test_a_policy_and_a_backbone_are_one_too_many(make_snapshot, run_script, bert_folder):
    settings = {**LEARN, "backbone": str(bert_folder)}
    ran = run_script("reward", make_snapshot(), settings, policy={"name": "SFT", "path": "/x", "digest": "0"})
    assert ran.refusal == "A reward model starts from a policy or from the backbone that is set, not from both."


def test_a_checkpoint_of_another_kind_or_none_is_refused(make_snapshot, run_script, tmp_path):
    ran = run_script("reward", make_snapshot(), {**LEARN, "backbone": str(tmp_path / "nothing")})
    assert ran.refusal.startswith("There is no base model in the folder ")
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "config.json").write_text('{"model_type": "no-such-architecture"}')
    ran = run_script("reward", make_snapshot(), {**LEARN, "backbone": str(tmp_path / "odd")})
    assert "cannot be loaded" in ran.refusal


def test_mamba_uses_rows_by_itself_and_has_a_head_of_its_own(make_snapshot, run_script, mamba_folder):
    ran = run_script("reward", make_snapshot(), {**LEARN, "epochs": 4, "backbone": str(mamba_folder)})
    assert ran.code == 0, ran.result
    assert ran.summary["train_loss_end"] < ran.summary["train_loss_start"]
    assert any("rows are used" in note["text"] for note in ran.of("note"))
    folder = ran.directory / ran.result["checkpoint"]
    know_classifier(MambaConfig())
    plain = AutoModelForSequenceClassification.from_pretrained(folder)
    ours, _ = load_reward({}, {"path": str(folder)}, dtype=torch.float32, device=CPU)
    assert not has_tree_attention(ours)
    with torch.no_grad():
        found = torch.cat(score_families(ours, FAMILIES[:1]))
        for score, answer in zip(found.tolist(), FAMILIES[0][1], strict=True):
            hidden = plain.backbone(input_ids=torch.tensor([FAMILIES[0][0] + answer])).last_hidden_state[0, -1]
            assert score == pytest.approx(float(plain.score(hidden)) + plain.config.reward_bias, abs=1e-5)


def test_mambas_padding_behind_a_row_changes_nothing(mamba_folder):
    model, _ = loaded(mamba_folder)
    in_double(model)
    together = torch.cat(score_families(model, FAMILIES[:1]))
    for score, answer in zip(together.tolist(), FAMILIES[0][1], strict=True):
        alone = score_families(model, [(FAMILIES[0][0], [answer])])[0].item()
        assert score == pytest.approx(alone, abs=1e-9)


def test_a_causal_tokenizer_keeps_its_own_end_token(tmp_path):
    byte_tokenizer().save_pretrained(tmp_path)
    assert load_tokenizer(str(tmp_path)).eos_token == "<|im_end|>"
