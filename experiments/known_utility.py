"""Preferences of a known utility: do base < SFT < PPO hold in what is truly wanted, and what does β → 0 break?

    python -m experiments.known_utility self_instruct/user_oriented_instructions.jsonl self_instruct/seed_tasks.jsonl \
        --prompts koala_test_set.jsonl

A simulated labeler wants short answers to the point that end and do not repeat themselves. Of the files'
demonstrations SFT learns the quarter that this labeler likes best, as people demonstrate what they want. Four answers
of SFT to half of the prompts are ranked by the utility plus Gumbel noise (a Plackett-Luce ranking). The reward model
sees the rankings only, and PPO the reward model only (no penalty for a missing end). PPO, DPO and best of N are then
judged by the utility itself, on prompts that nothing was trained on, with intervals over prompts.
"""

from __future__ import annotations

import argparse
import itertools
import math
import random
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from exchange.records import Completion, Prompt, RankedCompletion, RankingGroup
from exchange.snapshot import read_snapshot
from experiments.answers import Judged, answers, best_of, judged, mean
from experiments.corpus import read_lines, snapshot_of
from experiments.intervals import between
from experiments.runs import Done, Model, trained
from experiments.table import show

K, NOISE, LONGEST = 4, 0.5, 40
JUDGED = 2  # answers to each held-out prompt; of SFT the K that were drawn for the rankings
TOPIC = 2.0  # points for a word of the prompt
EPISODES = 768
BETAS = (0.0, 0.05, 0.2)
ROOM = {"response_length": LONGEST, "max_prompt_length": 88}
# The preset's learning rate, 4e-5, had hardly moved the training reward in five iterations.
PPO = {**ROOM, "value": "trunk", "learning_rate": 1e-4, "value_learning_rate": 4e-4, "missing_eos_penalty": 0.0,
       "eval_prompts": 48}  # fmt: skip
DPO = {"max_train_tokens": 0, "eval_prompts": 48, "response_length": LONGEST}
DPOS: dict[str, dict[str, Any]] = {
    "DPO, one epoch": {},
    "DPO, three epochs": {"epochs": 3},
    "DPO, three epochs, learning rate 3e-5": {"epochs": 3, "learning_rate": 3e-5},
    "DPO, three epochs, learning rate 3e-5, β = .02": {"epochs": 3, "learning_rate": 3e-5, "beta": 0.02},
}
SFT = {"max_length": 192, "max_train_tokens": 0, "epochs": 4, "learning_rate": 1e-4}
Means = dict[str, float]  # of each prompt


def utility(prompt: str, text: str) -> float:
    """What the simulated labeler wants: a word of the prompt (`echoes`), about twelve words, no pair of words twice, a
    full stop at the end; at most 5 points.
    """
    words = text.split()
    if not words:
        return -4.0
    pairs = list(itertools.pairwise(words))
    variety = len(set(pairs)) / len(pairs) if pairs else 1.0
    form = 2.0 * variety + float(text.rstrip().endswith((".", "!", "?"))) - abs(math.log(len(words) / 12))
    return form + TOPIC * echoes(prompt, text)


def echoes(prompt: str, text: str) -> bool:
    """Whether an answer has a word of four letters or more of its prompt."""
    words, asked = (set(re.findall(r"[a-z]{4,}", one.lower())) for one in (text, prompt))
    return bool(words & asked)


def main() -> None:
    """Train all, judge all by the true utility, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("demonstrations", type=Path, nargs="+", help="files of Self-Instruct's instructions")
    parser.add_argument("--prompts", type=Path, nargs="*", default=[], help="JSON lines with a prompt each")
    parser.add_argument("--dpo", action="store_true", help="train and judge DPO on the rankings, too")
    options = parser.parse_args()
    pairs = [(f"{line['instruction']}\n\n{one['input']}".strip(), one["output"])
             for file in options.demonstrations for line in read_lines(file)
             for one in line["instances"][:1]]  # fmt: skip
    pairs += [(line["prompt"], "") for file in options.prompts for line in read_lines(file)]
    told = snapshot_of(wanted(pairs))
    sft = trained("known-sft", "sft", told, SFT).model
    drawn, held = (answers("known-drawn", told, sft, K, split=split, **ROOM) for split in ("train", "valid"))
    ranked = snapshot_of(pairs, rankings(told, [*(one for one in drawn if is_ranked(one.prompt_id)), *held]))
    judge = trained("known-reward", "reward", ranked, {"max_train_tokens": 0, "max_eval_groups": 0}, policy=sft)
    table = Table(ranked, judge.model)
    spoken = judged(judge.model, ranked, held)
    table.reference = table.means(spoken)
    table.add("base", table.answered("base", None))
    table.add("SFT", spoken, kl=0.0)
    table.add(f"best of {K} of SFT", best_of(spoken, K), kl=math.log(K) - (K - 1) / K)
    runs = {}
    for beta in BETAS:
        settings = {**PPO, "episodes": EPISODES, "kl_beta": beta}
        name = f"PPO, β = {beta:g}"
        runs[name] = trained(f"known-ppo-{beta:g}", "ppo", ranked, settings, policy=sft, reward=judge.model)
        table.add_run(name, runs[name])
    curve(runs)
    if options.dpo:
        for name, more in DPOS.items():
            table.add_run(name, trained("known-dpo", "dpo", ranked, {**DPO, **more}, policy=sft))
    table.show(judge)


def wanted(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pairs of prompt and demonstration, without demonstrations below the quarter that the labeler likes best."""
    least = statistics.quantiles([utility(prompt, answer) for prompt, answer in pairs if answer.strip()], n=4)[-1]
    return [
        (prompt, answer if answer.strip() and utility(prompt, answer) >= least else "") for prompt, answer in pairs
    ]


def curve(runs: dict[str, Done]) -> None:
    """Means over each four iterations of PPO, on their own 128 answers."""
    names = ("score", "kl", "mean_length", "eos_rate", "distinct_2")
    rows = []
    for name, done in runs.items():
        figures = [[value for _, value in done.curve(figure)] for figure in names]
        rows += [
            [name, f"{start + 1}-{start + 4}", *(mean(column[start : start + 4]) for column in figures)]
            for start in range(0, len(figures[0]), 4)
        ]
    head = ("run", "iterations", "reward model's score", "KL, nats", "tokens", "ended", "different pairs of tokens")
    show("known_utility_curve", head, rows)


class Table:
    """The rows: what models answer to held-out prompts, by the true utility and by the reward model."""

    def __init__(self, snapshot: Path, judge: Model) -> None:
        self.snapshot, self.judge = snapshot, judge
        self.prompts = {prompt.id: prompt.messages[0].content for prompt in read_snapshot(snapshot, Prompt)}
        self.reference: Means = {}
        self.rows: list[list[Any]] = []

    def means(self, given: Judged) -> Means:
        """The mean utility of the answers to each prompt."""
        return {id: mean([utility(self.prompts[id], text) for text, _ in some]) for id, some in given.items()}

    def answered(self, name: str, model: Model) -> Judged:
        """A model's answers to the held-out prompts."""
        return judged(self.judge, self.snapshot,
                      answers(f"known-judged-{name}", self.snapshot, model, JUDGED, **ROOM))  # fmt: skip

    def add(self, name: str, given: Judged, *, kl: float | str = "") -> None:
        """A row: mean utility, what it is above SFT's on the same prompts, the means of words and score, KL."""
        found = self.means(given)
        near = {id: mean([float(echoes(self.prompts[id], text)) for text, _ in some]) for id, some in given.items()}
        above = [found[id] - self.reference[id] for id in sorted(found)]
        every = [one for some in given.values() for one in some]
        self.rows.append([
            name, mean(list(found.values())), between([found[id] for id in sorted(found)]), mean(above),
            between(above), len(found), mean([float(len(text.split())) for text, _ in every]),
            mean([float(text.rstrip().endswith((".", "!", "?"))) for text, _ in every]),
            mean([score for _, score in every]), kl, mean(list(near.values())),
            between([near[id] for id in sorted(near)]),
        ])  # fmt: skip
        self.show()

    def add_run(self, name: str, done: Done) -> None:
        """The row of a run's checkpoint, with its KL on held-out prompts."""
        kl = done.summary.get("kl_end", done.summary.get("kl", ""))
        self.add(name, self.answered(done.directory.name, done.model), kl=kl)

    def show(self, judge: Done | None = None) -> None:
        """Print the table as far as it is."""
        head = ("model", "true utility", "95 %", "above SFT", "95 %", "prompts", "words", "full stop",
                "reward model's score", "KL, nats", "echoes", "95 %")  # fmt: skip
        show("known_utility", head, self.rows, reward_model=judge.summary if judge else {})


def is_ranked(prompt_id: str) -> bool:
    """Whether the answers to a training prompt are ranked: half of the prompts, without regard to what they say."""
    return int(prompt_id.removeprefix("p")) % 2 == 0


def rankings(snapshot: Path, completions: Sequence[Completion]) -> list[RankingGroup]:
    """A noisy ranking of each prompt's answers; equal texts count once."""
    prompts = {prompt.id: prompt for prompt in read_snapshot(snapshot, Prompt)}
    by_prompt: dict[str, dict[str, Completion]] = {}
    for one in completions:
        if one.text.strip():
            by_prompt.setdefault(one.prompt_id, {}).setdefault(one.text, one)
    found = []
    for id, texts in sorted(by_prompt.items()):
        if len(texts) < 2:
            continue
        rng = random.Random(id)  # noqa: S311
        asked = prompts[id].messages[0].content
        worth = {text: utility(asked, text) - NOISE * math.log(-math.log(rng.random())) for text in texts}
        order = sorted(texts, key=lambda text: -worth[text])
        shown = tuple(RankedCompletion(one.id, text, "SFT") for text, one in texts.items())
        ranks = tuple(order.index(text) for text in texts)
        of = prompts[id]
        found.append(RankingGroup(f"r-{id}", id, of.messages, shown, ranks, of.split, "simulated", "simulated"))
    return found


if __name__ == "__main__":
    main()
