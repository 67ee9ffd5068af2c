"""What a run found, in words: its figures in a fixed order, and one line that stands for the run in lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from training.models import Run
from training.progress import spoken
from training.selectors.reward_tables import beside_accuracy

Figures = dict[str, Any]


def summary_rows(run: Run) -> list[tuple[str, str]]:
    """(what, figure) of a run's summary, intervals beside their figures; keys that no rule knows come last."""
    left: Figures = dict(run.summary)
    rows: list[tuple[str, str]] = []
    accuracy = _accuracy(left)
    if accuracy:
        rows.append(("Held-out pairs ranked as labelers did", accuracy))
    if simulated := left.pop("valid_simulated_groups", 0):
        rows.append(
            ("Of them by simulated labelers", f"{told(simulated)} of {told(run.summary.get('valid_groups'))} rankings")
        )
    rows += beside_accuracy(left)
    for label, before, after in _PAIRS:
        if before in left and after in left:
            margins = [
                left.pop(f"{key.rpartition('_')[0]}_margin_{key.rpartition('_')[2]}", None) for key in (before, after)
            ]
            values = [
                _with_margin(left.pop(key), margin) for key, margin in zip((before, after), margins, strict=True)
            ]
            rows.append((label, " → ".join(values)))
    if "reward_change" in left:
        change = _with_margin(left.pop("reward_change"), left.pop("reward_change_margin", None))
        rows.append(("Change of the reward, prompt by prompt", change))
    if "best_of" in left:
        best = _with_margin(left.pop("best_of_reward", None), left.pop("best_of_reward_margin", None))
        text = f"{best} at KL ≤ {told(left.pop('best_of_kl', None))}"
        rows.append((f"Best of {told(left.pop('best_of'))} answers of the start, the same prompts", text))
    rows += [
        (_LABELS[key], _time(left.pop(key)) if key in _DURATIONS else told(left.pop(key)))
        for key in _LABELS
        if key in left
    ]
    return rows + [(key.replace("_", " ").capitalize(), told(value)) for key, value in left.items()]


def headline(run: Run) -> str:
    """What came out, in one short line; empty before the end."""
    if run.state != Run.State.SUCCEEDED:
        return ""
    try:
        return _dry_headline(run.summary) if run.dry_run else _HEADLINES[run.kind](run.summary)
    except (KeyError, TypeError, ValueError):  # a summary of another version
        return ""


def told(value: Any) -> str:
    """A figure as people read it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–" if value is None else str(value)
    if isinstance(value, int) or value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.3g}" if abs(value) < 0.1 else f"{value:.2f}"


_PAIRS = (
    ("Validation loss, before → after", "valid_loss_before", "valid_loss_after"),
    ("Training loss, first → last quarter", "train_loss_start", "train_loss_end"),
    ("Reward, start → end", "reward_start", "reward_end"),
    ("Score, start → end", "score_start", "score_end"),
    ("KL to reference, start → end", "kl_start", "kl_end"),
    ("Answers that end by themselves, start → end", "eos_rate_start", "eos_rate_end"),
    ("Answer length, start → end", "mean_length_start", "mean_length_end"),
    ("Different pairs of neighbouring tokens, start → end", "distinct_2_start", "distinct_2_end"),
    ("Held-out pretraining loss, start → end (alignment tax)", "ptx_loss_start", "ptx_loss_end"),
)
_LABELS = {
    "reward_rule": "Reward measured on",
    "interval_rule": "Interval",
    "tie_rule": "Ties",
    "kendall_tau": "Kendall’s τ, mean over rankings",
    "mean_confidence": "Mean confidence in a pair, σ(Δ)",
    "calibration_error": "Calibration error (ECE)",
    "saved_weights": "Weights that were saved",
    "kl_beta_end": "KL β at the end",
    "valid_loss": "Validation loss",
    "valid_reward": "Reward of validation answers",
    "selected_step": "Step that was kept",
    "kl": "KL to the reference, nats an answer",
    "mean_length": "Answer length",
    "valid_groups": "Validation rankings",
    "valid_tokens": "Validation tokens",
    "train_demonstrations": "Demonstrations learned from",
    "train_groups": "Rankings learned from",
    "train_pairs": "Pairs learned from",
    "train_tokens": "Training tokens",
    "episodes": "Episodes",
    "prompts": "Prompts",
    "models": "Models",
    "completions": "Completions",
    "tokens": "Tokens",
    "eos_rate": "Answers that end by themselves",
    "bias": "Bias",
    "demonstration_mean": "Mean score of demonstrations",
    "iterations": "Iterations",
    "steps": "Optimizer steps",
    "skipped_steps": "Steps skipped, numbers not finite",
    "train_prompts": "Training prompts reached",
    "eval_prompts": "Held-out prompts",
    "valid_demonstrations": "Validation demonstrations",
    "bias_demonstrations": "Demonstrations that set the bias",
    "left_out_long": "Left out: too long",
    "left_out_groups": "Left out: rankings without a pair",
    "left_out_ties": "Left out: ties only",
    "left_out_budget": "Left out: beyond the budget",
    "valid_left_out_long": "Left out of validation: too long",
    "valid_left_out_groups": "Left out of validation: rankings without a pair",
    "valid_left_out_ties": "Left out of validation: ties only",
    "valid_left_out_budget": "Left out of validation: beyond the budget",
    "valid_not_finite": "Left out of validation: scores not finite",
    "eval_left_out_long": "Left out of the held-out prompts: too long",
    "eval_left_out_budget": "Left out of the held-out prompts: beyond the limit",
    "bias_left_out_long": "Left out of the bias: too long",
    "bias_left_out_budget": "Left out of the bias: beyond the budget",
    "answers": "Answers",
    "seconds_a_step": "Seconds a step",
    "seconds_an_answer": "Seconds an answer",
    "seconds_before": "Before the first step, loading and evaluation",
    "seconds_until_the_last": "Until the last step",
    "memory_gib": "Memory held at most, GiB",
    "gpu_memory_gib": "GPU memory held at most, GiB",
    "memory_free_before_gib": "Memory that was free, GiB",
    "saved_state_gib": "A saved state, GiB",
    "disk_free_gib": "Disk that is free, GiB",
    "tokens_per_second": "Tokens a second",
    "episodes_per_second": "Episodes a second",
}
_DURATIONS = ("seconds_before", "seconds_until_the_last")


def _accuracy(left: Figures) -> str:
    """ "71.8 % of 2,310 pairs, 69.9–73.7" and those keys taken out; empty where there is no accuracy."""
    if left.get("valid_accuracy") is None:
        return ""
    text = f"{100 * left.pop('valid_accuracy'):.1f} %"
    if "valid_pairs" in left:
        text += f" of {told(left.pop('valid_pairs'))} pairs"
    low, high = left.pop("valid_accuracy_low", None), left.pop("valid_accuracy_high", None)
    if low is not None and high is not None:
        text += f", 95 % interval {100 * low:.1f}–{100 * high:.1f}"
    return text


def _time(value: Any) -> str:
    return spoken(value) if isinstance(value, int | float) else told(value)


def _with_margin(value: Any, margin: Any) -> str:
    return told(value) if margin is None else f"{told(value)} ± {told(margin)}"


def _reward_headline(summary: Figures) -> str:
    simulated = summary.get("valid_simulated_groups", 0)
    some = "simulated" if simulated == summary.get("valid_groups") else "partly simulated"
    who = f", {some} labelers" if simulated else ""
    return f"{100 * summary['valid_accuracy']:.1f} % of {told(summary['valid_pairs'])} pairs{who}"


def _dry_headline(summary: Figures) -> str:
    memory = summary.get("gpu_memory_gib", summary["memory_gib"])
    return f"would take about {spoken(summary['seconds_until_the_last'])} and {told(memory)} GiB"


_HEADLINES: dict[str, Callable[[Figures], str]] = {
    "sft": lambda s: f"loss {told(s['valid_loss_before'])} → {told(s['valid_loss_after'])}",
    "reward": _reward_headline,
    "dpo": _reward_headline,
    "ppo": lambda s: f"reward {told(s['reward_start'])} → {told(s['reward_end'])}, KL {told(s['kl_end'])}",
    "sample": lambda s: f"{told(s['completions'])} completions of {told(s['prompts'])} prompts",
}
