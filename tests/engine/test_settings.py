"""Settings: presets, bounds, and one clear sentence for each kind of mistake."""

import subprocess
import sys

import pytest

from training.engine.config import KINDS, PRESETS, SettingsError, as_dict, describe, differing, settings_for


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_keeps_its_own_bounds(kind, preset):
    settings = settings_for(kind, preset)
    assert as_dict(settings_for(kind, "paper", as_dict(settings))) == as_dict(settings)
    assert differing(kind, preset, settings) == {}


def test_paper_preset_has_the_papers_values():
    sft, reward, ppo = (settings_for(kind, "paper") for kind in ("sft", "reward", "ppo"))
    assert (sft.epochs, sft.batch_size, sft.learning_rate, sft.dropout) == (16, 32, 9.65e-6, 0.2)
    assert (reward.epochs, reward.batch_prompts, reward.learning_rate, reward.ties) == (1, 64, 9e-6, "drop")
    assert (ppo.episodes, ppo.rollout_batch, ppo.minibatch, ppo.inner_epochs) == (256_000, 512, 64, 1)
    assert (ppo.kl_beta, ppo.clip_ratio, ppo.gamma, ppo.value_learning_rate) == (0.02, 0.2, 1.0, 9e-6)


def test_text_is_read_as_the_settings_type():
    settings = settings_for("sft", "cpu", {"learning_rate": "1e-5", "epochs": "3"})
    assert (settings.learning_rate, settings.epochs) == (1e-5, 3)
    assert set(differing("sft", "cpu", settings)) == {"learning_rate", "epochs"}
    assert differing("sft", "cpu", settings)["epochs"] == (3, 1)


@pytest.mark.parametrize(
    ("kind", "overrides", "sentence"),
    [
        ("sft", {"epoch": 1}, "sft has no setting 'epoch'; the nearest is 'epochs'."),
        ("sft", {"zzz": 1}, "sft has no setting 'zzz'."),
        ("sft", {"epochs": 0}, "epochs must be between 1 and 1,000, not 0."),
        ("sft", {"epochs": "1.5"}, "epochs must be a whole number, not '1.5'."),
        ("sft", {"epochs": True}, "epochs must be a whole number, not True."),
        ("sft", {"learning_rate": float("nan")}, "learning_rate must be a number, not nan."),
        ("sft", {"learning_rate": None}, "learning_rate must be a number, not None."),
        ("sft", {"dropout": 0.95}, "dropout must be between 0 and 0.9, not 0.95."),
        ("sft", {"epochs": "9" * 500}, "epochs must be a whole number, not '" + "9" * 58 + "…."),
        ("sft", {"epochs": 10**200}, "epochs must be between 1 and 1,000, not 100" + ",000" * 14 + "…."),
        ("sft", {"epochs": 10**20 + 1}, "epochs must be between 1 and 1,000, not 100,000,000,000,000,000,001."),
        ("sft", {"epochs": 10**5000}, "epochs must be a whole number, not a number of thousands of digits."),
        ("sft", {"x" * 500: 1}, "sft has no setting '" + "x" * 58 + "…."),
        ("reward", {"ties": "k" * 500}, "ties must be one of drop, half, not '" + "k" * 58 + "…."),
        ("reward", {"ties": "keep"}, "ties must be one of drop, half, not 'keep'."),
        (
            "ppo",
            {"rollout_batch": 30, "minibatch": 16},
            "rollout_batch must be a multiple of minibatch, but 30 is not one of 16.",
        ),
        ("dpo", {"sharding": "all"}, "sharding must be one of none, layers, not 'all'."),
        (
            "sft",
            {"sharding": "layers", "lora_rank": 8},
            "sharding = layers trains all weights: set lora_rank to 0, or sharding to none.",
        ),
        ("ppo", {"episodes": 8}, "episodes must be at least rollout_batch, but 8 is less than 32."),
    ],
)
def test_mistakes_are_told_in_one_sentence(kind, overrides, sentence):
    with pytest.raises(SettingsError) as error:
        settings_for(kind, "cpu", overrides)
    assert str(error.value) == sentence


def test_ppo_has_no_weight_of_the_value_loss_whose_adam_would_undo_it():
    with pytest.raises(SettingsError, match="ppo has no setting 'vf_coef'"):
        settings_for("ppo", "cpu", {"vf_coef": 0.5})


def test_unknown_kind_and_preset():
    with pytest.raises(SettingsError, match="no kind of run 'grpo'; there are sft, reward, dpo, ppo, sample"):
        settings_for("grpo")
    with pytest.raises(SettingsError, match="no preset 'large'; there are paper, small, cpu"):
        settings_for("sft", "large")


def test_descriptions_are_complete():
    for kind in KINDS:
        for info in describe(kind):
            assert info.help.endswith("."), info
            assert info.type in ("int", "float", "str")
            assert (info.type == "str") == (info.choices is not None) or info.name == "backbone", info
            bounded = info.minimum is not None and info.maximum is not None
            assert info.choices or bounded or info.type == "str", info


def test_settings_load_without_torch():
    code = "import sys, training.engine.config, training.engine.errors; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
