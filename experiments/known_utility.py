"""Preferences of a known utility: do base < SFT < PPO hold in what is truly wanted, and what does β → 0 break?

    python -m experiments.known_utility path/to/self_instruct.jsonl path/to/more_prompts.jsonl

A simulated labeler wants short answers that end and do not repeat themselves, and ranks four answers of SFT by that
utility plus Gumbel noise (a Plackett-Luce ranking). The reward model sees the rankings only. PPO, DPO and best of N
are then judged by the utility itself, on prompts that nothing was trained on, with intervals over prompts.
"""

from __future__ import annotations

import argparse
import itertools
import math
import random
from collections.abc import Sequence
from pathlib import Path

from exchange.completions import read_batch
from exchange.records import Completion, Message, Prompt, RankedCompletion, RankingGroup
from exchange.snapshot import read_snapshot
from experiments.corpus import read_lines, snapshot_of
from experiments.runs import Done, Model, trained
from experiments.table import show

K, NOISE, LONGEST = 4, 0.5, 40
EPISODES = (256, 512, 1024)
BETAS = (0.05, 0.0)
ASK = {"response_length": LONGEST, "max_prompt_length": 96, "temperature": 1.0, "top_p": 1.0, "max_prompts": 0}


def utility(text: str) -> float:
    """What the simulated labeler wants: about twelve words, no pair of words twice, a full stop at the end."""
    words = text.split()
    if not words:
        return -4.0
    pairs = list(itertools.pairwise(words))
    variety = len(set(pairs)) / len(pairs) if pairs else 1.0
    return 2.0 * variety + float(text.rstrip().endswith((".", "!", "?"))) - abs(math.log(len(words) / 12))


def main() -> None:
    """Train all, judge all by the true utility, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("demonstrations", type=Path, help="Self-Instruct's user-oriented instructions")
    parser.add_argument("prompts", type=Path, nargs="?", help="JSON lines with a prompt each")
    options = parser.parse_args()
    pairs = [(f"{line['instruction']}\n\n{one['input']}".strip(), one["output"])
             for line in read_lines(options.demonstrations) for one in line["instances"][:1]]  # fmt: skip
    pairs += [(line["prompt"], "") for line in read_lines(options.prompts)] if options.prompts else []
    told = snapshot_of(pairs)
    sft = trained("known-sft", "sft", told, {"max_length": 256, "epochs": 2, "max_eval_tokens": 0}).model
    drawn = [completion for split in ("train", "valid") for completion in answers("drawn", told, sft, K, split)]
    ranked = snapshot_of(pairs, rankings(told, drawn))
    judge = trained("known-reward", "reward", ranked, {"max_train_tokens": 0, "max_eval_groups": 0}, policy=sft)
    rows = [line("base", ranked, None), line("SFT", ranked, sft)]
    rows += [best_of(ranked, sft, judge.model, n) for n in (4, 16)]
    dpo = trained("known-dpo", "dpo", ranked, {"max_train_tokens": 0}, policy=sft)
    rows.append(line("DPO", ranked, dpo.model, dpo))
    for beta in BETAS:
        for episodes in EPISODES:
            settings = {"episodes": episodes, "response_length": LONGEST, "max_prompt_length": 96, "kl_beta": beta}
            done = trained(
                f"known-ppo-{beta:g}-{episodes}", "ppo", ranked, settings, policy=sft, reward=judge.model
            )  # fmt: skip
            rows.append(line(f"PPO, β = {beta:g}, {episodes} episodes", ranked, done.model, done))
    head = ("model", "true utility", "95 %", "prompts", "words", "reward model's score", "KL, nats")
    show("known_utility", head, rows, accuracy=judge.summary)


def answers(name: str, snapshot: Path, model: Model, count: int, split: str) -> list[Completion]:
    """`count` answers of a model (None: the base) to each prompt of a split, at temperature 1."""
    who = model or {"name": "base", "path": None, "digest": None}
    done = trained(f"known-{name}-{split}", "sample", snapshot,
                   {**ASK, "samples_per_prompt": count, "prompts_split": split}, policies=[who])  # fmt: skip
    return list(read_batch(done.directory / done.completions))


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
        worth = {text: utility(text) - NOISE * math.log(-math.log(rng.random())) for text in texts}
        order = sorted(texts, key=lambda text: -worth[text])
        shown = tuple(RankedCompletion(one.id, text, "SFT") for text, one in texts.items())
        ranks = tuple(order.index(text) for text in texts)
        of = prompts[id]
        found.append(RankingGroup(f"r-{id}", id, of.messages, shown, ranks, of.split, "simulated", "simulated"))
    return found


def line(name: str, snapshot: Path, model: Model, done: Done | None = None) -> list[object]:
    """One row: the true utility of a model's answers to held-out prompts."""
    given = answers(f"judged-{name}", snapshot, model, K, "valid")
    summary = done.summary if done else {}
    return [name, *estimate(given), summary.get("score_end", ""), summary.get("kl_end", "")]


def best_of(snapshot: Path, sft: Model, judge: Model, n: int) -> list[object]:
    """The row of best of N: of N answers of SFT the one that the reward model likes best."""
    from experiments.scores import scored

    given: dict[str, list[Completion]] = {}
    for one in answers(f"best-of-{n}", snapshot, sft, n, "valid"):
        given.setdefault(one.prompt_id, []).append(one)
    prompts: dict[str, tuple[Message, ...]] = {
        prompt.id: prompt.messages for prompt in read_snapshot(snapshot, Prompt, split="valid")
    }
    scores = scored(judge, [(prompts[id], [one.text for one in some]) for id, some in given.items()])
    best = [max(zip(row, some, strict=True), key=lambda pair: pair[0])
            for row, some in zip(scores, given.values(), strict=True)]  # fmt: skip
    mean = sum(score for score, _ in best) / len(best)
    return [f"best of {n} of SFT", *estimate([one for _, one in best]), mean, math.log(n) - (n - 1) / n]


def estimate(given: Sequence[Completion]) -> tuple[float, str, int, float]:
    """Mean utility, its 95 % interval by a bootstrap over prompts (2,000 resamples), prompts, and mean words."""
    by_prompt: dict[str, list[float]] = {}
    for one in given:
        by_prompt.setdefault(one.prompt_id, []).append(utility(one.text))
    means = [sum(values) / len(values) for values in by_prompt.values()]
    rng = random.Random(0)  # noqa: S311
    drawn = sorted(sum(rng.choices(means, k=len(means))) / len(means) for _ in range(2000))
    words = sum(len(one.text.split()) for one in given) / len(given)
    return sum(means) / len(means), f"{drawn[50]:.2f} to {drawn[1949]:.2f}", len(means), words


if __name__ == "__main__":
    main()
