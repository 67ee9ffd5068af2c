"""What each of two ranks holds of a sharded model, and that it computes what a whole one does.

The model's widths are odd, so that the ranks' parts differ. One pair of processes writes down all that it sees
(`_rank`), and the tests compare that with a plain model of the same weights.
"""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch.distributed.tensor import DTensor
from transformers import LlamaConfig, LlamaForCausalLM

from tests.engine.two_processes import torchrun
from training.engine import heads, sharding
from training.engine.config import settings_for
from training.engine.ema import Average
from training.engine.errors import RunError
from training.engine.optimizer import MasterAdamW
from training.engine.reporter import Reporter
from training.engine.runtime import Run

IDS = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6], [2, 7, 1, 8, 2, 8, 1, 8]])  # a row for each rank
LR, MAX_NORM = 0.01, 0.05
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def new_model():
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=11, hidden_size=20, intermediate_size=27, num_hidden_layers=3, num_attention_heads=5, head_dim=4,
        num_key_value_heads=1, tie_word_embeddings=True, bos_token_id=None, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def a_run(dtype=torch.float32, *, rank=0, world=1):
    settings = settings_for("sft", "cpu", {"sharding": "layers"})
    return Run("sft", Path(), {}, settings, Reporter(None), torch.device("cpu"), dtype, rank, world)


def loss_of(model, row):
    """−Σ log p of a row's tokens over the number of both rows' tokens, body and unembedding apart."""
    hidden = heads.body(model)(input_ids=IDS[row, None], use_cache=False).last_hidden_state[0, :-1]
    logits = model.get_output_embeddings()(hidden)
    return torch.nn.functional.cross_entropy(logits.float(), IDS[row, 1:], reduction="sum") / (2 * IDS.shape[1] - 2)


def flat(model):
    return {name: parameter.detach().float().clone() for name, parameter in model.state_dict().items()}


def two_steps(model, rows, dtype, look=None):
    """Two optimizer steps on these rows' losses; the norms, and the rounded weights and their average behind them."""
    optimizer = MasterAdamW(model, weight_decay=0.1, lower=model, dtype=dtype)
    average = Average(optimizer, 0.5)
    norms = []
    for step in range(2):
        for row in rows:
            loss_of(model, row).backward()
        if step and look is not None:
            look(optimizer)
        norms.append(optimizer.step(lr=LR, max_norm=MAX_NORM))
        average.update()
    with sharding.whole(model):
        found = {"norms": norms, "rounded": flat(model)}
    with average.applied(), sharding.whole(model):
        found["average"] = flat(model)
    optimizer.restore()
    sharding.dissolve(model)
    return {**found, "weights": flat(model)}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What each rank saw, by precision."""
    file = tmp_path_factory.mktemp("sharding") / "seen"
    torchrun("-m", "tests.engine.test_sharding", str(file))
    return [torch.load(f"{file}.{rank}", weights_only=True) for rank in range(2)]


@pytest.fixture(scope="module", params=DTYPES)
def seen(request, both):
    """What the ranks saw in a precision, and the same of a plain model in this process."""
    plain = two_steps(new_model(), range(2), DTYPES[request.param])
    return [rank[request.param] for rank in both], plain


def test_each_rank_holds_its_part_of_the_layers_and_the_rest_whole(seen):
    """Counted: masters, gradients and both moments are as large as the part, and the parts are together the layers."""
    model = new_model()
    layers = sum(parameter.numel() for parameter in heads.body(model).layers.parameters())
    rest = sum(parameter.numel() for parameter in model.parameters()) - layers
    first, second = (one["shards"] for one in seen[0])
    assert first["masters"] + second["masters"] == layers
    assert 0.4 * layers < second["masters"] < first["masters"]  # of 27 rows they have 14 and 13
    for one in (first, second):
        assert one["gradients"] == one["masters"]
        assert one["moments"] == 2 * one["masters"]
        assert one["memory"] == first["masters"]  # FSDP pads the smaller part
    for one in seen[0]:  # also that nothing that a pass gathered is left
        assert one["whole"] == {"memory": rest, "masters": rest, "gradients": rest, "moments": 2 * rest}


def test_the_norm_is_of_the_whole_gradient_and_clips_it(seen):
    ranks, plain = seen
    assert min(plain["norms"]) > MAX_NORM
    for one in ranks:
        assert one["norms"] == pytest.approx(plain["norms"], rel=1e-6)


def test_two_steps_end_with_the_weights_of_a_plain_model_on_every_rank(seen):
    ranks, plain = seen
    for one in ranks:
        assert one["weights"].keys() == plain["weights"].keys()
        for name, expected in plain["weights"].items():
            torch.testing.assert_close(one["weights"][name], expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("what", ["rounded", "average"])
def test_what_passes_without_gradients_read_is_what_training_rounds(seen, what):
    """To one bf16 step where the masters are apart by 1e-8 and round to two sides."""
    ranks, plain = seen
    for one in ranks:
        for name, expected in plain[what].items():
            torch.testing.assert_close(one[what][name], expected, atol=1e-6, rtol=one["step"])


def test_made_up_passes_add_nothing(seen):
    assert all(one["added_by_made_up_passes"] == 0.0 for one in seen[0])


def test_a_dissolved_model_is_a_plain_one(seen):
    assert all(one["plain_classes"] and one["tied"] for one in seen[0])


def test_one_process_says_that_it_stays_whole(tmp_path):
    model = new_model()
    sharding.shard(replace(a_run(), report=Reporter(tmp_path / "metrics.jsonl")), model)
    assert not sharding.is_sharded(model)
    assert "this run has one, so its model stays whole." in (tmp_path / "metrics.jsonl").read_text()


def test_an_architecture_without_known_layers_is_refused():
    model = new_model()
    heads.body(model).layers = torch.nn.ModuleList()
    with pytest.raises(RunError, match="layers of this architecture are not known, so set sharding to none"):
        sharding.shard(replace(a_run(), world=2), model)


def _look(optimizer: MasterAdamW) -> dict[str, dict[str, int]]:
    """How many numbers this rank holds in what is sharded and in what is not, before a second step."""
    found = {}
    for name, wanted in (("shards", True), ("whole", False)):
        counts = dict.fromkeys(("memory", "masters", "gradients", "moments"), 0)
        for number, (parameter, master) in enumerate(zip(optimizer.parameters, optimizer.masters, strict=True)):
            if (number in optimizer.shards) == wanted:
                moments = optimizer.inner.state[master]
                counts["memory"] += _local(parameter).untyped_storage().nbytes() // parameter.element_size()
                counts["masters"] += master.numel()
                counts["gradients"] += _gradients(optimizer)[number].numel()
                counts["moments"] += moments["exp_avg"].numel() + moments["exp_avg_sq"].numel()
        found[name] = counts
    return found


def _gradients(optimizer: MasterAdamW) -> list[torch.Tensor]:
    pairs = zip(optimizer.parameters, optimizer.masters, strict=True)
    return [
        _local(parameter.grad if number in optimizer.shards else master.grad).clone()
        for number, (parameter, master) in enumerate(pairs)
    ]


def _local(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def _rank(precision: str) -> dict[str, object]:
    """One rank's side."""
    rank, dtype, model, found = dist.get_rank(), DTYPES[precision], new_model(), {}
    classes = [type(module) for module in model.modules()]
    sharding.shard(a_run(dtype, rank=rank, world=2), model)

    def look(optimizer: MasterAdamW) -> None:
        before = _gradients(optimizer)
        sharding.even_out([model], 1, 3)
        found["added_by_made_up_passes"] = max(
            float((now - then).abs().max()) for now, then in zip(_gradients(optimizer), before, strict=True)
        )
        found.update(_look(optimizer))

    found |= two_steps(model, [rank], dtype, look)
    found["step"] = 2**-7 if precision == "bf16" else 0.0
    found["plain_classes"] = classes == [type(module) for module in model.modules()] and all(
        type(parameter) is torch.nn.Parameter and parameter.requires_grad for parameter in model.parameters()
    )
    found["tied"] = model.lm_head.weight is heads.body(model).embed_tokens.weight
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    torch.save({precision: _rank(precision) for precision in DTYPES}, f"{sys.argv[1]}.{dist.get_rank()}")
    dist.barrier()
    dist.destroy_process_group()
