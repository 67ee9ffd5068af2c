"""What can be set in sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from training.engine.settings import fields


@dataclass(frozen=True)
class SampleSettings:
    """Answers of several models to the same prompts, on their way to the people."""

    seed: int = fields.seed()
    dtype: str = fields.dtype()
    prompts_split: str = fields.setting(
        "heldout", "Prompts to answer; heldout is validation and test together.",
        source="IG 4: held-out customers", choices=("heldout", "valid", "test", "train"),
    )  # fmt: skip
    max_prompts: int = fields.setting(0, "Most prompts; 0 is no limit.", minimum=0, maximum=10**9)
    samples_per_prompt: int = fields.setting(1, "Answers of each model to each prompt.", minimum=1, maximum=64)
    response_length: int = fields.setting(1024, "Longest sampled answer, in tokens.", minimum=1, maximum=65_536)
    max_prompt_length: int = fields.setting(
        1000, "Longest prompt, in tokens; longer ones are left out and counted.", source="IG A.3", minimum=1,
        maximum=131_072,
    )  # fmt: skip
    temperature: float = fields.setting(
        1.0, "Sampling temperature; 0 is greedy.", source="IG C.4", minimum=0.0, maximum=10.0
    )
    top_p: float = fields.setting(1.0, "Nucleus sampling's mass; 1 is off.", minimum=0.01, maximum=1.0)
    top_k: int = fields.setting(
        0, "Draw from the likeliest tokens only; 0 is off.", source="not in the paper", minimum=0, maximum=1_000_000
    )
    engine: str = fields.setting(
        "own", "What draws: our own loop, or vLLM where the machine that samples has it.", source="not in the paper",
        choices=("own", "vllm"),
    )  # fmt: skip
    batch_rows: int = fields.setting(64, "Answers sampled side by side.", minimum=1, maximum=65_536)


PRESETS: dict[str, dict[str, Any]] = {
    "small": {"max_prompts": 256, "response_length": 256, "max_prompt_length": 512},
    "cpu": {
        "max_prompts": 12, "response_length": 96, "max_prompt_length": 256, "temperature": 0.7, "top_p": 0.95,
        "batch_rows": 16,
    },
}  # fmt: skip
