"""What a run found, in words: figures worked out by hand from the summaries that the engine writes."""

import pytest

from training.models import Run
from training.selectors.summaries import headline, summary_rows, told

SFT = {"valid_loss_before": 2.4133, "valid_loss_after": 1.9217, "valid_tokens": 7712, "tokens_per_second": 188.24}
REWARD = {
    "valid_accuracy": 0.71834, "valid_pairs": 2310, "valid_accuracy_low": 0.6994, "valid_accuracy_high": 0.7372,
    "interval_rule": "bootstrap over rankings", "bias": -0.031, "valid_groups": 190,
}  # fmt: skip
PPO = {"reward_start": -0.21, "reward_margin_start": 0.1, "reward_end": 0.84, "reward_margin_end": 0.2, "kl_end": 6.14}


def run(kind, summary, state="succeeded"):
    return Run(kind=kind, summary=summary, state=state)


@pytest.mark.parametrize(
    ("kind", "summary", "line"),
    [
        ("sft", SFT, "loss 2.41 → 1.92"),
        ("reward", REWARD, "71.8 % of 2,310 pairs"),
        ("ppo", PPO, "reward -0.21 → 0.84, KL 6.14"),
        ("dpo", REWARD, "71.8 % of 2,310 pairs"),
        ("sample", {"completions": 1200, "prompts": 400}, "1,200 completions of 400 prompts"),
        ("sft", {}, ""),
        ("reward", {"valid_accuracy": None, "valid_pairs": 0}, ""),
    ],
)
def test_one_line_for_lists(kind, summary, line):
    assert headline(run(kind, summary)) == line


def test_a_run_that_did_not_succeed_has_no_line():
    assert headline(run("sft", SFT, "failed")) == ""


def test_befores_and_afters_stand_together():
    assert summary_rows(run("sft", SFT)) == [
        ("Validation loss, before → after", "2.41 → 1.92"),
        ("Validation tokens", "7,712"),
        ("Tokens a second", "188.2"),
    ]


def test_an_accuracy_comes_with_its_number_and_interval():
    assert summary_rows(run("reward", REWARD)) == [
        ("Held-out pairs ranked as labelers did", "71.8 % of 2,310 pairs, 95 % interval 69.9–73.7"),
        ("Interval", "bootstrap over rankings"),
        ("Validation rankings", "190"),
        ("Bias", "-0.031"),
    ]


def test_what_a_dry_run_says_of_time_is_said_in_hours():
    found = {"steps": 2410, "seconds_a_step": 3.1, "seconds_before": 41.2, "seconds_until_the_last": 7512}
    assert summary_rows(run("sft", found)) == [
        ("Optimizer steps", "2,410"),
        ("Seconds a step", "3.10"),
        ("Before the first step, loading and evaluation", "41 s"),
        ("Until the last step", "2 h 5 min"),
    ]


def test_simulated_labelers_are_named_wherever_their_rankings_are_counted():
    found = {**REWARD, "valid_simulated_groups": 120}
    assert headline(run("reward", found)) == "71.8 % of 2,310 pairs, partly simulated labelers"
    assert headline(run("reward", {**REWARD, "valid_simulated_groups": 190})).endswith("pairs, simulated labelers")
    assert headline(run("reward", {**REWARD, "valid_simulated_groups": 0})) == "71.8 % of 2,310 pairs"
    assert ("Of them by simulated labelers", "120 of 190 rankings") in summary_rows(run("reward", found))
    agreed = {"human_agreement": 0.711, "human_agreement_pairs": 304, "human_agreement_simulated": True}
    [row] = summary_rows(run("reward", agreed))
    assert row == ("Simulated labelers agree with one another", "71.1 % of 304 pairs")


def test_margins_stand_with_their_figures():
    assert summary_rows(run("ppo", PPO)) == [
        ("Reward, start → end", "-0.21 ± 0.10 → 0.84 ± 0.20"),
        ("Kl end", "6.14"),  # without its start it is a figure like any other
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), ("drop", "drop"), (True, "True"), (0, "0"), (0.0, "0"), (1234567, "1,234,567"), (0.03125, "0.0312"),
     (1.005, "1.00"), (123.46, "123.5"), (-3.0, "-3")],
)  # fmt: skip
def test_figures(value, text):
    assert told(value) == text


def test_the_best_of_n_stands_with_its_margin_and_its_kl():
    summary = {"best_of": 4, "best_of_reward": 1.25, "best_of_reward_margin": 0.5, "best_of_kl": 0.636294}
    assert summary_rows(Run(kind="ppo", summary=summary)) == [
        ("Best of 4 answers of the start, the same prompts", "1.25 ± 0.50 at KL ≤ 0.64"),
    ]


def test_the_change_of_the_reward_stands_with_its_margin():
    run = Run(kind="ppo", summary={"reward_change": 0.514597, "reward_change_margin": 0.668338, "eval_prompts": 12})
    assert summary_rows(run) == [
        ("Change of the reward, prompt by prompt", "0.51 ± 0.67"),
        ("Held-out prompts", "12"),
    ]
