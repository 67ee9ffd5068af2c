"""One iteration of the real trainer on tiny models."""

import dataclasses
import math

import pytest
import torch

from tests.engine.tiny_ppo import changed, learner, question
from training.engine import episodes, ppo, ppo_math, ppo_report, rollout, update
from training.engine.errors import RunError
from training.engine.optimizer import MasterAdamW

QUESTIONS = [question(5, 6, 7), question(9), question(3, 4), question(8, 8, 8, 8)] * 2
SMALL = {"rollout_batch": 8, "minibatch": 4, "response_length": 6}


DTYPES = pytest.mark.parametrize(
    ("dtype", "off"), [(torch.float64, 1e-12), (torch.float32, 1e-6), (torch.bfloat16, 0.0)]
)
# With 16 no graph of a judged pass is kept, so training makes each of its passes, several a minibatch, anew.
PASSES = pytest.mark.parametrize("micro_tokens", [10_000, 16], ids=["kept pass", "passes anew"])


def judged_by(one, iteration=0):
    asked, answers = rollout.answer(one, QUESTIONS, "train", iteration)
    passes = rollout.order(one, answers, iteration, epoch=0)
    return rollout.judge(one, asked, answers, passes), passes


def weights(one):
    """Every tensor of policy and value and of their optimizers, as they are now."""
    parts = {
        "policy": one.models.policy.state_dict(),
        "value": one.models.value.state_dict(),
        "policy's Adam": one.policy_optimizer.tensors(),
        "value's Adam": one.value_optimizer.tensors(),
    }
    return {(part, name): tensor.clone() for part, found in parts.items() for name, tensor in found.items()}


def moved(one, before):
    """The tensors that are no longer what they were."""
    after = weights(one)
    assert after.keys() >= before.keys()
    return [name for name, tensor in after.items() if name not in before or not torch.equal(tensor, before[name])]


def gradients(one):
    return [master.grad.clone() for master in one.policy_optimizer.masters + one.value_optimizer.masters]


@pytest.mark.oracle(5)
@pytest.mark.oracle(10)
@PASSES
@DTYPES
def test_before_the_first_step_the_ratio_is_one_nothing_is_clipped_and_the_kl_is_zero(dtype, off, micro_tokens):
    one = learner(**SMALL, dtype=dtype, micro_tokens=micro_tokens, inner_epochs=2, learning_rate=1e-2)
    figures = ppo.iterate(one, 0, 1, QUESTIONS)
    assert figures["first_ratio_off"] <= off
    assert figures["first_clipped"] == 0
    assert abs(figures["kl"]) <= 6 * off
    assert figures["ratio_off"] > 1e-3, "the second epoch must see a policy that has moved"
    assert figures["steps"] == 4


@pytest.mark.oracle(10)
@pytest.mark.parametrize("value", ["own", "trunk"])
@PASSES
@DTYPES
def test_before_the_first_step_no_token_and_no_value_is_clipped(dtype, off, micro_tokens, value, monkeypatch):
    """One minibatch and one epoch: all that the only step learns from is read before it, values and all."""
    one = learner(**{**SMALL, "minibatch": 8}, dtype=dtype, micro_tokens=micro_tokens, inner_epochs=1, value=value)
    if value == "trunk":  # a new head says 0 everywhere
        one.models.value.weight.data.fill_(0.5)
    usual, apart = ppo_math.value_loss, []

    def noted(new, old, returns, mask, clip, denominator):
        assert float(old[mask].abs().max()) > 0.1
        apart.append(float((new - old)[mask].detach().abs().max()))
        return usual(new, old, returns, mask, clip, denominator)

    monkeypatch.setattr(ppo_math, "value_loss", noted)
    figures = ppo.iterate(one, 0, 1, QUESTIONS)
    assert figures["steps"] == 1
    assert len(apart) > 1 if micro_tokens == 16 else len(apart) == 1
    assert figures["ratio_off"] <= off
    assert (figures["clip_fraction"], figures["value_clip_fraction"]) == (0, 0)
    assert max(apart) <= off


def test_after_learning_the_kl_is_no_longer_zero_and_the_policy_is_the_only_one_that_moved():
    one = learner(**SMALL, learning_rate=1e-2, value_learning_rate=1e-2)
    before = {name: [p.clone() for p in getattr(one.models, name).parameters()]
              for name in ("policy", "reference", "reward", "value")}  # fmt: skip
    ppo.iterate(one, 0, 2, QUESTIONS)
    moved = {name: any(not torch.equal(a, b) for a, b in zip(old, getattr(one.models, name).parameters(), strict=True))
             for name, old in before.items()}  # fmt: skip
    assert moved == {"policy": True, "reference": False, "reward": False, "value": True}
    assert abs(ppo.iterate(one, 1, 2, QUESTIONS)["kl"]) > 1e-3


@pytest.mark.oracle(13)
def test_forward_passes_of_any_size_give_the_same_gradients():
    found = []
    for micro_tokens in (16, 30, 10_000):
        one = learner(**SMALL, micro_tokens=micro_tokens, seed=5)
        judged, passes = judged_by(one)
        aims = update.advantages(one, judged)
        tokens = float(judged.mask[[row for part in passes[0] for row in part]].sum())
        tally = ppo_report.Tally()
        for part in passes[0]:
            update.backward(one, judged, aims, part, tokens, tally)
        found.append((len(passes[0]), gradients(one)))
    assert len({count for count, _ in found}) == 3
    for _, other in found[1:]:
        for mine, theirs in zip(found[0][1], other, strict=True):
            torch.testing.assert_close(mine, theirs, atol=1e-10, rtol=1e-9)


def ranks_of(one, world):
    """The learner as each of `world` ranks has it."""
    return [
        dataclasses.replace(one, run=dataclasses.replace(one.run, rank=rank, world=world)) for rank in range(world)
    ]


@pytest.mark.parametrize(("world", "minibatch"), [(2, 4), (2, 2), (3, 2), (4, 4)])
def test_which_answers_learn_together_does_not_depend_on_the_number_of_ranks(world, minibatch):
    """Rank r has answers r, r + world, … of the batch; some minibatches have none of its answers."""
    one = learner(**{**SMALL, "minibatch": minibatch}, micro_tokens=20)
    answers = rollout.answer(one, QUESTIONS, "train", 0)[1]
    for epoch in range(2):
        alone = [{row for part in rows for row in part} for rows in rollout.order(one, answers, 3, epoch)]
        assert sorted(row for rows in alone for row in rows) == list(range(8))
        assert {len(rows) for rows in alone} == {minibatch}
        together = [set() for _ in alone]
        for each in ranks_of(one, world):
            rank = each.run.rank
            for rows, mine in zip(together, rollout.order(each, answers[rank::world], 3, epoch), strict=True):
                rows |= {rank + world * row for part in mine for row in part}
        assert together == alone
    assert rollout.order(one, answers, 3, 0) != rollout.order(one, answers, 3, 1)


def test_nothing_is_kept_for_training_where_others_learn_first():
    """Of minibatches of one answer the first is one rank's alone; the other's first pass comes after a step."""
    one = learner(**{**SMALL, "minibatch": 1})
    answers = rollout.answer(one, QUESTIONS, "train", 0)[1]
    kept = []
    for each in ranks_of(one, 2):
        own, asked = (some[each.run.rank :: 2] for some in (answers, QUESTIONS))
        passes = rollout.order(each, own, 0, 0)
        kept.append((bool(passes[0]), len(rollout.judge(each, asked, own, passes, keep=True).kept)))
    assert sorted(kept) == [(False, 0), (True, 1)]


@pytest.mark.oracle(18)
def test_a_reward_that_is_not_a_number_teaches_nothing_and_the_third_in_a_row_ends_the_run():
    """Neither the policy nor the value moves, not even by the momentum of an iteration before, nor does Adam."""
    one = learner(**SMALL)
    ppo.iterate(one, 0, 4, QUESTIONS)
    before = weights(one)
    one.models.reward.score.weight.data[:] = math.nan
    for iteration in (1, 2):
        figures = ppo.iterate(one, iteration, 4, QUESTIONS)
        assert "policy_loss" not in figures
    assert moved(one, before) == []
    assert one.skipped == 2
    with pytest.raises(RunError, match="diverged"):
        ppo.iterate(one, 3, 4, QUESTIONS)
    assert moved(one, before) == []


@pytest.mark.oracle(18)
@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_the_prompt_whose_answer_has_no_finite_reward_is_named(wrong, monkeypatch):
    one = learner(**SMALL)
    notes = []
    monkeypatch.setattr(one.run.report, "note", notes.append)
    asked = [dataclasses.replace(each, id=f"p-{number}") for number, each in enumerate(QUESTIONS)]
    plain = episodes.answer_scores

    def scores(reward, answers):
        found = plain(reward, answers)
        return torch.where(torch.tensor([len(answer.prompt) == 1 for answer in answers]), wrong, found)

    monkeypatch.setattr(episodes, "answer_scores", scores)
    before = weights(one)
    ppo.iterate(one, 0, 1, asked)
    assert moved(one, before) == []
    assert notes[0].startswith(
        "Iteration 1 teaches nothing: the score, a value or a log-probability of an answer to 2 "
    )
    assert "p-1, p-5" in notes[1]  # the questions of one token
    with pytest.raises(RunError, match="p-1, p-5"):
        [ppo.iterate(one, iteration, 3, asked) for iteration in (1, 2)]


@pytest.mark.oracle(18)
@pytest.mark.parametrize(
    ("wrong", "who", "learned_on"),
    [(("policy_loss",), "The policy's step on minibatch", {"value"}),
     (("value_loss",), "The value's step on minibatch", {"policy"}),
     (("policy_loss", "value_loss"), "Minibatch", set())],
)  # fmt: skip
def test_a_minibatch_that_a_model_skips_is_named_with_its_prompts_and_that_model(monkeypatch, wrong, who, learned_on):
    one = learner(**SMALL, learning_rate=1e-2, value_learning_rate=1e-2)
    before = weights(one)
    notes = []
    monkeypatch.setattr(one.run.report, "note", notes.append)

    def broken(usual):
        def broke(*args):
            found = usual(*args)
            if isinstance(found, tuple):
                return found[0] * math.nan, found[1]
            return dataclasses.replace(found, loss=found.loss * math.nan)

        return broke

    for name in wrong:
        monkeypatch.setattr(ppo_math, name, broken(getattr(ppo_math, name)))
    asked = [dataclasses.replace(each, id=f"p-{number}") for number, each in enumerate(QUESTIONS)]
    learned = [{f"p-{row}" for part in rows for row in part} for rows in judged_by(one)[1]]
    ppo.iterate(one, 0, 1, asked)
    assert len(notes) == 2
    for number, note in enumerate(notes, start=1):
        start = f"{who} {number} of iteration 1 was skipped: its gradient is not finite. It has the prompts: "
        assert note.startswith(start), note
        assert set(note.removeprefix(start).rstrip(".").split(", ")) == learned[number - 1]
    assert one.skipped == 2
    assert {part.removesuffix("'s Adam") for part, _ in moved(one, before)} == learned_on
    with pytest.raises(RunError, match=rf"up to {who[0].lower()}{who[1:]} 1 of iteration 2, were not finite"):
        ppo.iterate(one, 1, 2, asked)


def test_a_policy_that_is_not_a_number_is_one_clear_sentence():
    one = learner(**SMALL)
    one.models.policy.model.norm.weight.data[:] = math.nan
    with pytest.raises(RunError, match="lower learning rate"):
        ppo.iterate(one, 0, 1, QUESTIONS)


def test_answers_depend_on_seed_and_iteration_alone():
    one = learner(**SMALL)
    first = rollout.answer(one, QUESTIONS, "train", 0)[1]
    assert rollout.answer(one, QUESTIONS, "train", 0)[1] == first
    tokens = [answer.tokens for answer in first]
    assert [answer.tokens for answer in rollout.answer(one, QUESTIONS, "train", 1)[1]] != tokens
    assert [answer.tokens for answer in rollout.answer(changed(one, seed=2), QUESTIONS, "train", 0)[1]] != tokens


def test_warm_up_from_a_tenth():
    rates = [update.warmed_up(iteration, 3, 1.0) for iteration in range(5)]
    assert rates == pytest.approx([0.1, 0.4, 0.7, 1.0, 1.0])
    assert update.warmed_up(0, 0, 1.0) == 1.0


def test_every_prompt_comes_once_before_any_comes_again():
    prompts = [question(n) for n in range(3, 8)]
    batches = rollout.prompt_batches(prompts, 3, seed=1)
    drawn = [asked.prompt[0] for _ in range(5) for asked in next(batches)]
    for epoch in range(3):
        assert sorted(drawn[5 * epoch : 5 * epoch + 5]) == [3, 4, 5, 6, 7]
    assert drawn[:5] != drawn[5:10]


def test_an_update_below_the_grid_of_bf16_moves_its_share_of_the_weights():
    """Weights in [.5, 1) lie 2⁻⁸ apart in bf16. Adam's first step is the learning rate, here 2⁻¹²: a sixteenth of
    the grid's step, so a sixteenth of evenly spread weights crosses to the next grid point, and moves by 2⁻⁸.
    """
    module = torch.nn.Linear(400, 100, bias=False)
    module.weight.data = torch.linspace(0.5, 0.999, 40_000).view(100, 400)
    optimizer = MasterAdamW(module, lower=module, dtype=torch.bfloat16)
    assert module.weight.dtype == torch.bfloat16
    before = module.weight.data.float()
    (-module.weight.float().sum()).backward()
    optimizer.step(lr=2**-12)
    steps = (module.weight.data.float() - before) * 2**8
    assert sorted(steps.unique().tolist()) == [0.0, 1.0]
    assert float(steps.mean()) == pytest.approx(1 / 16, rel=0.05)
