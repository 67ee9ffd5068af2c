"""The table at the end of the demo: pure text from what the API answered."""

from __future__ import annotations

import textwrap
from typing import Any

from config.demo.progress import duration
from config.demo.stages import Outcome

_WIDTH = 100
_ANSWER = 400  # characters of a prompt or an answer that the table shows


def table(outcome: Outcome, site: str, *, is_stopping: bool = False) -> str:
    """Data, measures of each stage, three prompts with their answers, wall times, addresses.

    `is_stopping` where the platform ends with the demo: the addresses are then of its next start.
    """
    parts = [
        _rows("Data", _data(outcome)),
        _rows("Training", _measures(outcome)),
        _answers(outcome.answers),
        _rows("Wall time", [*((n, duration(s)) for n, s in outcome.seconds.items()), _total(outcome.seconds)]),
        _rows("Open, once make run has started it again" if is_stopping else "Open", _addresses(outcome, site)),
    ]
    return "\n\n".join(part for part in parts if part)


def _rows(title: str, rows: list[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in rows) + 2
    lines = [title, "─" * _WIDTH]
    for name, value in rows:
        wrapped = textwrap.wrap(value, _WIDTH - width, break_long_words=False, break_on_hyphens=False) or [""]
        lines.append(f"{name:<{width}}{wrapped[0]}")
        lines += [" " * width + line for line in wrapped[1:]]
    return "\n".join(lines)


def _data(outcome: Outcome) -> list[tuple[str, str]]:
    overview = outcome.overview
    rows = [
        ("project", outcome.project),
        ("prompts", _sum(overview["prompts"])),
        ("demonstrations", _sum(overview["demonstrations"])),
        ("rankings", _sum(overview["rankings"])),
    ]
    if outcome.simulated:
        rows.append(("", "The rankings were given by simulated labelers and are marked so wherever they appear."))
    frozen = "; ".join(
        f"{name} {_sum(counts) if isinstance(counts, dict) else f'{counts:,}'}"
        for name, counts in outcome.snapshot.get("counts", {}).items()
    )
    return [*rows, ("snapshot", f"{outcome.snapshot['digest'][:12]}  {frozen}".rstrip())]


def _measures(outcome: Outcome) -> list[tuple[str, str]]:
    sft, reward, ppo = (outcome.runs[kind]["summary"] for kind in ("sft", "reward", "ppo"))
    rows = [
        ("budget", outcome.budget),
        (
            "SFT validation loss",
            f"{_number(sft, 'valid_loss_before')} → {_number(sft, 'valid_loss_after')}"
            f"  (n = {_count(sft, 'valid_tokens')} tokens)",
        ),
        ("RM pair accuracy", _accuracy(reward)),
        (
            "PPO reward",
            f"{_number(ppo, 'reward_start')} → {_number(ppo, 'reward_end')}{_change(ppo)}{_rule(ppo, 'reward_rule')}",
        ),
        ("PPO KL, nats an answer", f"{_number(ppo, 'kl_start')} → {_number(ppo, 'kl_end')}"),
    ]
    for kind, run in outcome.runs.items():
        rows += [(f"{run['name']} ({kind})", note) for note in run["notes"]]
    return rows


def _change(summary: dict[str, Any]) -> str:
    """The paired change of the reward with its margin, where the run could measure one."""
    if summary.get("reward_change_margin") is None:
        return ""
    return f"  change {summary['reward_change']:+.3f} ± {summary['reward_change_margin']:.3f}"


def _accuracy(summary: dict[str, Any]) -> str:
    if summary.get("valid_accuracy") is None:
        return "not measured: no held-out rankings"
    return (
        f"{summary['valid_accuracy']:.1%}  95 % interval {summary['valid_accuracy_low']:.1%} to "
        f"{summary['valid_accuracy_high']:.1%}{_rule(summary, 'interval_rule')}  "
        f"n = {summary['valid_pairs']:,} pairs in {summary['valid_groups']:,} rankings{_simulated(summary)}"
        f"{_rule(summary, 'tie_rule')}"
    )


def _simulated(summary: dict[str, Any]) -> str:
    count = summary.get("valid_simulated_groups")
    return f", {count:,} of them by simulated labelers" if count else ""


def _answers(found: list[dict[str, Any]]) -> str:
    blocks = []
    for number, row in enumerate(found, 1):
        answers = [(name, _short(text) or "(nothing)") for name, text in row["answers"].items()]
        blocks.append(_rows(f"Held-out prompt {number}", [("prompt", _short(row["prompt"])), *answers]))
    return "\n\n".join(blocks)


def _addresses(outcome: Outcome, site: str) -> list[tuple[str, str]]:
    name, password = outcome.labeler
    return [
        *((run["name"], f"{site}runs/{run['id']}/") for run in outcome.runs.values()),
        ("data", f"{site}data/{outcome.project}/"),
        ("rank", f"{site}label/  ({outcome.tasks_opened} ranking tasks are open)"),
        ("sign in as", f"{name}, password {password}"),
        ("admin and API", f"{site}admin/  {site}api/v1/docs/"),
    ]


def _total(seconds: dict[str, float]) -> tuple[str, str]:
    return "total", duration(sum(seconds.values()))


def _sum(counts: dict[str, int]) -> str:
    split = ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)
    return f"{sum(counts.values()):,}" + (f"  ({split})" if split else "")


def _number(summary: dict[str, Any], name: str) -> str:
    value = summary.get(name)
    return "—" if value is None else f"{round(value, 3) + 0.0:.3f}"  # + 0.0: never -0.000


def _count(summary: dict[str, Any], name: str) -> str:
    value = summary.get(name)
    return "—" if value is None else f"{value:,}"


def _rule(summary: dict[str, Any], name: str) -> str:
    return f"  ({summary[name]})" if summary.get(name) else ""


def _short(text: str) -> str:
    # Models write what they like, terminal commands included: only what can be printed is.
    flat = "".join(c if c.isprintable() else "\ufffd" for c in " ".join(text.split()))
    return flat if len(flat) <= _ANSWER else flat[: _ANSWER - 1] + "…"
