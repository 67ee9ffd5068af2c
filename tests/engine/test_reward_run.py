"""The reward model through its run directory on the tiny model: what it learns, its bias, its plain checkpoint."""

import json
import math

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from exchange.records import Demonstration, RankingGroup
from exchange.snapshot import read_snapshot
from tests.engine.conftest import WORDS, demonstration, prepare, ranking, split_of
from tests.engine.two_processes import two_processes
from training.engine import heads, reward
from training.engine.accuracy import pair_accuracy
from training.engine.attention import use_tree_attention
from training.engine.base import tiny_model
from training.engine.config import settings_for
from training.engine.data import Group
from training.engine.layout import Layout
from training.engine.losses import kway_loss, pair_targets
from training.engine.models import encode_completion, encode_prompt, load_reward
from training.engine.reward import accumulate
from training.engine.scoring import score_families

LEARN = {"epochs": 8, "batch_prompts": 3, "learning_rate": 0.01, "max_length": 200}


def plain_scores(folder, records) -> list[list[float]]:
    """Scores by plain transformers alone, row by row: its logit plus the bias that its configuration carries."""
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found = []
    for record in records:
        texts = [c.text for c in record.completions] if isinstance(record, RankingGroup) else [record.completion]
        ids = [encode_prompt(tokenizer, record.messages) + encode_completion(tokenizer, text) for text in texts]
        with torch.no_grad():
            logits = [model(input_ids=torch.tensor([row])).logits[0, 0].item() for row in ids]
        found.append([logit + model.config.reward_bias for logit in logits])
    return found


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_it_learns_the_ranking_and_plain_transformers_agrees(make_snapshot, run_script, dtype):
    snapshot = make_snapshot()
    ran = run_script("reward", snapshot, {**LEARN, "dtype": dtype})
    assert ran.code == 0
    assert (ran.summary["train_groups"], ran.summary["train_pairs"]) == (9, 27)
    assert (ran.summary["valid_groups"], ran.summary["valid_pairs"]) == (3, 9)
    assert ran.summary["valid_accuracy"] >= 8 / 9
    assert ran.summary["train_loss_end"] < ran.summary["train_loss_start"] / 2

    folder = ran.directory / ran.result["checkpoint"]
    groups = list(read_snapshot(snapshot, RankingGroup, split="valid"))
    scores = plain_scores(folder, groups)
    measured = pair_accuracy([(s, group.ranks) for s, group in zip(scores, groups, strict=True)])
    assert ran.summary["valid_accuracy"] == pytest.approx(measured.accuracy, abs=1e-5)
    losses = [kway_loss(torch.tensor(s), pair_targets(group.ranks)) for s, group in zip(scores, groups, strict=True)]
    assert ran.summary["valid_loss"] == pytest.approx(float(sum(losses)) / 3, abs=3e-5)

    model, tokenizer = load_reward({}, {"path": str(folder), "digest": ran.result["digest"]}, dtype=torch.float32,
                                   device=torch.device("cpu"))  # fmt: skip
    families = [
        (encode_prompt(tokenizer, g.messages), [encode_completion(tokenizer, c.text) for c in g.completions])
        for g in groups
    ]
    with torch.no_grad():
        ours = score_families(model, families)
    for mine, theirs in zip(ours, scores, strict=True):
        assert mine.tolist() == pytest.approx(theirs, abs=1e-5)


@pytest.mark.oracle(8)
@pytest.mark.parametrize("side", ["left", "right"])
def test_padded_rows_in_plain_transformers_score_the_end_token(make_snapshot, run_script, side):
    """PAD is not the end token, so transformers' own search for the last token finds the scored one."""
    snapshot = make_snapshot()
    ran = run_script("reward", snapshot, {**LEARN, "epochs": 1})
    folder = ran.directory / ran.result["checkpoint"]
    model, tokenizer = (
        AutoModelForSequenceClassification.from_pretrained(folder),
        AutoTokenizer.from_pretrained(folder),
    )
    group = next(iter(read_snapshot(snapshot, RankingGroup)))
    prompt = encode_prompt(tokenizer, group.messages)
    ids = [prompt + encode_completion(tokenizer, c.text) for c in group.completions]
    width = max(map(len, ids))
    pads = [[tokenizer.pad_token_id] * (width - len(row)) for row in ids]
    padded = [pad + row if side == "left" else row + pad for row, pad in zip(ids, pads, strict=True)]
    batch = torch.tensor(padded)
    mask = (batch != tokenizer.pad_token_id).long()
    with torch.no_grad():
        logits = model(input_ids=batch, attention_mask=mask).logits[:, 0] + model.config.reward_bias
    assert logits.tolist() == pytest.approx(plain_scores(folder, [group])[0], abs=1e-5)


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_demonstrations_have_mean_score_0(make_snapshot, run_script, dtype):
    snapshot = make_snapshot()
    ran = run_script("reward", snapshot, {**LEARN, "dtype": dtype})
    assert ran.summary["bias_demonstrations"] == 9
    assert ran.summary["demonstration_mean"] == pytest.approx(0, abs=1e-5)
    assert ran.summary["bias"] != 0.0
    spoken = list(read_snapshot(snapshot, Demonstration, split="train"))
    scores = [row[0] for row in plain_scores(ran.directory / "checkpoints/final", spoken)]
    assert sum(scores) / len(scores) == pytest.approx(0, abs=1e-5)
    assert max(scores) - min(scores) > 1e-3


def test_without_demonstrations_the_bias_stays_0(make_snapshot, run_script):
    ran = run_script("reward", make_snapshot([], [ranking("oak", "train")]), {**LEARN, "epochs": 1})
    assert ran.summary["bias"] == 0.0
    assert any("keep the bias 0" in note["text"] for note in ran.of("note"))


def test_a_skipped_step_does_not_cost_the_run(make_snapshot, run_script, monkeypatch):
    """The second ranking's loss is NaN: its step is skipped and the run's figures are of the others."""
    real, calls = reward.kway_loss, 0

    def once_not_finite(scores, targets, **options):
        nonlocal calls
        calls += 1
        return real(scores, targets, **options) * (math.nan if calls == 2 else 1.0)

    monkeypatch.setattr(reward, "kway_loss", once_not_finite)
    ran = run_script("reward", make_snapshot(), LEARN)
    assert ran.code == 0, ran.result
    losses = [line["values"]["loss"] for line in ran.of("metrics")]  # 24 steps, so a quarter is 6
    assert losses[0] is None
    assert ran.summary["train_loss_start"] == pytest.approx(sum(losses[1:6]) / 5, abs=1e-5)
    assert ran.summary["train_loss_end"] == pytest.approx(sum(losses[-6:]) / 6, abs=1e-5)


def test_a_figure_without_a_finite_part_is_absent(make_snapshot, run_script, monkeypatch):
    real, calls = reward.kway_loss, 0

    def first_step_not_finite(scores, targets, **options):
        nonlocal calls
        calls += 1
        return real(scores, targets, **options) * (math.nan if calls <= 3 else 1.0)

    monkeypatch.setattr(reward, "kway_loss", first_step_not_finite)
    ran = run_script("reward", make_snapshot(), {**LEARN, "epochs": 1})  # 3 steps, so a quarter is 1
    assert ran.code == 0, ran.result
    assert "train_loss_start" not in ran.summary
    assert math.isfinite(ran.summary["train_loss_end"])


@pytest.mark.oracle(9)
def test_prefix_and_rows_train_the_same_model(make_snapshot, run_script):
    snapshot = make_snapshot()
    prefix, rows = (
        run_script("reward", snapshot, {**LEARN, "epochs": 1, "layout": kind}) for kind in ("prefix", "rows")
    )
    for one, other in zip(prefix.of("metrics"), rows.of("metrics"), strict=True):
        assert one["values"]["loss"] == pytest.approx(other["values"]["loss"], rel=1e-3)
    assert prefix.summary["bias"] == pytest.approx(rows.summary["bias"], abs=1e-2)


def test_it_starts_from_the_sft_policy(make_snapshot, run_script):
    snapshot = make_snapshot()
    sft = run_script("sft", snapshot, {"epochs": 1, "batch_size": 9, "learning_rate": 0.01})
    policy = {"name": "SFT 1", "path": str(sft.directory / "checkpoints/final"), "digest": sft.result["digest"]}
    ran = run_script("reward", snapshot, {**LEARN, "epochs": 1, "learning_rate": 1e-9}, policy=policy)
    folder = ran.directory / "checkpoints/final"
    assert json.loads((folder / "plumbline.json").read_text())["parents"]["policy"] == sft.result["digest"]
    trained = AutoModelForSequenceClassification.from_pretrained(folder)
    start = AutoModelForSequenceClassification.from_pretrained(policy["path"], num_labels=1)
    torch.testing.assert_close(heads.body(trained).state_dict(), heads.body(start).state_dict(), rtol=0, atol=1e-6)


def test_the_head_starts_as_the_paper_says(make_snapshot, run_script):
    ran = run_script("reward", make_snapshot(), {**LEARN, "epochs": 1, "learning_rate": 1e-9})
    head = AutoModelForSequenceClassification.from_pretrained(ran.directory / "checkpoints/final").score.weight
    assert head.shape == (1, 32)
    assert head.std().item() == pytest.approx((1 / 33) ** 0.5, rel=0.3)


def test_ties_only_and_long_answers_are_left_out(make_snapshot, run_script):
    groups = [ranking(word, split_of(i)) for i, word in enumerate(WORDS[2:], start=2)]
    groups += [ranking("oak", "train", ranks=(0, 0, 0)), ranking("elm", "train", ["good", "y" * 400, "bad"])]
    snapshot = make_snapshot(rankings=groups)
    ran = run_script("reward", snapshot, {**LEARN, "epochs": 1})
    assert (ran.summary["left_out_ties"], ran.summary["left_out_long"]) == (1, 1)
    assert (ran.summary["train_groups"], ran.summary["train_pairs"]) == (8, 7 * 3 + 1)
    half = run_script("reward", snapshot, {**LEARN, "epochs": 1, "ties": "half"})
    assert (half.summary["left_out_ties"], half.summary["train_groups"]) == (0, 9)
    assert half.summary["train_pairs"] == 7 * 3 + 1 + 3


def test_budgets(make_snapshot, run_script):
    ran = run_script("reward", make_snapshot(), {**LEARN, "epochs": 1, "max_train_tokens": 500, "max_eval_groups": 2})
    assert 0 < ran.summary["train_groups"] < 9
    assert ran.summary["train_groups"] + ran.summary["left_out_budget"] == 9
    assert ran.summary["train_tokens"] <= 500
    assert ran.summary["valid_groups"] == 2
    assert (ran.summary["valid_left_out_long"], ran.summary["valid_left_out_budget"]) == (0, 1)
    assert (
        "Validating on 2 rankings. Left out: 0 completions over 200 tokens with their prompt; 0 rankings that have "
        "fewer than two without them; 0 rankings of ties only; 1 beyond the limit."
    ) in [note["text"] for note in ran.of("note")]


@pytest.mark.parametrize("kind", ["reward", "dpo"])
def test_every_ranking_of_the_snapshot_is_learned_from_or_counted(make_snapshot, run_script, kind):
    """Of five to train on one has ties only and one a single short answer; of four held out likewise, and one of the
    two others is beyond the limit."""
    groups = [ranking(word, "train") for word in WORDS[:3]] + [ranking(word, "valid") for word in WORDS[3:5]]
    for split, tied, long in (("train", "oaks", "elms"), ("valid", "firs", "figs")):
        groups.append(ranking(tied, split, ranks=(0, 0, 0)))
        groups.append(ranking(long, split, ["good", "y" * 400, "z" * 400]))
    ran = run_script(kind, make_snapshot(rankings=groups), {"max_length": 200, "max_eval_groups": 1})
    found = ran.summary
    assert (found["train_groups"], found["valid_groups"]) == (3, 1)
    for split, budget in (("", 0), ("valid_", 1)):
        assert [found[f"{split}left_out_{name}"] for name in ("long", "groups", "ties", "budget")] == [2, 1, 1, budget]
    training, held, *_ = [note["text"] for note in ran.of("note") if "rankings" in note["text"]]
    assert training.endswith(
        "Left out: 2 completions over 200 tokens with their prompt; 1 rankings that have fewer than two without them; "
        "1 rankings of ties only; 0 beyond the token budget."
    )
    assert held == (
        "Validating on 1 rankings. Left out: 2 completions over 200 tokens with their prompt; 1 rankings that have "
        "fewer than two without them; 1 rankings of ties only; 1 beyond the limit."
    )


def test_what_the_bias_and_the_validation_leave_out_is_said(make_snapshot, run_script):
    spoken = [demonstration(word, "train", "x" * 400 if word == "oak" else None) for word in WORDS[:6]]
    groups = [ranking("oak", "train"), ranking("elm", "valid", ["good", "y" * 400, "bad"])]
    ran = run_script("reward", make_snapshot(spoken, groups), {**LEARN, "epochs": 1, "max_bias_tokens": 200})
    kept = ran.summary["bias_demonstrations"]
    assert 0 < kept < 5
    assert (ran.summary["bias_left_out_long"], ran.summary["bias_left_out_budget"]) == (1, 5 - kept)
    assert ran.summary["valid_left_out_long"] == 1
    assert (
        f"The bias is set on {kept} demonstrations. Left out: 1 over 200 tokens; {5 - kept} beyond the token budget."
        in [note["text"] for note in ran.of("note")]
    )


@pytest.mark.parametrize("layout", ["prefix", "rows"])
def test_a_pass_has_at_most_micro_tokens_in_its_own_layout(layout, monkeypatch):
    """Prompt 10, K = 3, answers of 2, 4, 6: packed 22 tokens, in rows 3·16 = 48; so 100 holds four groups or two."""
    torch.manual_seed(0)
    config = tiny_model().config
    config.num_labels = 1
    model = AutoModelForSequenceClassification.from_config(config)
    heads.init_head(model, 1)
    assert use_tree_attention(model)
    sizes, real = [], Layout.hidden

    def noted(self, model, *, most=None):
        sizes.append(self.ids.numel())
        return real(self, model, most=most)

    monkeypatch.setattr(Layout, "hidden", noted)
    groups = [Group(str(n), [5] * 10, [[6] * 2, [7] * 4, [8] * 6], [0, 1, 2]) for n in range(4)]
    accumulate(model, groups, settings_for("reward", "cpu", {"micro_tokens": 100, "layout": layout}))
    assert sizes == {"prefix": [88], "rows": [96, 96]}[layout]


@pytest.mark.oracle(13)
def test_two_processes_train_as_one(make_snapshot, tmp_path, models_dir, run_script):
    snapshot = make_snapshot()
    settings = {**LEARN, "epochs": 2, "micro_tokens": 100}
    alone = run_script("reward", snapshot, settings)
    both = two_processes("reward", prepare(tmp_path / "two", "reward", snapshot, models_dir, settings))
    for one, other in zip(alone.of("metrics"), both.of("metrics"), strict=True):
        assert one["values"]["loss"] == pytest.approx(other["values"]["loss"], rel=1e-4)
    for name in ("bias", "valid_loss", "valid_accuracy"):
        assert both.summary[name] == pytest.approx(alone.summary[name], abs=1e-3)
    one, other = (
        AutoModelForSequenceClassification.from_pretrained(ran.directory / "checkpoints/final")
        for ran in (alone, both)
    )
    torch.testing.assert_close(one.state_dict(), other.state_dict(), rtol=0, atol=1e-3)


def test_without_validation_rankings_it_trains_and_says_so(make_snapshot, run_script):
    ran = run_script("reward", make_snapshot(rankings=[ranking("oak", "train")]), {**LEARN, "epochs": 1})
    assert ran.code == 0
    assert "valid_accuracy" not in ran.summary
    assert any("there is no accuracy" in note["text"] for note in ran.of("note"))


def test_without_training_rankings_it_refuses(make_snapshot, run_script):
    ran = run_script("reward", make_snapshot([demonstration("oak", "train")], []), LEARN)
    assert ran.code == 1
    assert ran.refusal == (
        "The snapshot has no training ranking with two completions of different rank of at most 200 tokens."
    )
