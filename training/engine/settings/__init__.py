"""What can be set in each kind of run: one frozen dataclass a kind, each field with its help, source and bounds.

A default is the value of Ouyang et al. 2022 (IG) where the paper states one; `PRESETS` has what a smaller machine sets
otherwise. Imports no torch.
"""

from __future__ import annotations

from typing import Any

from training.engine.settings import dpo, ppo, reward, sample, sft
from training.engine.settings.dpo import DPOSettings
from training.engine.settings.ppo import PPOSettings
from training.engine.settings.reward import RewardSettings
from training.engine.settings.sample import SampleSettings
from training.engine.settings.sft import SFTSettings

__all__ = [
    "CLASSES",
    "PRESETS",
    "DPOSettings",
    "PPOSettings",
    "RewardSettings",
    "SFTSettings",
    "SampleSettings",
    "Settings",
]

Settings = SFTSettings | RewardSettings | DPOSettings | PPOSettings | SampleSettings
CLASSES: dict[str, type[Settings]] = {
    "sft": SFTSettings,
    "reward": RewardSettings,
    "dpo": DPOSettings,
    "ppo": PPOSettings,
    "sample": SampleSettings,
}
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "sft": sft.PRESETS, "reward": reward.PRESETS, "dpo": dpo.PRESETS, "ppo": ppo.PRESETS, "sample": sample.PRESETS,
}  # fmt: skip
