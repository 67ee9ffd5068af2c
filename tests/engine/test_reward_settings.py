"""The reward model's settings in whole runs: margins by strength, shuffled pairs, folds of people, named culprits."""

import dataclasses
import math

import pytest
import torch

from exchange.records import RankingGroup
from tests.engine.chain import Chain
from tests.engine.conftest import WORDS, in_double, ranking, split_of
from tests.engine.test_layout import reward_model
from tests.engine.test_resume import figures, killed_after
from tests.engine.test_reward_run import LEARN
from training.engine import data, reward
from training.engine.base import byte_tokenizer
from training.engine.config import SettingsError, settings_for
from training.engine.data import Group
from training.engine.folds import left_out_labelers
from training.engine.reward import accumulate, pairs_of
from training.engine.scoring import score_families

GROUPS = [
    Group("a", [5, 6], [[9, 2], [10, 11, 2], [12, 2]], [1, 0, 2], heights=[0.5, 1.5, 0.0]),
    Group("b", [7], [[13, 2], [14, 2]], [0, 1], weight=2.0, heights=[1.0, 0.0]),
    Group("c", [8, 9, 10], [[15, 2], [16, 2], [17, 18, 2]], [0, 0, 1], heights=[0.5, 0.5, 0.0]),
]


def gradients(model, groups, settings, shares=((0, 1),)):
    """Loss and gradients of a step whose ranks are forwarded one after the other."""
    model.zero_grad()
    done = [accumulate(model, groups, settings, rank=rank, world=world) for rank, world in shares]
    return sum(one.loss for one in done), {name: p.grad.clone() for name, p in model.named_parameters()}


def plain_scores(model, group):
    """transformers' own scores of a ranking, a row at a time."""
    texts = [torch.tensor([group.prompt + completion]) for completion in group.completions]
    return [model(input_ids=text, use_cache=False).logits[0, 0] for text in texts]


@pytest.mark.oracle(1)
@pytest.mark.parametrize("layout", ["prefix", "rows"])
@pytest.mark.parametrize("ties", ["half", "drop"])
@pytest.mark.parametrize(("smoothing", "centring", "margins"), [(0.1, 0.01, True), (0.0, 0.0, False)])
def test_margins_smoothing_and_centring_are_those_of_the_plain_formula(smoothing, centring, margins, ties, layout):
    """The mean over prompts by weight, 1 + 2 + 1 = 4, each the mean over its pairs, written out pair by pair."""
    model = reward_model()
    options = {"ties": ties, "label_smoothing": smoothing, "centring": centring, "layout": layout}
    groups = GROUPS if margins else [dataclasses.replace(group, heights=[]) for group in GROUPS]
    loss, found = gradients(model, groups, settings_for("reward", "cpu", options))
    model.zero_grad()
    model.set_attn_implementation("sdpa")
    expected = torch.zeros((), dtype=torch.float64)
    for group in GROUPS:
        scores, costs = plain_scores(model, group), []
        for i in range(len(scores)):
            for j in range(i):
                better, worse = (i, j) if group.ranks[i] <= group.ranks[j] else (j, i)
                is_tie = group.ranks[i] == group.ranks[j]
                if is_tie and ties == "drop":
                    continue
                margin = group.heights[better] - group.heights[worse] if margins else 0.0
                apart = scores[better] - scores[worse] - margin
                right = 0.5 if is_tie else 1 - smoothing
                cost = -right * torch.log(torch.sigmoid(apart)) - (1 - right) * torch.log(torch.sigmoid(-apart))
                costs.append(cost + centring * (scores[better] + scores[worse]) ** 2)
        expected = expected + group.weight / 4 * sum(costs) / len(costs)
    expected.backward()
    assert loss == pytest.approx(expected.item(), abs=1e-10)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, rtol=0, atol=1e-9)


@pytest.mark.oracle(13)
@pytest.mark.parametrize("shares", [((0, 2), (1, 2)), ((0, 3), (1, 3), (2, 3))])
@pytest.mark.parametrize("micro_tokens", [16, 40])
def test_passes_and_ranks_change_no_gradient(shares, micro_tokens):
    model = in_double(reward_model())
    settings = {"label_smoothing": 0.1, "centring": 0.01, "layout": "prefix"}
    whole, one = gradients(model, GROUPS, settings_for("reward", "cpu", settings))
    cut = settings_for("reward", "cpu", {**settings, "micro_tokens": micro_tokens})
    parts, other = gradients(model, GROUPS, cut, shares)
    assert parts == pytest.approx(whole, abs=1e-12)
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=0, atol=1e-12)


def test_pairs_of_a_ranking_by_hand():
    found = [(pair.completions, pair.ranks, pair.heights, pair.id) for pair in pairs_of(GROUPS[0], "drop")]
    one, two, three = GROUPS[0].completions
    assert found == [
        ([one, two], [1, 0], [0.5, 1.5], "a"), ([one, three], [0, 1], [0.5, 0.0], "a"),
        ([two, three], [0, 1], [1.5, 0.0], "a"),
    ]  # fmt: skip
    assert [pair.ranks for pair in pairs_of(GROUPS[2], "drop")] == [[0, 1], [0, 1]]
    assert [pair.ranks for pair in pairs_of(GROUPS[2], "half")] == [[0, 0], [0, 1], [0, 1]]


def test_shuffled_pairs_weigh_each_pair_alike():
    """The same loss as the mean over all pairs of all rankings, where K-way weighs each ranking alike."""
    model = reward_model()
    plain = [dataclasses.replace(group, weight=1.0, heights=[]) for group in GROUPS]
    pairs = [pair for group in plain for pair in pairs_of(group, "drop")]
    assert len(pairs) == 3 + 1 + 2
    loss, _ = gradients(model, pairs, settings_for("reward", "cpu"))
    own = [
        [-math.log(1 / (1 + math.exp(-(a - b)))) for a, b in ordered(group, scores)]
        for group in plain
        for scores in [score_families(model, [(group.prompt, group.completions)])[0].tolist()]
    ]
    assert loss == pytest.approx(sum(map(sum, own)) / 6, abs=1e-10)
    together, _ = gradients(model, plain, settings_for("reward", "cpu"))
    assert together == pytest.approx(sum(sum(costs) / len(costs) for costs in own) / 3, abs=1e-10)


def ordered(group, scores):
    """(better's score, worse's score) of each pair that is no tie."""
    places = range(len(scores))
    return [(scores[i], scores[j]) for i in places for j in places if group.ranks[i] < group.ranks[j]]


def test_shuffled_pairs_take_as_many_steps_and_go_on_after_a_kill(tmp_path, monkeypatch):
    """36 rankings' worth of pairs: 9 rankings of 6 pairs, 4 rankings a step, so 3 steps of 18 pairs an epoch."""
    chain = Chain(tmp_path)
    settings = {"epochs": 2, "batch_prompts": 4, "learning_rate": 0.01, "grouping": "pairs", "label_smoothing": 0.05}
    whole = chain.run("reward", settings)
    assert whole.code == 0, whole.result
    assert (whole.summary["steps"], whole.summary["train_groups"], whole.summary["train_pairs"]) == (6, 9, 54)
    directory = chain.prepare("reward", settings)
    with monkeypatch.context() as patched:
        killed_after(patched, 4, saved=2)
        assert chain.go_on("reward", directory).code == 1
    again = chain.go_on("reward", directory)
    assert again.result["digest"] == whole.result["digest"]
    assert figures(again) == figures(whole)


def graded(word, split, **values) -> RankingGroup:
    return dataclasses.replace(ranking(word, split), **values)


def test_margins_come_from_the_rankings_strengths(make_snapshot):
    groups = [graded("oak", "train", strengths=(3, 1)), graded("elm", "train")]
    folder = make_snapshot(rankings=groups)
    tokenizer = byte_tokenizer()
    found = data.ranking_groups(folder, tokenizer, split="train", max_length=200, margins=(0.0, 0.5, 1.0, 2.0)).items
    assert [group.heights for group in found] == [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    plain = data.ranking_groups(folder, tokenizer, split="train", max_length=200).items
    assert [group.heights for group in plain] == [[], []]


def test_a_run_with_margins_learns_and_a_strength_without_one_is_refused(make_snapshot, run_script):
    groups = [graded(word, split_of(i), strengths=(1, 3)) for i, word in enumerate(WORDS)]
    settings = {**LEARN, "epochs": 1, "margin_1": 0.5, "margin_3": 1.0}
    plain, with_margins = (
        run_script("reward", make_snapshot(rankings=groups), {**LEARN, "epochs": 1, **more}) for more in ({}, settings)
    )
    first = [ran.of("metrics")[0]["values"]["loss"] for ran in (plain, with_margins)]
    assert first[1] > first[0] + 0.2
    ran = run_script("reward", make_snapshot(rankings=[graded("oak", "train", strengths=(1, 5))]), settings)
    assert ran.refusal == "Ranking r-oak has a strength of 5, but there are margins for 1 to 4."


def test_a_fold_of_labelers_is_left_out_and_judged_apart(make_snapshot, run_script):
    people = ["ann", "bob", "cem", "dot"]
    groups = [
        graded(word, split, labeler=person, id=f"r-{word}-{person}")
        for word, split in (("oak", "train"), ("elm", "train"), ("fir", "valid"))
        for person in people
    ]
    ran = run_script("reward", make_snapshot(rankings=groups), {**LEARN, "epochs": 1, "folds": 4, "fold": 2})
    assert (ran.summary["train_groups"], ran.summary["valid_groups"], ran.summary["fold_groups"]) == (6, 3, 1)
    assert 0 <= ran.summary["fold_accuracy"] <= 1
    [left_out] = left_out_labelers(people, folds=4, fold=2)
    assert left_out in people
    assert any(note["text"].startswith("1 of 4 labelers are left out of training") for note in ran.of("note"))
    alone = make_snapshot(rankings=[graded("oak", "train")])
    ran = run_script("reward", alone, {**LEARN, "folds": 2, "fold": 0})
    assert ran.refusal.endswith("of at most 200 tokens by people who are not left out.")


def test_folds_that_cannot_be_are_refused():
    with pytest.raises(SettingsError, match="folds must be 0 or between 2 and 100"):
        settings_for("reward", "cpu", {"folds": 1})
    with pytest.raises(SettingsError, match="fold must be between 0 and 4, one of 5 folds, not 5"):
        settings_for("reward", "cpu", {"folds": 5, "fold": 5})


@pytest.mark.oracle(18)
def test_three_steps_that_are_not_finite_end_the_run_with_the_rankings_name(make_snapshot, run_script, monkeypatch):
    """Oak's loss is NaN in each epoch of one step; the others' are finite."""
    real, culprit = reward.accumulate, "r-oak"

    def poisoned(model, batch, settings, **options):
        ruined = [dataclasses.replace(g, heights=[math.nan] * 3) if g.id == culprit else g for g in batch]
        return real(model, ruined, settings, **options)

    monkeypatch.setattr(reward, "accumulate", poisoned)
    ran = run_script("reward", make_snapshot(), {**LEARN, "batch_prompts": 9})
    notes = [note["text"] for note in ran.of("note")]
    assert "Step 1 was skipped: its gradient is not finite. Not finite: r-oak." in notes
    assert ran.refusal.endswith("a smaller learning rate may help. Not finite: r-oak.")


def test_tables_and_the_human_ceiling_are_in_the_summary(make_snapshot, run_script):
    ran = run_script("reward", make_snapshot(), {**LEARN, "epochs": 1})
    tables = ran.summary["tables"]
    assert [row["label"] for row in tables["answers"]] == ["3"]
    assert tables["answers"][0]["pairs"] == ran.summary["valid_pairs"] == 9
    assert sum(row["pairs"] for row in tables["length"]) == 9
    assert -1 <= ran.summary["kendall_tau"] <= 1
    assert 0.5 <= ran.summary["mean_confidence"] <= 1
