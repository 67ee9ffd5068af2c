"""PPO-ptx: pretraining text beside PPO, against the alignment tax (IG section 3.5, eq. 2, and appendix C.4).

To each minibatch's gradient of PPO comes γ times the gradient of the mean −log p of a token of pretraining text. The
paper's γ = 27.8 belongs to a reduction it does not state; this one is a mean over the tokens, so tune γ again. From a
tenth of the text, at most `HELD_OUT` examples, PPO never learns: its loss before and after is the alignment tax. SFT's
pretraining mix draws from the whole of the same text, so the policy may have learned from them before PPO.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from training.engine import data, sharding
from training.engine.dialogues import dialogue_loss, dialogue_passes, text_dialogues
from training.engine.errors import RunError
from training.engine.pretrain import Row, pretrain_draw, pretrain_rows
from training.engine.runtime import Run, all_sum
from training.engine.sampling import row_seed

HELD_OUT = 64


class Pretraining:
    """Examples of pretraining text as token ids: those to learn from and those held out."""

    def __init__(self, rows: Sequence[Row], seed: int) -> None:
        """Raises RunError for fewer than two rows: one is held out."""
        if len(rows) < 2:
            raise RunError("The pretraining text has fewer than two examples of ptx_length tokens.")
        order = data.shuffled(rows, row_seed(seed, "ptx"))
        held = min(HELD_OUT, max(1, len(order) // 10))
        self.held_out, self.rows, self.seed = [list(row) for row in order[:held]], order[held:], seed

    @classmethod
    def of(cls, run: Run, tokenizer: PreTrainedTokenizerBase) -> Pretraining | None:
        """The run's pretraining text; None without any. Raises RunError where γ asks for one that is not there."""
        s = run.settings
        if not (run.inputs.get("pretrain") or {}).get("path"):
            if s.ptx_gamma:
                raise RunError("ptx_gamma needs a pretraining text, but the run was given none.")
            return None
        drawn = s.episodes * s.inner_epochs * s.ptx_examples if s.ptx_gamma else 0
        most = max(drawn, 9 * HELD_OUT) + HELD_OUT  # HELD_OUT is a tenth of that at most, so no row has to come twice
        return cls(pretrain_rows(run, tokenizer, s.ptx_length, most), s.seed)

    def drawn(self, step: int, count: int) -> list[list[int]]:
        """The `count` rows of optimizer step 0, 1, …: every row once in a seeded order, then all in another order."""
        return pretrain_draw(self.rows, count, self.seed, step)


def accumulate(run: Run, model: PreTrainedModel, rows: list[list[int]], gamma: float) -> float:
    """Add γ · ∇ of the rows' mean loss a token, this rank's share; return its part of that mean, to be summed up."""
    tokens = sum(len(row) - 1 for row in rows)
    total = 0.0
    passes = dialogue_passes(model, text_dialogues(rows), run.settings.micro_tokens)
    mine = passes[run.rank :: run.world]
    for part in mine:
        mean = dialogue_loss(model, part) / tokens
        (gamma * mean).backward()
        total += float(mean.detach())
    sharding.even_out([model], len(mine), -(-len(passes) // run.world))
    return total


@torch.no_grad()
def evaluate(run: Run, model: PreTrainedModel, rows: list[list[int]]) -> float:
    """The rows' mean loss a token, in nats, over all ranks."""
    tokens = sum(len(row) - 1 for row in rows)
    with sharding.whole(model):
        mine = dialogue_passes(model, text_dialogues(rows), run.settings.micro_tokens)[run.rank :: run.world]
        return all_sum(run, [sum(float(dialogue_loss(model, part)) for part in mine)])[0] / tokens
