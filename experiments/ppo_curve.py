"""What PPO's reward costs: reward and KL over its iterations, with pretraining text beside it and without, the loss on
that text before and after (the alignment tax), and DPO and best of N beside it at their KL.

    python -m experiments.ppo_curve oasst_trees.jsonl oasst_prompt_lottery.jsonl --text gsm8k/test.jsonl

The judge is the reward model of all rankings, so the rewards are of the proxy: nothing here says what people want.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

from experiments.answers import Judged, answers, best_of, judged, mean
from experiments.corpus import oasst_snapshot, read_lines
from experiments.intervals import between
from experiments.reward_curve import reward
from experiments.runs import HOME, Done, Model, trained
from experiments.sft_curve import sft
from experiments.table import show

PROMPTS, K, MANY = 64, 4, 8
ROOM = {"response_length": 48, "max_prompt_length": 80}
PPO = {**ROOM, "episodes": 192, "learning_rate": 1e-4, "missing_eos_penalty": 0.0,
       "eval_prompts": PROMPTS, "eval_every": 3}  # fmt: skip
RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "PPO": ("ppo-own-0", {"ptx_gamma": 0.0}),
    "PPO-ptx, γ = 1": ("ppo-own-1", {"ptx_gamma": 1.0}),
    "PPO, value on the trunk": ("ppo-0", {
        "ptx_gamma": 0.0, "value": "trunk", "value_learning_rate": 4e-4, "episodes": 256, "eval_every": 4,
    }),
    "PPO, gentler": ("ppo-own-gentle", {"ptx_gamma": 0.0, "learning_rate": 3e-5, "episodes": 384, "eval_every": 4}),
}  # fmt: skip
DPO = {"max_train_tokens": 0, "max_length": 320, "learning_rate": 4e-5, "eval_prompts": PROMPTS, "response_length": 48}
DPOS: dict[str, dict[str, Any]] = {
    "DPO": {}, "DPO, three epochs": {"epochs": 3}, "DPO, three epochs, β = .02": {"epochs": 3, "beta": 0.02},
}  # fmt: skip


def main() -> None:
    """Train and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trees", type=Path)
    parser.add_argument("prompts", type=Path, help="a prompt a line, as a JSON string")
    parser.add_argument("--text", type=Path, required=True, help="GSM8K: questions and worked answers as the text")
    options = parser.parse_args()
    rankings = oasst_snapshot(options.trees)
    policy = sft(rankings, 40_000).model
    judge = reward(rankings, policy, 0, 1, "prompt", 1).model
    asked = oasst_snapshot(options.trees, [str(line) for line in read_lines(options.prompts)])
    text = {"path": str(write_text(options.text))}
    runs = {
        name: trained(f"curve-{slug}", "ppo", asked, {**PPO, **more}, policy=policy, reward=judge, pretrain=text)
        for name, (slug, more) in RUNS.items()
    }
    curves(runs)
    beside(asked, policy, judge, runs)


def write_text(file: Path) -> Path:
    """The questions and answers of the file as pretraining text, a document each."""
    path = HOME / "text" / "gsm8k.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"text": f"{line['question']}\n{line['answer']}"}) for line in read_lines(file)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def curves(runs: dict[str, Done]) -> None:
    """Reward and KL of each iteration's own answers and of the held-out prompts, and the loss on the text."""
    rows = []
    for name, done in runs.items():
        held = {figure: dict(done.curve(figure, "eval")) for figure in ("reward", "reward_margin", "kl")}
        seen = {figure: dict(done.curve(figure)) for figure in ("reward", "kl", "ptx_loss", "mean_length")}
        tax = {0: done.summary["ptx_loss_start"], max(seen["kl"]): done.summary["ptx_loss_end"]}
        for step in sorted({0, *seen["kl"]}):
            rows.append([
                name, step, *(seen[figure].get(step, "") for figure in ("reward", "kl", "mean_length", "ptx_loss")),
                held["reward"].get(step, ""), held["reward_margin"].get(step, ""), held["kl"].get(step, ""),
                tax.get(step, ""),
            ])  # fmt: skip
    head = ("run", "iteration", "reward", "KL, nats", "tokens", "loss on the text, learned from",
            "held-out reward", "±", "held-out KL", "loss on the text, held out")  # fmt: skip
    show("ppo_curve", head, rows, summaries={name: done.summary for name, done in runs.items()})


def beside(snapshot: Path, policy: Model, judge: Model, runs: dict[str, Done]) -> None:
    """All methods by the reward model's score of their answers to the same held-out prompts."""
    rows: list[list[Any]] = []
    head = ("method", "KL, nats", "score above SFT's", "95 %", "prompts", "words")

    def told(name: str, model: Model, count: int = K) -> Judged:
        given = answers(f"curve-{name}", snapshot, model, count, **ROOM, max_prompts=PROMPTS)
        return judged(judge, snapshot, given)

    many = told("SFT", policy, MANY)
    start = {id: mean([score for _, score in some]) for id, some in many.items()}

    def add(name: str, given: Judged, kl: float) -> None:
        gains = [mean([score for _, score in some]) - start[id] for id, some in sorted(given.items())]
        words = mean([float(len(text.split())) for some in given.values() for text, _ in some])
        rows.append([name, kl, mean(gains), between(gains), len(gains), words])
        show("ppo_beside", head, rows)

    add("SFT", many, 0.0)
    for n in (4, MANY):
        add(f"best of {n} of SFT", best_of(many, n), math.log(n) - (n - 1) / n)
    for name, done in runs.items():
        add(name, told(done.directory.name, done.model), done.summary["kl_end"])
    for name, settings in DPOS.items():
        dpo = trained("curve-dpo", "dpo", snapshot, {**DPO, **settings}, policy=policy)
        add(name, told(dpo.directory.name, dpo.model), dpo.summary["kl"])


if __name__ == "__main__":
    main()
