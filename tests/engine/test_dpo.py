"""DPO: its loss by hand and against torch's autograd of the paper's formula, and the real script on the tiny model."""

import math

import pytest
import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM

from exchange.records import Prompt
from exchange.snapshot import write_snapshot
from tests.engine.chain import Chain
from tests.engine.conftest import in_double, prompt_of, ranking
from tests.engine.two_processes import two_processes
from training.engine import data, dpo
from training.engine.base import tiny_model
from training.engine.config import settings_for
from training.engine.data import Group
from training.engine.implicit_rewards import all_logprobs
from training.engine.layout import share_prompts
from training.engine.models import load_tokenizer
from training.engine.reporter import Reporter
from training.engine.runtime import Run

GROUPS = [
    Group("a", [5, 6, 7], [[8, 9, 2], [10, 2], [11, 12, 13, 2]], [0, 1, 2], 2.0),
    Group("b", [], [[14, 15, 2], [16, 17, 18, 2]], [1, 0], 1.0),
    Group("c", [21, 22], [[23, 2], [24, 2], [25, 26, 2]], [0, 1, 1], 0.5),
]
REFERENCE = {"a": [-20.0, -11.0, -23.5], "b": [-12.0, -15.0], "c": [-10.0, -10.5, -16.0]}
REFERENCES = list(REFERENCE.values())
BETA = 0.25
LEARN = {"epochs": 4, "batch_prompts": 3, "learning_rate": 0.003, "warmup_steps": 0, "eval_prompts": 3,
         "response_length": 5, "max_length": 100}  # fmt: skip


@pytest.fixture(params=["packed", "rows"])
def model(request):
    model = tiny_model().eval()
    assert request.param == "rows" or share_prompts(model)
    return in_double(model)


def a_run(tmp_path, **settings):
    values = settings_for("dpo", "cpu", {"beta": BETA, **settings})
    return Run("dpo", tmp_path, {}, values, Reporter(None), torch.device("cpu"), torch.float64)


def logprob(model, prompt, completion):
    """log π of a completion by plain transformers, alone in its row; behind an empty prompt, from its second token."""
    ids = prompt + completion
    logprobs = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    return sum(logprobs[place - 1, ids[place]] for place in range(max(1, len(prompt)), len(ids)))


def pair(model, group, winner, loser):
    """Rafailov et al., equation 7: one pair's loss."""
    ratios = [logprob(model, group.prompt, c) - r for c, r in zip(group.completions, REFERENCE[group.id], strict=True)]
    return -F.logsigmoid(BETA * (ratios[winner] - ratios[loser]))


def paper(model, ties):
    """The weighted mean over prompts of the mean over their pairs."""
    a, b, c = GROUPS
    first = (pair(model, a, 0, 1) + pair(model, a, 0, 2) + pair(model, a, 1, 2)) / 3
    second = pair(model, b, 1, 0)
    third = pair(model, c, 0, 1) + pair(model, c, 0, 2)
    third = third / 2 if ties == "drop" else (third + 0.5 * pair(model, c, 1, 2) + 0.5 * pair(model, c, 2, 1)) / 3
    return (2.0 * first + second + 0.5 * third) / 3.5


@pytest.mark.parametrize("ties", ["drop", "half"])
@pytest.mark.parametrize("micro_tokens", [16, 1000])
def test_the_loss_and_its_gradient_are_the_papers_over_all_pairs(tmp_path, model, ties, micro_tokens):
    expected = paper(model, ties)
    expected.backward()
    wanted = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    figures, blame = dpo.accumulate(a_run(tmp_path, ties=ties, micro_tokens=micro_tokens), model, GROUPS, REFERENCES)
    assert figures[0] == pytest.approx(expected.item(), abs=1e-12)
    assert figures[2] == 3 + 1 + 2
    assert blame == [0.0, 0.0, 0.0]
    for name, parameter in model.named_parameters():
        assert (parameter.grad - wanted[name]).abs().max() < 1e-9, name


def test_two_processes_shares_add_up_to_the_whole(tmp_path, model):
    whole = dpo.accumulate(a_run(tmp_path), model, GROUPS, REFERENCES)[0]
    gradient = model.lm_head.weight.grad.clone()
    model.zero_grad()
    shares = []
    for rank in range(2):
        run = a_run(tmp_path, micro_tokens=16)
        shares.append(dpo.accumulate(Run(**{**vars(run), "rank": rank, "world": 2}), model, GROUPS, REFERENCES)[0])
    assert [sum(figure) for figure in zip(*shares, strict=True)] == pytest.approx(whole, abs=1e-12)
    assert (model.lm_head.weight.grad - gradient).abs().max() < 1e-9


def test_at_its_reference_every_pair_costs_ln_2(tmp_path, model):
    run = a_run(tmp_path)
    with torch.no_grad():
        references = all_logprobs(run, model, GROUPS, "reference")
    for group, found in zip(GROUPS, references, strict=True):
        expected = [logprob(model, group.prompt, completion).item() for completion in group.completions]
        assert found == pytest.approx(expected, abs=1e-9)
    figures, _ = dpo.accumulate(run, model, GROUPS, references)
    assert figures[0] == pytest.approx(math.log(2), abs=1e-12)


def test_a_ranking_whose_loss_is_not_finite_is_to_blame(tmp_path, model):
    _, blame = dpo.accumulate(a_run(tmp_path), model, GROUPS, [REFERENCES[0], [math.nan, 0.0], REFERENCES[2]])
    assert blame == [0.0, 1.0, 0.0]


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    torch.set_num_threads(1)
    chain = Chain(tmp_path_factory.mktemp("dpo"))
    tuned = chain.run("sft", {"epochs": 3, "batch_size": 9, "learning_rate": 0.01})
    chain.sft = chain.checkpoint(tuned, "SFT")
    return chain


def test_two_rankings_of_one_id_have_references_of_their_own(chain, tmp_path):
    """Nothing keeps whoever writes a snapshot from it. Every pair costs ln 2 at the reference."""
    rankings = [ranking("oak", "train"), ranking("oak", "train", ["aaa bbb", "c", "dd"])]
    prompts = [Prompt("p-oak", prompt_of("oak"), "train")]
    snapshot = write_snapshot(tmp_path, project="x", meta={}, prompts=prompts, demonstrations=[], rankings=rankings)[1]
    ran = chain.run("dpo", {"epochs": 1, "batch_prompts": 2, "eval_prompts": 0}, snapshot=snapshot)
    assert ran.of("metrics")[0]["values"]["loss"] == pytest.approx(math.log(2), abs=1e-6)


@pytest.mark.parametrize(
    "options", [{}, {"dtype": "bf16"}, {"lora_rank": 8, "lora_alpha": 128, "learning_rate": 0.005, "epochs": 12}]
)
def test_it_learns_the_rankings_and_leaves_a_plain_policy(chain, options):
    ran = chain.run("dpo", {**LEARN, **options}, policy=chain.sft)
    assert ran.code == 0, ran.result
    steps = [line["values"] for line in ran.of("metrics")]
    assert steps[0]["loss"] == pytest.approx(math.log(2), abs=1e-4 if options.get("dtype") != "bf16" else 0.05)
    assert steps[-1]["loss"] < (0.63 if "lora_rank" in options else 0.6)
    assert ran.summary["valid_accuracy"] > 0.6
    assert ran.summary["valid_loss"] < math.log(2)
    assert (ran.summary["valid_groups"], ran.summary["valid_pairs"]) == (3, 18)
    assert ran.summary["kl"] > 0.001
    assert ran.summary["mean_length"] <= 5
    shown = ran.of("eval")[-1]["values"]
    assert (shown["accuracy"], shown["kl"]) == (ran.summary["valid_accuracy"], ran.summary["kl"])
    folder = ran.directory / ran.result["checkpoint"]
    assert AutoModelForCausalLM.from_pretrained(folder).state_dict().keys() == tiny_model().state_dict().keys()


def test_the_reported_accuracy_is_of_the_saved_policy_beside_its_start(chain):
    ran = chain.run("dpo", {**LEARN, "max_eval_groups": 1}, policy=chain.sft)
    policy = AutoModelForCausalLM.from_pretrained(ran.directory / ran.result["checkpoint"])
    start = AutoModelForCausalLM.from_pretrained(chain.sft["path"])
    run = Run("dpo", ran.directory, {}, settings_for("dpo", "cpu", LEARN), Reporter(None), policy.device, policy.dtype)
    held = data.ranking_groups(chain.snapshot, load_tokenizer(chain.sft["path"]), split="valid", max_length=100)
    [group] = data.shuffled(held.items, run.settings.seed)[:1]
    with torch.no_grad():
        rewards = [
            0.1 * (logprob(policy, group.prompt, c) - logprob(start, group.prompt, c)).item()
            for c in group.completions
        ]
    pairs = [(i, j) for i in range(4) for j in range(4) if group.ranks[i] < group.ranks[j]]
    losses = [math.log1p(math.exp(rewards[j] - rewards[i])) for i, j in pairs]
    assert ran.summary["valid_loss"] == pytest.approx(sum(losses) / 6, abs=2e-5)
    assert ran.summary["valid_accuracy"] == pytest.approx(sum(rewards[i] > rewards[j] for i, j in pairs) / 6, abs=1e-5)


def test_adapters_and_full_weights_begin_at_the_same_reference(chain):
    still = {**LEARN, "learning_rate": 1e-9, "epochs": 1}
    for options in ({}, {"lora_rank": 2}):
        ran = chain.run("dpo", {**still, **options}, policy=chain.sft)
        assert ran.summary["kl"] == pytest.approx(0.0, abs=1e-5)
        assert ran.summary["valid_loss"] == pytest.approx(math.log(2), abs=1e-5)


def test_two_processes_train_as_one(chain):
    settings = {**LEARN, "epochs": 2, "micro_tokens": 100}
    alone = chain.run("dpo", settings, policy=chain.sft)
    both = two_processes("dpo", chain.prepare("dpo", settings, policy=chain.sft))
    for one, other in zip(alone.of("metrics"), both.of("metrics"), strict=True):
        for name in ("loss", "accuracy", "grad_norm"):
            assert one["values"][name] == pytest.approx(other["values"][name], rel=1e-3)
    for name in ("valid_loss", "kl", "mean_length"):
        assert both.summary[name] == pytest.approx(alone.summary[name], rel=0.02)


def test_examples_as_long_as_the_model_reads_leave_room_for_the_kl(chain):
    ran = chain.run("dpo", {**LEARN, "epochs": 1, "max_length": 4096}, policy=chain.sft)
    assert ran.code == 0, ran.result
    assert "kl" in ran.summary


def test_a_snapshot_of_ties_teaches_nothing(chain, make_snapshot):
    ran = chain.run("dpo", LEARN, snapshot=make_snapshot([], [ranking("oak", "train", ranks=(0, 0, 0))]))
    assert ran.refusal == (
        "The snapshot has no training ranking with two completions of different rank of at most 100 tokens."
    )
