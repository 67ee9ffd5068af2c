"""Reward models on architectures of which transformers has a causal model but no sequence classifier (Mamba, RWKV).

Their classifier is transformers' own generic one over their own body, so nothing is new but the name: a linear head
`score` over the last hidden state, read at the last token that is not padding. Plain transformers loads such a
checkpoint after `know_classifier` of its configuration.
"""

from __future__ import annotations

from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    AutoModelForSequenceClassification,
    PreTrainedConfig,
)
from transformers.modeling_layers import GenericForSequenceClassification


def know_classifier(config: PreTrainedConfig) -> None:
    """Register a sequence classifier of the configuration's architecture where transformers has none of its own."""
    kind = type(config)
    if kind in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING or kind not in MODEL_FOR_CAUSAL_LM_MAPPING:
        return
    causal = MODEL_FOR_CAUSAL_LM_MAPPING[kind]
    name = causal.__name__.removesuffix("ForCausalLM") + "ForSequenceClassification"
    bases = (GenericForSequenceClassification, causal.__mro__[1])
    made = type(name, bases, {"base_model_prefix": causal.base_model_prefix, "config_class": kind})
    AutoModelForSequenceClassification.register(kind, made, exist_ok=True)  # else passed over for transformers' own
