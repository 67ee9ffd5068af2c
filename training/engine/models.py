"""Loading models and turning text into tokens, the same way in every script.

Three guarantees: PAD is never the end token (else a model never learns to stop), parameters are cast without touching
fp32 buffers such as the rotary frequencies, and text written by people cannot forge a turn of the chat.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from jinja2 import TemplateError
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from exchange import envelope
from exchange.records import Message
from training.engine import encoder, heads
from training.engine.base import resolve_base
from training.engine.classifiers import know_classifier
from training.engine.errors import RunError
from training.engine.layout import share_prompts
from training.engine.words import harmless, plain_template

CHECKPOINT_FORMAT = "plumbline.checkpoint"
Reference = Mapping[str, Any]
_WRITES = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")  # how classes with an unembedding end
_PAD = "<|pad|>"
_DROPOUTS = ("attention_dropout", "hidden_dropout", "resid_pdrop", "embd_pdrop", "attn_pdrop", "dropout")


def model_folder(inputs: Mapping[str, Any], reference: Reference | None) -> str:
    """Where a model is: the verified checkpoint that `reference` names, or the base model for None or a null path.

    Raises RunError when the checkpoint is missing or changed, or when there is no such base model.
    """
    if reference is None or not reference.get("path"):
        return resolve_base(inputs.get("base_model") or "smollm2", Path(inputs["models_dir"]))
    folder, name = Path(reference["path"]), reference.get("name") or "checkpoint"
    if not folder.is_dir():
        raise RunError(f"The checkpoint of {name} is missing: there is no folder {folder}.")
    try:
        envelope.verify(folder, format=CHECKPOINT_FORMAT, digest=reference.get("digest"))
    except envelope.EnvelopeError as error:
        raise RunError(f"The checkpoint of {name} cannot be used. {error}") from error
    return str(folder)


def load_tokenizer(folder: str) -> PreTrainedTokenizerBase:
    """The folder's tokenizer with a chat template and a PAD apart from its end token."""
    tokenizer = _load(AutoTokenizer, folder)
    encoder.prepare_tokenizer(tokenizer)
    if tokenizer.eos_token_id is None:
        raise RunError(f"The model in {folder} has no end-of-text token, so it could never stop.")
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
        tokenizer.add_special_tokens({"pad_token": _PAD})
    if not tokenizer.chat_template:
        tokenizer.chat_template = plain_template(tokenizer)
    return tokenizer


def policy_config(folder: str) -> PretrainedConfig:
    """What the language model in a folder says of itself, without its weights.

    Raises RunError for a model without an unembedding, such as a reward model: it would get one drawn at random, or
    that of the policy it began as, without a word.
    """
    config = _load(AutoConfig, folder)
    kinds = config.architectures or []
    if not any(kind.endswith(_WRITES) for kind in kinds):
        raise RunError(f"{folder} is not a language model{f' but a {kinds[0]}' if kinds else ''}.")
    return config


def load_policy(
    inputs: Mapping[str, Any], reference: Reference | None, *, dtype: torch.dtype, device: torch.device
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A causal language model in eval mode (no dropout) and its tokenizer; None is the base model."""
    return open_policy(model_folder(inputs, reference), dtype=dtype, device=device)


def open_policy(
    folder: str, *, dtype: torch.dtype, device: torch.device
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """`load_policy` of a folder that `model_folder` gave: verifying it reads every byte, which once is enough for."""
    tokenizer = load_tokenizer(folder)
    policy_config(folder)
    model = _load(AutoModelForCausalLM, folder, dtype=dtype, use_safetensors=True)
    return _ready(model, tokenizer, device), tokenizer


def load_reward(
    inputs: Mapping[str, Any], reference: Reference, *, dtype: torch.dtype, device: torch.device,
    encoders: bool = False,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:  # fmt: skip
    """A trained reward model in eval mode, its body in `dtype` and its scalar head in fp32; also PPO's value model.

    Raises RunError for a checkpoint that is no reward model, for its head would be drawn at random without a word, and
    for one on an encoder unless `encoders`: it scores whole answers, in words of its own, and no tokens.
    """
    folder = model_folder(inputs, reference)
    config = _load(AutoConfig, folder)
    if encoder.is_encoder(config) and not encoders:
        raise RunError(f"{reference.get('name') or folder} is built on an encoder, which PPO cannot use.")
    know_classifier(config)
    model = _load(AutoModelForSequenceClassification, folder, dtype=torch.float32, use_safetensors=True)
    kinds = model.config.architectures or []
    if model.config.num_labels != 1 or not any(kind.endswith("ForSequenceClassification") for kind in kinds):
        raise RunError(f"{reference.get('name') or folder} is not a reward model.")
    return _reward_ready(model, load_tokenizer(folder), dtype, device)


def new_reward(
    inputs: Mapping[str, Any], reference: Reference | None, *, seed: int, dtype: torch.dtype, device: torch.device
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A reward model before training: a policy with its unembedding replaced by a new scalar head (IG 3.5)."""
    folder = model_folder(inputs, reference)
    config = _load(AutoConfig, folder)
    know_classifier(config)
    model = _load(AutoModelForSequenceClassification, folder, dtype=torch.float32, num_labels=1, use_safetensors=True)
    (encoder if encoder.is_encoder(config) else heads).init_head(model, seed)
    return _reward_ready(model, load_tokenizer(folder), dtype, device)


def unembeds_plainly(policy: PreTrainedModel) -> bool:
    """Whether the model's logits are its unembedding of its last hidden state, on which SFT and PPO rely.

    A few architectures scale or bend their logits afterwards. Raises RunError for an encoder and for a model whose
    logits are not finite.
    """
    if encoder.is_encoder(policy.config):
        raise RunError("The model is an encoder, which reads texts and writes none; choose a causal language model.")
    ids = torch.tensor([[policy.config.eos_token_id]], device=policy.device)
    with torch.no_grad():
        plain = policy.get_output_embeddings()(heads.body(policy)(input_ids=ids, use_cache=False).last_hidden_state)
        logits = policy(ids, use_cache=False).logits.float()
        if not torch.isfinite(logits).all():
            raise RunError("The model's numbers are not finite; choose another checkpoint.")
        if getattr(policy.config.get_text_config(), "final_logit_softcapping", None):
            return False  # bends large logits only: a look at one may not show it
        return bool((plain.float() - logits).abs().max() <= 1e-2 * logits.abs().max())


def check_length(
    model: PreTrainedModel, length: int, *, setting: str = "max_length", name: str = "the model"
) -> None:  # fmt: skip
    """Raise RunError when examples of `length` tokens, as a setting says, do not fit into what the model can read."""
    if encoder.is_encoder(model.config):
        room = encoder.room(model)
    else:
        room = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if room is not None and length > room:
        raise RunError(f"{setting} is {length:,} tokens, but {name} reads at most {room:,}.")


def set_dropout(model: PreTrainedModel, probability: float) -> None:
    """Give every dropout of the architecture this probability (0 turns all off)."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = probability
        for name in _DROPOUTS:
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, probability)


def cast_parameters(module: torch.nn.Module, dtype: torch.dtype) -> None:
    """Cast parameters in place and leave the buffers alone: rotary frequencies in bf16 misplace far tokens."""
    for parameter in module.parameters():
        parameter.data = parameter.data.to(dtype)


def encode_prompt(tokenizer: PreTrainedTokenizerBase, messages: Iterable[Message | Mapping[str, str]]) -> list[int]:
    """Token ids of a prompt up to where the assistant begins to speak."""
    return tokenizer.encode(chat_text(tokenizer, messages), add_special_tokens=False)


def chat_text(
    tokenizer: PreTrainedTokenizerBase, messages: Iterable[Message | Mapping[str, str]], *, answered: bool = False
) -> str:
    """A dialogue as the model's chat template writes it, up to where the assistant begins to speak.

    `answered` leaves that beginning out. Raises RunError where the template cannot write it.
    """
    turns = []
    for message in messages:
        role, content = (
            (message.role, message.content) if isinstance(message, Message) else (message["role"], message["content"])
        )
        turns.append({"role": role, "content": harmless(tokenizer, content)})
    try:
        return tokenizer.apply_chat_template(turns, add_generation_prompt=not answered, tokenize=False)
    except TemplateError as error:
        raise RunError(f"The model's chat template cannot show a prompt: {error}.") from error


def encode_completion(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Token ids of an answer with the end token after it."""
    return [*tokenizer.encode(harmless(tokenizer, text), add_special_tokens=False), tokenizer.eos_token_id]


def decode_completion(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> str:
    """The text of sampled ids without special tokens."""
    return tokenizer.decode(ids, skip_special_tokens=True)


def _reward_ready(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, dtype: torch.dtype, device: torch.device
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    cast_parameters(heads.body(model), dtype)
    return _ready(model, tokenizer, device), tokenizer


def _load(cls: Any, folder: str, **options: Any) -> Any:
    """`cls.from_pretrained` that runs no code of the folder's. Raises RunError, one sentence, where it cannot load."""
    try:
        return cls.from_pretrained(folder, trust_remote_code=False, **options)
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".:")
        raise RunError(f"The model in {folder} cannot be loaded: {reason}.") from error


def _ready(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, device: torch.device) -> PreTrainedModel:
    """The model on its device in eval mode, agreeing with its tokenizer, with the tree attention where that works."""
    _agree(model, tokenizer)
    model.to(device).eval()
    if encoder.is_encoder(model.config):
        encoder.prepare_model(model, tokenizer)
    else:
        share_prompts(model)
    return model


def _agree(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Make model and tokenizer agree on vocabulary, PAD and end token."""
    rows = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > rows:
        model.resize_token_embeddings(len(tokenizer))
    model.config.pad_token_id = tokenizer.pad_token_id
    model.config.eos_token_id = tokenizer.eos_token_id
    if getattr(model, "generation_config", None) is not None:
        model.generation_config.pad_token_id = tokenizer.pad_token_id
        model.generation_config.eos_token_id = tokenizer.eos_token_id
