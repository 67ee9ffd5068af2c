"""What every setting carries (help, source, bounds) and the settings that several kinds of run share. No torch."""

from __future__ import annotations

from dataclasses import field
from typing import Any

N_PLUS = "Huang et al. 2024 (2403.17031)"


def setting(
    default: Any,
    help: str,
    *,
    source: str = "not stated in the paper",
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] | None = None,
) -> Any:
    metadata = {"help": help, "source": source, "minimum": minimum, "maximum": maximum, "choices": choices}
    return field(default=default, metadata=metadata)


def seed() -> Any:
    return setting(1, "Seed of the data order, new weights and sampling.", minimum=0, maximum=2**31 - 1)


def save_minutes() -> Any:
    text = (
        "Minutes between two saved states, from which a run that was killed goes on; 0 saves only when it is stopped."
    )
    return setting(10.0, text, source="not in the paper", minimum=0.0, maximum=10_000.0)


def dtype() -> Any:
    text = "Precision of weights and activations; auto takes bf16 where the hardware has it. Optimizer: always fp32."
    return setting("auto", text, choices=("auto", "fp32", "bf16"))


def sharding() -> Any:
    text = (
        "Every process holds the whole model (none), or its part of each layer's weights, gradients and Adam moments, "
        "gathered layer by layer for each pass (layers): less memory, more traffic between processes."
    )
    return setting("none", text, source="not in the paper; FSDP2 of PyTorch", choices=("none", "layers"))


def max_length() -> Any:
    text = "Longest prompt and completion together, in tokens; longer ones are left out and counted, never cut."
    return setting(2048, text, source="IG appendix C: context of 2k tokens", minimum=16, maximum=131_072)


def micro_tokens(default: int = 16_384) -> Any:
    text = (
        "Most tokens, padding included, in one forward pass. Changes speed and memory, not the result, but for what "
        "dropout happens to drop."
    )
    return setting(default, text, minimum=16, maximum=4_000_000)


def recompute() -> Any:
    text = (
        "Keep only each layer's input for the backward pass and compute the rest again, a third more work for a tenth "
        "of the memory: in passes over micro_tokens, as one long ranking may be (auto), or in all of them (always)."
    )
    return setting("auto", text, source="Chen et al. 2016 (1604.06174)", choices=("auto", "always"))


def kept_tokens(settings: Any) -> int:
    """The most tokens of a forward pass whose activations are kept for the backward pass."""
    return 0 if settings.recompute == "always" else settings.micro_tokens


def budget(what: str, default: int = 0) -> Any:
    return setting(default, f"Most tokens of {what}; 0 is no limit.", minimum=0, maximum=10**12)


def max_grad_norm() -> Any:
    return setting(1.0, "Gradients are scaled down to this total L2 norm.", minimum=1e-6, maximum=1e6)


def weight_decay() -> Any:
    return setting(0.0, "AdamW's decoupled weight decay, on matrices only.", minimum=0.0, maximum=1.0)


def lora_rank() -> Any:
    text = (
        "Rank of the adapters that learn in place of the weights; 0 trains all weights. "
        "Adapters want about ten times the learning rate."
    )
    return setting(0, text, source="not in the paper; Hu et al. 2021 (2106.09685)", minimum=0, maximum=4096)


def lora_alpha() -> Any:
    text = "Adapters are scaled by this over their rank."
    return setting(32.0, text, source="not in the paper; Hu et al. 2021, 4.1", minimum=0.001, maximum=65_536.0)
