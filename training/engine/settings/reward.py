"""What can be set in the reward model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from training.engine.settings import fields


def _margin(strength: str, usual: str) -> Any:
    text = f"Margin that a pair of {strength} must be apart; neighbours' margins add up."
    return fields.setting(0.0, text, source=f"not in the paper; Llama 2, table 27: {usual}", minimum=0.0, maximum=10.0)


@dataclass(frozen=True)
class RewardSettings:
    """The reward model over all K-choose-2 pairs of a prompt (IG section 3.5, eq. 1, and appendix C.2)."""

    seed: int = fields.seed()
    dtype: str = fields.dtype()
    save_minutes: float = fields.save_minutes()
    sharding: str = fields.sharding()
    backbone: str = fields.setting(
        "", "Folder or hub id of the model to build on, a causal model or an encoder such as BERT; empty: the policy "
        "to start from, or the base model.", source="IG 3.5: the SFT model",
    )  # fmt: skip
    epochs: int = fields.setting(
        1, "Passes over the ranking groups.", source="IG C.2: more overfit", minimum=1, maximum=100
    )
    batch_prompts: int = fields.setting(64, "Ranking groups a step.", source="IG C.2", minimum=1, maximum=65_536)
    learning_rate: float = fields.setting(
        9e-6, "AdamW's peak; falls along a cosine to a tenth.", source="IG C.2", minimum=1e-9, maximum=1.0
    )
    warmup_steps: int = fields.setting(0, "Steps of linear warm-up.", minimum=0, maximum=10**6)
    weight_decay: float = fields.weight_decay()
    max_grad_norm: float = fields.max_grad_norm()
    ties: str = fields.setting(
        "drop", "What a tie teaches: nothing (drop) or equal scores (half).", source="IG 3.5: dropped",
        choices=("drop", "half"),
    )  # fmt: skip
    grouping: str = fields.setting(
        "prompt", "All pairs of a ranking learned together, every prompt alike (prompt), or each pair by itself, "
        "shuffled among all, in as many steps (pairs).", source="IG 3.5: together; shuffled overfits",
        choices=("prompt", "pairs"),
    )  # fmt: skip
    label_smoothing: float = fields.setting(
        0.0, "Share of pairs whose label is taken for wrong; the least loss is then at this chance of being wrong.",
        source="not in the paper", minimum=0.0, maximum=0.49,
    )  # fmt: skip
    centring: float = fields.setting(
        0.0, "Weight of (score + score)² of each pair, which keeps scores near 0.",
        source="not in the paper; Eisenstein et al. 2023: .01", minimum=0.0, maximum=100.0,
    )  # fmt: skip
    margin_1: float = _margin("the least strength, 1", "0 or 1/3")
    margin_2: float = _margin("strength 2", "1/3 or 2/3")
    margin_3: float = _margin("strength 3", "2/3 or 1")
    margin_4: float = _margin("strength 4, where four are asked", "1")
    layout: str = fields.setting(
        "prefix", "Forward each prompt once for all its completions (prefix), or once for each (rows).",
        source="equal results; prefix is faster", choices=("prefix", "rows"),
    )  # fmt: skip
    max_length: int = fields.max_length()
    micro_tokens: int = fields.micro_tokens()
    recompute: str = fields.recompute()
    max_train_tokens: int = fields.budget("the training groups in one epoch, each prompt counted once")
    max_eval_groups: int = fields.setting(0, "Most validation groups; 0 is no limit.", minimum=0, maximum=10**9)
    max_bias_tokens: int = fields.budget("the demonstrations whose mean score the bias sets to 0")
    folds: int = fields.setting(
        0, "Deal the labelers into this many groups and leave one out of training, to be judged apart; 0 leaves none "
        "out.", source="IG 3.5: 5 in a check of generalisation", minimum=0, maximum=100,
    )  # fmt: skip
    fold: int = fields.setting(
        0, "Which group of labelers is left out, from 0.", source="IG 3.5: each in turn", minimum=0, maximum=99
    )


# A smaller model than the paper's 1.3B needs a larger step; few data and one or two epochs need it larger still.
PRESETS: dict[str, dict[str, Any]] = {
    "small": {"batch_prompts": 32, "learning_rate": 2e-5, "max_length": 1024},
    "cpu": {
        "batch_prompts": 4, "learning_rate": 4e-5, "max_length": 512, "micro_tokens": 1024,
        "max_train_tokens": 60_000, "max_eval_groups": 40, "max_bias_tokens": 4_000,
    },
}  # fmt: skip
