"""Numbers that are not finite: skipped steps are counted, a run of them alone fails, one ranking costs no run."""

import dataclasses
import math

import pytest
import torch

from exchange.records import Prompt
from exchange.snapshot import write_snapshot
from tests.engine.chain import Chain
from tests.engine.conftest import WORDS, prompt_of, ranking, split_of
from training.engine.base import byte_tokenizer, tiny_model
from training.engine.optimizer import MasterAdamW

SIZE = {"sft": "batch_size", "reward": "batch_prompts", "dpo": "batch_prompts"}


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    torch.set_num_threads(1)
    return Chain(tmp_path_factory.mktemp("not_finite"))


def poisoned(monkeypatch, *steps):
    """These steps, from 1, have a gradient that is not finite."""
    usual, made = MasterAdamW.step, []

    def step(optimizer, **options):
        made.append(1)
        if len(made) in steps:
            next(p for p in optimizer.parameters if p.grad is not None).grad.fill_(math.nan)
        return usual(optimizer, **options)

    monkeypatch.setattr(MasterAdamW, "step", step)


def settings_of(kind, steps):
    """Nine examples in one step, or in two."""
    return {"epochs": 1, SIZE[kind]: -(-9 // steps), **({"eval_prompts": 0} if kind == "dpo" else {})}


@pytest.mark.parametrize("kind", SIZE)
def test_a_run_whose_every_step_was_skipped_fails(chain, monkeypatch, kind):
    poisoned(monkeypatch, 1, 2)
    ran = chain.run(kind, settings_of(kind, steps=2))
    assert ran.code == 1
    assert ran.refusal.startswith("The run learned nothing: the gradient of each of its steps, 2 in all, was not ")
    assert not (ran.directory / "checkpoints").exists()


@pytest.mark.parametrize("kind", SIZE)
def test_skipped_steps_are_counted(chain, monkeypatch, kind):
    poisoned(monkeypatch, 2)
    ran = chain.run(kind, settings_of(kind, steps=2))
    assert ran.code == 0, ran.result
    assert ran.summary["skipped_steps"] == 1
    assert "Step 2 was skipped: its gradient is not finite." in [line["text"] for line in ran.of("note")]


def test_a_validation_ranking_whose_score_is_not_finite_is_left_out_and_named(chain, tmp_path):
    """A weight that only "~" reads is not finite, and that only one of three validation rankings has."""
    base = tmp_path / "base"
    model, tokenizer = tiny_model(), byte_tokenizer()
    model.model.embed_tokens.weight.data[tokenizer.encode("~")[0]] = math.inf
    for part in (model, tokenizer):
        part.save_pretrained(base)
    named = [(word, split_of(number)) for number, word in enumerate(WORDS)]
    rankings = [ranking(word, split, ["good", "so~so" if word == "fir" else "so so", "bad"]) for word, split in named]
    prompts = [Prompt(f"p-{word}", prompt_of(word), split) for word, split in named]
    snapshot = write_snapshot(tmp_path, project="x", meta={}, prompts=prompts, demonstrations=[], rankings=rankings)[1]
    ran = chain.run("reward", {"epochs": 1, "batch_prompts": 9}, snapshot=snapshot, base_model=str(base))
    assert ran.code == 0, ran.result
    assert (ran.summary["valid_groups"], ran.summary["valid_not_finite"]) == (2, 1)
    assert "Left out of the figures: 1 validation rankings with a score that is not finite: r-fir." in [
        line["text"] for line in ran.of("note")
    ]


@pytest.mark.parametrize(("folds", "fold", "is_there"), [(3, 2, False), (2, 1, True)])
def test_a_fold_without_anybody_is_refused(chain, tmp_path, folds, fold, is_there):
    """Two people are dealt into the first two folds, whatever their names."""
    rankings = [
        dataclasses.replace(ranking(word, "train"), labeler=person)
        for word, person in (("oak", "ann"), ("elm", "bob"), ("ash", ""))
    ]
    prompts = [Prompt(f"p-{word}", prompt_of(word), "train") for word in ("oak", "elm", "ash")]
    snapshot = write_snapshot(tmp_path, project="x", meta={}, prompts=prompts, demonstrations=[], rankings=rankings)[1]
    ran = chain.run("reward", {"epochs": 1, "folds": folds, "fold": fold}, snapshot=snapshot)
    if is_there:
        assert ran.code == 0, ran.result
    else:
        assert ran.refusal == (
            "Fold 2 of 3 has nobody in it: the rankings are by 2 known labelers; set folds to at most their number."
        )
