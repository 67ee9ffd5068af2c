"""The value as a head on the policy, and adapters whose absence is the reference: fewer models, equal mathematics."""

import pytest
import torch

from tests.engine.tiny_ppo import changed, learner, question
from training.engine import episodes, heads, ppo, ppo_report, rollout, update

QUESTIONS = [question(5, 6, 7), question(9), question(3, 4), question(8, 8, 8, 8)] * 2
SMALL = {"rollout_batch": 8, "minibatch": 8, "response_length": 6, "learning_rate": 1e-2, "value_learning_rate": 1e-2}


def judged_by(one):
    asked, answers = rollout.answer(one, QUESTIONS, "train", 0)
    passes = rollout.order(one, answers, 0, epoch=0)
    return rollout.judge(one, asked, answers, passes), passes


def shaken(one, seed=3):
    """The same learner with a policy that has moved and a head that says something."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in [*one.policy_optimizer.masters, *one.value_optimizer.masters]:
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
    return one


def test_a_new_head_values_every_state_at_zero():
    judged, _ = judged_by(learner(**SMALL, value="trunk"))
    assert judged.values.shape == judged.mask.shape
    assert judged.values.abs().sum() == 0


def test_values_are_those_of_the_state_before_each_token():
    one = shaken(learner(**SMALL, value="trunk"))
    judged, _ = judged_by(one)
    head = one.models.value
    for row, answer in enumerate(judged.answers):
        for step in range(len(answer.tokens)):
            state = torch.tensor([[*answer.prompt, *answer.tokens[:step]]])
            hidden = heads.body(one.models.policy)(state).last_hidden_state[0, -1]
            expected = float((hidden @ head.weight[0] + head.bias).detach())
            assert float(judged.values[row, step]) == pytest.approx(expected, abs=1e-10)


@pytest.mark.oracle(12)
def test_the_gradient_of_the_trunk_is_that_of_policy_loss_and_weighted_value_loss():
    """Against autograd of the plain formulas on plain forward passes, one row at a time, nothing packed.

    The bands are the settings': some tokens and some values are held by them, on either side.
    """
    one = shaken(learner(**SMALL, value="trunk", value_coefficient=0.3, clip_ratio=0.1, value_clip=0.05))
    judged, passes = judged_by(one)
    advantage, returns = update.advantages(one, judged)
    shaken(one, seed=9)  # so that ratios are not 1 and values are not the old ones
    tokens, tally = float(judged.mask.sum()), ppo_report.Tally()
    for part in passes[0]:
        update.backward(one, judged, (advantage, returns), part, tokens, tally)
    tally.end_step(0.0, 0.0)
    told = tally.figures(one.run)
    masters = [*one.policy_optimizer.masters, *one.value_optimizer.masters]
    found = [master.grad.clone() for master in masters]
    policy_loss, value_loss = torch.zeros(2, dtype=torch.float64)
    held_ratios, held_values = set(), set()
    for row, answer in enumerate(judged.answers):
        n = len(answer.tokens)
        ids = torch.tensor([[*answer.prompt, *answer.tokens]])
        output = one.models.policy(ids, output_hidden_states=True, use_cache=False)
        at = slice(len(answer.prompt) - 1, -1)
        new = output.logits[0, at].log_softmax(-1)[range(n), list(answer.tokens)]
        ratio = (new - judged.logprobs[row, :n]).exp()
        a = advantage[row, :n]
        policy_loss = policy_loss - torch.minimum(ratio * a, ratio.clamp(0.9, 1.1) * a).sum()
        held_ratios |= set((a[ratio.clamp(0.9, 1.1) * a < ratio * a] > 0).tolist())
        value = one.models.value(output.hidden_states[-1][0, at])
        old, aim = judged.values[row, :n], returns[row, :n]
        held = torch.max(torch.min(value, old + 0.05), old - 0.05)
        value_loss = value_loss + 0.5 * torch.maximum((value - aim) ** 2, (held - aim) ** 2).sum()
        held_values |= set((value > old)[(held - aim) ** 2 > (value - aim) ** 2].tolist())
    assert held_ratios == held_values == {True, False}, "each band must hold something on each side"
    assert told["policy_loss"] == pytest.approx(float(policy_loss.detach()) / tokens, abs=1e-10)
    assert told["value_loss"] == pytest.approx(float(value_loss.detach()) / tokens, abs=1e-10)
    expected = torch.autograd.grad((policy_loss + 0.3 * value_loss) / tokens, masters)
    for mine, plain in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, plain, atol=1e-10, rtol=1e-8)


def test_the_policy_makes_one_pass_for_logits_values_and_the_first_step(monkeypatch):
    one = learner(**SMALL, value="trunk", micro_tokens=10_000)
    passes = []
    body = heads.body(one.models.policy)
    usual = body.forward
    monkeypatch.setattr(body, "forward", lambda *args, **kwargs: passes.append(1) or usual(*args, **kwargs))
    asked, answers = rollout.answer(one, QUESTIONS, "train", 0)
    minibatches = rollout.order(one, answers, 0, epoch=0)
    passes.clear()
    judged = rollout.judge(one, asked, answers, minibatches, keep=True)
    assert passes == [1], "the reference is another model"
    aims = update.advantages(one, judged)
    for expected in ([1], [1, 1]):  # the first goes on from what was judged
        update.backward(one, judged, aims, minibatches[0][0], float(judged.mask.sum()), ppo_report.Tally())
        assert passes == expected


@pytest.mark.oracle(18)
@pytest.mark.parametrize("value", ["own", "trunk"])
def test_without_its_adapters_the_policy_is_the_reference(value):
    one = learner(**SMALL, value=value, lora_rank=4, lora_alpha=8.0)
    assert one.models.reference is None
    first = ppo.iterate(one, 0, 3, QUESTIONS)
    assert abs(first["kl"]) < 1e-10
    assert first["first_ratio_off"] < 1e-10
    assert ppo.iterate(one, 1, 3, QUESTIONS)["kl"] != 0
    judged, _ = judged_by(one)
    plain = learner(**SMALL)  # the same seed: its policy is what the adapters began at
    answers = judged.answers
    with torch.no_grad():
        reference = episodes.read(plain.models.policy, answers, 1.0).logprobs
    torch.testing.assert_close(judged.reference, reference, atol=1e-12, rtol=0)
    assert float((judged.logprobs - judged.reference).abs().max()) > 1e-4


def test_adapters_alone_learn():
    one = learner(**SMALL, value="trunk", lora_rank=2)
    frozen = {name: p.clone() for name, p in one.models.policy.named_parameters() if not p.requires_grad}
    learned = [p.clone() for p in one.policy_optimizer.masters]
    ppo.iterate(one, 0, 2, QUESTIONS)
    ppo.iterate(one, 1, 2, QUESTIONS)
    assert all(torch.equal(p, frozen[name]) for name, p in one.models.policy.named_parameters() if name in frozen)
    assert all(not torch.equal(a, b) for a, b in zip(learned, one.policy_optimizer.masters, strict=True))
    assert sum(p.numel() for p in learned) < sum(p.numel() for p in frozen.values())


@pytest.mark.oracle(10)
@pytest.mark.parametrize("micro_tokens", [10_000, 16], ids=["kept pass", "passes anew"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_before_the_first_step_the_ratio_is_one_on_a_trunk_too(dtype, micro_tokens):
    one = learner(**{**SMALL, "minibatch": 4}, dtype=dtype, micro_tokens=micro_tokens, value="trunk")
    figures = ppo.iterate(one, 0, 1, QUESTIONS)
    assert figures["first_ratio_off"] == 0.0
    assert figures["first_clipped"] == 0
    assert abs(figures["kl"]) == 0.0


@pytest.mark.parametrize("value", ["own", "trunk"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_training_goes_on_from_the_first_judged_pass_with_the_same_result(value, dtype):
    """The pass that judging keeps is the one that training would make: same loss and weights, bitwise in bf16."""
    found = []
    for micro_tokens in (30, 10_000):  # 30: two passes a minibatch, the first of which two graphs do not fit
        for keep in (True, False):
            one = learner(**{**SMALL, "minibatch": 4, "micro_tokens": micro_tokens}, value=value, dtype=dtype)
            asked, answers = rollout.answer(one, QUESTIONS, "train", 0)
            passes = rollout.order(one, answers, 0, epoch=0)
            judged = rollout.judge(one, asked, answers, passes, keep=keep)
            assert bool(judged.kept) == (keep and (micro_tokens > 30 or value == "trunk"))
            figures = update.learn(one, QUESTIONS, judged, 0, passes, lambda part: None)
            assert not judged.kept, "the graphs are free when training ends"
            found.append((figures, [master.clone() for master in one.policy_optimizer.masters]))
        (kept, weights), (again, others) = found[-2:]
        for name in ("policy_loss", "value_loss", "entropy", "gradient_norm", "value_gradient_norm"):
            assert kept[name] == pytest.approx(again[name], rel=1e-6, abs=1e-8), name
        for mine, other in zip(weights, others, strict=True):
            torch.testing.assert_close(mine, other, atol=0 if dtype == torch.bfloat16 else 1e-6, rtol=0)


def test_an_update_ends_where_the_policy_has_moved_too_far():
    """Steps of 1e-2 move this policy by far more than 1e-4 nats a token, so the second minibatch finds it too far."""
    settings = {**SMALL, "minibatch": 2, "inner_epochs": 3}
    free = ppo.iterate(learner(**settings), 0, 1, QUESTIONS)
    one = learner(**settings, kl_stop=1e-4)
    bound = ppo.iterate(one, 0, 1, QUESTIONS)
    assert (free["steps"], free["stopped_early"]) == (12, 0.0)
    assert bound["stopped_early"] == 1.0
    assert 1 <= bound["steps"] < 12
    masters = [*one.policy_optimizer.masters, *one.value_optimizer.masters]
    assert all(master.grad is None for master in masters), "what was not stepped must not wait for the next step"
    assert ppo.iterate(learner(**settings, kl_stop=1e3), 0, 1, QUESTIONS)["steps"] == 12


def test_without_whitening_advantages_are_those_of_gae():
    """The end token's reward alone: λ = 0, γ = 0, β = 0 leaves each token its own reward less its value."""
    one = learner(**SMALL, gae_lambda=0.0, gamma=0.0, kl_beta=0.0, whiten_advantages="off", missing_eos_penalty=0.5)
    judged, _ = judged_by(one)
    raw, _ = update.advantages(one, judged)
    for row, answer in enumerate(judged.answers):
        n = len(answer.tokens)
        score = float(judged.scores[row]) - (0.5 if answer.finish == "length" else 0.0)
        expected = -judged.values[row, :n].clone()
        expected[-1] += score
        torch.testing.assert_close(raw[row, :n], expected, atol=1e-12, rtol=0)
        assert raw[row, n:].abs().sum() == 0
    white, _ = update.advantages(changed(one, whiten_advantages="on"), judged)
    assert float(white[judged.mask].mean()) == pytest.approx(0, abs=1e-12)
    assert float(white[judged.mask].var(correction=0)) == pytest.approx(1, abs=1e-6)
    scaled, _ = update.advantages(changed(one, whiten_advantages="off", whiten_rewards="on"), judged)
    rewards = raw[judged.mask] + judged.values[judged.mask]
    assert torch.allclose(
        scaled[judged.mask] + judged.values[judged.mask], rewards / rewards.std(correction=0), atol=1e-6
    )
