"""PPO: the SFT policy learns from the reward model, at a price for every nat it moves away (IG section 3.5, eq. 2).

    torchrun --standalone --nproc-per-node=1 -m training.engine.ppo --run-dir DIR

One iteration: sample answers to a batch of prompts; let the frozen reference, the reward model (or a rule) and the
value read them; turn scores and log-ratios into advantages; take one optimizer step a minibatch, with pretraining text
beside it where that is wanted (PPO-ptx). Before the first and after the last iteration, and in between where that is
wanted, the policy answers the same held-out prompts with the same seeds.

Differences to IG: advantages are whitened over the rollout batch (Huang et al. 2024); λ and value clip, on which the
paper is silent, are those of its forerunners. A value model of its own has an Adam and a learning rate of its own, so
its loss has no coefficient: Adam's steps do not depend on the scale of a loss.
"""

from __future__ import annotations

import math
import time
from itertools import islice, pairwise
from typing import Any

from training.engine import checkpoint, data, ppo_math, ppo_report, ptx, sharding, watch
from training.engine.best import Best
from training.engine.config import PPOSettings
from training.engine.data import Question
from training.engine.errors import RunError
from training.engine.learner import Learner, load
from training.engine.lora import merge
from training.engine.optimizer import Divergence
from training.engine.rollout import answer, best_of, evaluate, judge, order, prompt_batches, questions
from training.engine.runtime import Clock, Result, Run, run_main
from training.engine.sampling import check_room
from training.engine.state import Keeper
from training.engine.update import learn


def main(run: Run) -> Result:
    """Train the policy and write it as a checkpoint that plain transformers loads."""
    s: PPOSettings = run.settings
    if s.rollout_batch % run.world:
        raise RunError(f"rollout_batch must be a multiple of the {run.world} processes, but {s.rollout_batch} is not.")
    folder = data.open_snapshot(run.inputs)
    learner = load(run)
    checkpoint.check_space(run, learner.models.policy)
    # A value model is of the reward model's or the policy's checkpoint, so it has the same room.
    for model, name in ((learner.models.policy, "the policy"), (learner.models.reward, "the reward model")):
        if model is not None:
            check_room(model.config, s.max_prompt_length, s.response_length, end=1, name=name)
    train, held_out, counts = questions(learner, folder)
    iterations = s.episodes // s.rollout_batch

    keeper = Keeper(run)
    progress = keeper.progress or {"iteration": 0, "history": [], "clock": 0.0, "skipped": 0, "in_a_row": 0,
                                   "updates": 0, "beta": s.kl_beta, "told": [], "best": None}  # fmt: skip
    learner.skipped, learner.updates = progress["skipped"], progress["updates"]
    learner.divergence = Divergence(progress["in_a_row"])
    learner.beta = progress["beta"]
    if s.select == "reward" and held_out:
        learner.best = Best(learner.policy_optimizer, s.select_max_kl, progress["best"])
    if keeper.progress is None:
        progress |= begin(learner, held_out)
    clock = Clock(progress["clock"])
    batches = prompt_batches(train, s.rollout_batch, s.seed, samples=s.samples_per_prompt)
    with keeper.keeping(**learner.parts()):
        for iteration, batch in islice(enumerate(batches), progress["iteration"], iterations):
            figures = iterate(learner, iteration, iterations, batch)
            progress["history"].append(figures)
            steer(learner, figures, len(batch))
            warn(learner, progress["history"], progress["told"])
            if s.eval_every and (iteration + 1) % s.eval_every == 0 and iteration + 1 < iterations:
                look(learner, iteration + 1, held_out)
            progress |= {"iteration": iteration + 1, "clock": clock.seconds, "skipped": learner.skipped,
                         "in_a_row": learner.divergence.in_a_row, "updates": learner.updates, "beta": learner.beta,
                         "best": learner.best and learner.best.found}  # fmt: skip
            keeper.end_step(iteration + 1, progress)
    if not learner.updates:
        raise RunError(
            "The run learned nothing: the policy made no step, as scores or gradients were not finite; its notes say "
            "of which prompts. Check the reward model, or lower the learning rate."
        )
    after, last_rewards = look(learner, iterations, held_out)
    chosen = keep(learner)
    if learner.best is not None:
        after, last_rewards = learner.best.found["figures"], learner.best.found["rewards"]

    change = ppo_report.change(progress["rewards"], last_rewards) if held_out else {}
    if change and (fell := watch.fell(change["reward_change"], change["reward_change_margin"])):
        run.report.note(fell)
    summary = {
        **ppo_report.start_and_end(progress["before"], after, progress["history"]),
        **ppo_report.rounded({**change, **progress["best_of"], **taxed(learner, progress)}),
        **chosen,
        "episodes": iterations * s.rollout_batch,
        "episodes_per_second": round(iterations * s.rollout_batch / progress["clock"], 4),
        "iterations": iterations,
        **({"kl_beta_end": round(learner.beta, 6)} if s.kl_control == "adaptive" else {}),
        "skipped_steps": learner.skipped,
        **counts,
    }
    run.report.progress("save", 0, 1)
    learner.policy_optimizer.restore()
    sharding.dissolve(learner.models.policy)
    if s.lora_rank:
        merge(learner.models.policy)
    path, digest = checkpoint.save(run, learner.models.policy, learner.tokenizer, summary=summary)
    run.report.progress("save", 1, 1)
    keeper.clear()
    return Result(summary, checkpoint=path, digest=digest)


def begin(learner: Learner, held_out: list[Question]) -> dict[str, Any]:
    """What is measured before the first iteration: the SFT policy's outcome, best of N, and pretraining loss."""
    before, rewards = look(learner, 0, held_out)
    found: dict[str, Any] = {"before": before, "rewards": rewards, "best_of": best_of(learner, held_out)}
    if learner.pretraining is not None:
        found["ptx"] = ptx.evaluate(learner.run, learner.models.policy, learner.pretraining.held_out)
    return found


def iterate(learner: Learner, iteration: int, iterations: int, batch: list[Question]) -> dict[str, float]:
    """Sample, judge, learn and report; the iteration's figures over all ranks."""
    run, s = learner.run, learner.run.settings

    def show(part: float) -> None:
        run.report.progress("train", round((iteration + part) * len(batch)), iterations * len(batch))

    times = [time.monotonic()]
    mine, answers = answer(learner, batch, "train", iteration, lambda part: show(part / 4))
    times.append(time.monotonic())
    passes = order(learner, answers, iteration, epoch=0)
    judged = judge(learner, mine, answers, passes, keep=True)
    show(0.5)
    times.append(time.monotonic())
    learned = learn(learner, batch, judged, iteration, passes, lambda part: show(0.5 + part / 2))
    times.append(time.monotonic())

    spent = dict(zip(("sample", "score", "update"), (b - a for a, b in pairwise(times)), strict=True))
    figures = {
        **ppo_report.outcome(run, judged, learner.beta),
        **learned,
        "kl_beta": learner.beta,
        "sampler_gap": judged.sampler_gap,
        "episodes_per_second": s.rollout_batch / sum(spent.values()),
        **{f"seconds_{name}": seconds for name, seconds in spent.items()},
    }
    run.report.metrics(iteration + 1, **figures)
    ppo_report.show_answer(run, learner.tokenizer, iteration + 1, mine, judged)
    show(1)
    return figures


def steer(learner: Learner, figures: dict[str, float], answers: int) -> None:
    """Adaptive control: β for the next iteration from this one's KL."""
    s = learner.run.settings
    if s.kl_control == "adaptive" and math.isfinite(figures["kl"]):
        learner.beta = ppo_math.adapted(
            learner.beta, figures["kl"], target=s.kl_target, answers=answers, horizon=s.kl_horizon
        )


def warn(learner: Learner, history: list[dict[str, float]], told: list[str]) -> None:
    """Say once what looks like a policy that only pleases the reward model; `told` remembers what was said."""
    for name, sentence in watch.warnings(history).items():
        if name not in told:
            told.append(name)
            learner.run.report.note(sentence)


def look(learner: Learner, step: int, held_out: list[Question]) -> tuple[dict[str, float], list[float]]:
    """Evaluate the weights that would be saved now, the moving average where there is one, and keep the best."""
    if learner.average is None:
        return _look(learner, step, held_out)
    with learner.average.applied():
        return _look(learner, step, held_out)


def _look(learner: Learner, step: int, held_out: list[Question]) -> tuple[dict[str, float], list[float]]:
    figures, rewards = evaluate(learner, step, held_out)
    if learner.best is not None:
        learner.best.offer(step, figures, rewards)
    return figures, rewards


def keep(learner: Learner) -> dict[str, Any]:
    """Give the policy the weights that are saved: the best evaluation's, the moving average, or the last."""
    if learner.best is not None and learner.best.found is None:
        learner.best = None
        learner.run.report.note(
            "No evaluation had a finite reward within select_max_kl, so there are no best weights to save; use a "
            "lower learning rate."
        )
    if learner.best is not None:
        learner.best.restore()
        return {"saved_weights": f"best evaluation, after iteration {learner.best.found['step']:,}"}
    if learner.average is not None:
        learner.average.take()
        return {"saved_weights": f"moving average, decay {learner.average.decay:g}"}
    return {"saved_weights": "last"}


def taxed(learner: Learner, progress: dict[str, Any]) -> dict[str, float]:
    """The alignment tax: the held-out pretraining loss before, and of the weights that are saved."""
    if learner.pretraining is None:
        return {}
    now = ptx.evaluate(learner.run, learner.models.policy, learner.pretraining.held_out)
    return {"ptx_loss_start": progress["ptx"], "ptx_loss_end": now}


if __name__ == "__main__":
    run_main("ppo", main)
