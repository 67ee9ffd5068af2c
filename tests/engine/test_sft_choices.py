"""What SFT can be told: which turns it learns, pretraining text beside them, which checkpoint it keeps."""

import json
import math

import pytest
import torch
import torch.nn.functional as F

from exchange.records import Demonstration, Message
from tests.engine.chain import Chain
from tests.engine.conftest import in_double, prompt_of
from tests.engine.test_resume import killed_after
from tests.engine.test_sft_run import plain_loss
from training.engine import sft
from training.engine.base import tiny_model
from training.engine.config import settings_for
from training.engine.data import Dialogue
from training.engine.dialogues import dialogue_loss
from training.engine.layout import share_prompts
from training.engine.reporter import Reporter
from training.engine.runtime import Run

LEARN = {"epochs": 8, "batch_size": 3, "learning_rate": 0.02, "max_length": 200}
DIALOGUES = [
    Dialogue("a", [5, 6, 7], [8, 9, 10, 2], 2.0),
    Dialogue("b", [], [11, 12, 13, 14, 2, 15], 1.0, [False, False, True, True, False, True]),
    Dialogue("c", [21], [22, 2], 0.5),
]
TEXT = [[31, 32, 33, 34], [35, 36, 37, 38]]


@pytest.fixture(params=["packed", "rows"])
def model(request):
    """In both layouts: packed without padding, and padded rows, the longest first."""
    model = tiny_model().eval()
    assert request.param == "rows" or share_prompts(model)
    return in_double(model)


def a_run(tmp_path, **settings):
    values = settings_for("sft", "cpu", settings)
    return Run("sft", tmp_path, {}, values, Reporter(None), torch.device("cpu"), torch.float64)


def token_losses(model, ids):
    """−log p of each token after the first, by plain transformers."""
    logits = model(torch.tensor([ids])).logits[0, :-1]
    return F.cross_entropy(logits, torch.tensor(ids[1:]), reduction="none")


def by_hand(model):
    """Σ over learned tokens of weight · −log p, and Σ of their weights."""
    a, b, c = (token_losses(model, item.prompt + item.completion) for item in DIALOGUES)
    total = 2.0 * a[2:].sum() + (b[1] + b[2] + b[4]) + 0.5 * c.sum()
    return total, 2.0 * 4 + 3 + 0.5 * 2


def test_the_validation_loss_is_a_plain_mean_over_tokens_whatever_demonstrations_weigh(tmp_path, model):
    with torch.no_grad():
        a, b, c = (token_losses(model, item.prompt + item.completion) for item in DIALOGUES)
    expected = (float(a[2:].sum()) + float(b[1] + b[2] + b[4]) + float(c.sum())) / (4 + 3 + 2)
    for micro_tokens in (16, 1000):
        run = a_run(tmp_path, micro_tokens=micro_tokens)
        assert sft.evaluate(run, model, DIALOGUES, step=0) == pytest.approx(expected, abs=1e-12)


def gradients(model):
    found = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    return found


@pytest.mark.parametrize("micro_tokens", [16, 1000])
def test_dialogues_give_the_plain_loss_of_learned_tokens_and_its_gradient(tmp_path, model, micro_tokens):
    total, tokens = by_hand(model)
    (total / tokens).backward()
    expected = gradients(model)
    loss = sft.accumulate(a_run(tmp_path, micro_tokens=micro_tokens), model, DIALOGUES)
    assert loss == pytest.approx((total / tokens).item(), abs=1e-12)
    for name, gradient in gradients(model).items():
        assert (gradient - expected[name]).abs().max() < 1e-9, name


@pytest.mark.oracle(7)
def test_a_neighbour_changes_nothing_bitwise(model):
    model.float()
    other = Dialogue("z", [], [90, 91, 92, 93, 2, 94], 1.0, [False] * 6)
    alone, beside = (
        dialogue_loss(model, [DIALOGUES[0], Dialogue("b", [], DIALOGUES[1].completion, 1.0, [False] * 6)]),
        dialogue_loss(model, [DIALOGUES[0], other]),
    )
    assert alone.item() == beside.item()


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_pretraining_text_has_its_share_of_the_loss_and_gradient(tmp_path, model, share):
    demonstrations = by_hand(model)
    text = torch.cat([token_losses(model, row) for row in TEXT]).mean()
    expected = (1 - share) * demonstrations[0] / demonstrations[1] + share * text
    expected.backward()
    wanted = gradients(model)
    loss = sft.accumulate(a_run(tmp_path, pretrain_share=share, micro_tokens=16), model, DIALOGUES, TEXT)
    assert loss == pytest.approx(expected.item(), abs=1e-12)
    for name, gradient in gradients(model).items():
        assert (gradient - wanted[name]).abs().max() < 1e-9, name


def talk(word, split):
    messages = (*prompt_of(word), Message("assistant", f"The {word}!"), Message("user", "Again."))
    return Demonstration(f"d-{word}", f"p-{word}", messages, f"The {word} is good.", split, "ann")


def test_a_run_with_all_turns_and_a_pretraining_mix(make_snapshot, run_script, tmp_path):
    snapshot = make_snapshot([talk("oak", "train"), talk("elm", "train"), talk("ash", "train"), talk("fir", "valid")])
    (tmp_path / "text.txt").write_text("In winter the ash is bare and the yew is green. " * 9)
    settings = {**LEARN, "epochs": 3, "loss_on": "all", "pretrain_share": 0.4, "pretrain_length": 24}
    inputs = {"pretrain": {"name": "text", "path": str(tmp_path / "text.txt"), "digest": "1"}}
    ran = run_script("sft", snapshot, settings, **inputs)
    assert ran.code == 0, ran.result
    said = len(b"The fir!") + 1 + len(b"The fir is good.") + 1
    assert ran.summary["valid_tokens"] == said
    assert ran.summary["valid_loss_after"] < ran.summary["valid_loss_before"] - 1
    # The text has 18 rows, of which three steps can draw six.
    assert "Each step has 2 of 6 rows of 24 tokens of pretraining text, 40% of its loss." in [
        line["text"] for line in ran.of("note")
    ]


def test_another_pretraining_text_is_refused_where_a_run_goes_on(tmp_path, monkeypatch):
    chain = Chain(tmp_path)
    (tmp_path / "text.txt").write_text("In winter the ash is bare and the yew is green. " * 9)
    text = {"name": "text", "path": str(tmp_path / "text.txt"), "digest": "1"}
    settings = {**LEARN, "pretrain_share": 0.2, "pretrain_length": 24}
    directory = chain.prepare("sft", settings, pretrain=text)
    with monkeypatch.context() as patched:
        killed_after(patched, 3, saved=2)
        assert chain.go_on("sft", directory).code == 1
    config = json.loads((directory / "config.json").read_text())
    config["inputs"]["pretrain"]["digest"] = "2"
    (directory / "config.json").write_text(json.dumps(config))
    assert "which has another pretraining text; start" in chain.go_on("sft", directory).refusal
    config["inputs"]["pretrain"]["digest"] = "1"
    (directory / "config.json").write_text(json.dumps(config))
    again = chain.go_on("sft", directory)
    assert again.result["digest"] == chain.run("sft", settings, pretrain=text).result["digest"]


def test_a_mix_without_text_is_refused(make_snapshot, run_script):
    ran = run_script("sft", make_snapshot(), {**LEARN, "pretrain_share": 0.1})
    assert ran.refusal == "A pretraining mix needs pretraining text, but the run has none."


def test_pretraining_rows_beyond_what_the_model_reads_are_refused(make_snapshot, run_script, tmp_path):
    text = {"name": "text", "path": str(tmp_path / "text.txt"), "digest": "1"}
    ran = run_script("sft", make_snapshot(), {**LEARN, "pretrain_share": 0.1, "pretrain_length": 4097}, pretrain=text)
    assert ran.refusal == "pretrain_length is 4,097 tokens, but the model reads at most 4,096."


def test_the_best_validation_loss_is_kept(make_snapshot, run_script):
    """A large learning rate overfits: the best is before the last."""
    snapshot = make_snapshot()
    settings = {**LEARN, "epochs": 30, "learning_rate": 0.05, "select": "loss", "eval_steps": 4}
    ran = run_script("sft", snapshot, settings)
    losses = {line["step"]: line["values"]["loss"] for line in ran.of("eval")[1:-1]}
    assert list(losses) == [*range(4, 89, 4), 90]
    best = min(losses, key=losses.get)
    assert best < 90
    assert ran.summary["selected_step"] == best
    assert ran.summary["valid_loss_after"] == pytest.approx(losses[best], abs=1e-5)
    assert plain_loss(ran.directory / ran.result["checkpoint"], snapshot)[0] == pytest.approx(losses[best], abs=1e-4)


def test_the_best_reward_is_kept(tmp_path):
    """The reward model likes the letter a, and the demonstrations are full of it."""
    chain = Chain(tmp_path)
    learned = chain.run("reward", {"epochs": 12, "batch_prompts": 3, "learning_rate": 0.01})
    judge = chain.checkpoint(learned, "Judge")
    settings = {**LEARN, "epochs": 4, "select": "reward", "response_length": 6, "eval_prompts": 2, "eval_steps": 3}
    ran = chain.run("sft", settings, reward=judge)
    assert ran.code == 0, ran.result
    rewards = {line["step"]: line["values"]["reward"] for line in ran.of("eval") if "reward" in line["values"]}
    assert list(rewards) == [3, 6, 9, 12]
    assert len(set(rewards.values())) > 1
    assert rewards[ran.summary["selected_step"]] == max(rewards.values())
    assert ran.summary["valid_reward"] == pytest.approx(max(rewards.values()), abs=1e-5)
    refused = chain.run("sft", {**settings, "response_length": 200}, reward=judge)
    assert refused.refusal == "response_length must be less than max_length, else no prompt has room before an answer."
    assert chain.run("sft", settings).refusal == "A run of kind sft needs a reward model."


def test_nothing_to_select_by(make_snapshot, run_script):
    ran = run_script("sft", make_snapshot([talk("oak", "train")]), {**LEARN, "select": "loss"})
    assert (
        ran.refusal == "Without validation demonstrations the best validation loss selects nothing; select the last."
    )


def test_a_demonstration_whose_loss_is_not_finite_is_named(make_snapshot, run_script, monkeypatch):
    usual = sft.dialogue_loss

    def broken(model, dialogues, **options):
        loss = usual(model, dialogues, **options)
        return loss * math.nan if any(item.id == "d-oak" for item in dialogues) else loss

    monkeypatch.setattr(sft, "dialogue_loss", broken)
    ran = run_script("sft", make_snapshot(), {**LEARN, "epochs": 1})
    assert ran.code == 0, ran.result
    [note] = [line["text"] for line in ran.of("note") if "skipped" in line["text"]]
    assert note.endswith("was skipped: its gradient is not finite. Not finite: d-oak.")
    stopped = run_script("sft", make_snapshot(), {**LEARN, "batch_size": 9})
    assert stopped.refusal.endswith(
        "up to step 3, were not finite; a smaller learning rate may help. Not finite: d-oak."
    )
