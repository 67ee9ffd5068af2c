"""Sampling by vLLM: what is refused where it cannot be had, and the same answers as our own loop where it can.

The second half runs only where PLUMBLINE_VLLM_PYTHON names a Python with vLLM, or where `python -m benchmarks.vllm`
has installed it into var/bench/vllm. It uses the real vLLM's build for CPUs.
"""

import math
import os
import re
import subprocess
import venv
from pathlib import Path

import psutil
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from exchange import completions
from exchange.records import Prompt
from exchange.snapshot import write_snapshot
from tests.engine.conftest import demonstration, ended, prepare, prompt_of
from training.engine import sample as sample_script
from training.engine import sampling, vllm_sampling
from training.engine.base import byte_tokenizer, resolve_base
from training.engine.config import SettingsError, settings_for
from training.engine.errors import RunError
from training.engine.runtime import execute

INSTALLED = Path(__file__).resolve().parents[2] / "var" / "bench" / "vllm"
PYTHON = os.environ.get(vllm_sampling.VARIABLE) or (
    str(INSTALLED / "bin" / "python") if (INSTALLED / "installed").exists() else ""
)
with_vllm = pytest.mark.skipif(
    not PYTHON, reason="vLLM is neither in var/bench/vllm nor named by PLUMBLINE_VLLM_PYTHON"
)
CPU = torch.device("cpu")
MISSING = (
    "engine = vllm needs PLUMBLINE_VLLM_PYTHON on the machine that samples: the Python of an environment with vLLM."
)
VOCABULARY = 259
PROMPTS = [[10, 11, 12, 13, 14, 15, 16], [20], [30, 31, 32], [40, 41, 42, 43], [30, 31, 32], [77, 78]]


def opened(python, folder="/nowhere", name="base", device=CPU, batch_rows=4, **variables):
    return vllm_sampling.vllm_model(
        str(folder), name=name, dtype=torch.float32, device=device, room=64, batch_rows=batch_rows,
        environment={**os.environ, vllm_sampling.VARIABLE: str(python), **variables},
    )  # fmt: skip


def refusal(python, **given):
    with pytest.raises(RunError) as raised, opened(python, **given):
        pytest.fail("there is no vLLM here")
    return str(raised.value)


@pytest.fixture
def bare(tmp_path):
    """A Python without a single package, and the folder into which its packages would go."""
    venv.create(tmp_path / "bare", symlinks=True)
    [packages] = (tmp_path / "bare").glob("lib/python*/site-packages")
    return tmp_path / "bare" / "bin" / "python", packages


def program(tmp_path, text):
    """An executable shell script."""
    file = tmp_path / "program"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


def test_the_environment_must_be_named_and_there(tmp_path):
    assert refusal(" ") == MISSING
    assert refusal("/none/python") == (
        "PLUMBLINE_VLLM_PYTHON names /none/python, which cannot be started: No such file or directory."
    )
    plain = tmp_path / "python"
    plain.write_text("")
    assert refusal(plain) == f"PLUMBLINE_VLLM_PYTHON names {plain}, which cannot be started: Permission denied."


def test_a_python_without_vllm_or_with_one_that_does_not_load_is_refused(bare):
    python, packages = bare
    told = f"The Python that PLUMBLINE_VLLM_PYTHON names, {python}, cannot import vLLM"
    assert refusal(python) == f"{told}: No module named 'vllm'."
    (packages / "vllm.py").write_text("raise ImportError('libcudart.so.13: cannot open shared object file\\n')")
    assert refusal(python) == f"{told}: libcudart.so.13: cannot open shared object file."
    (packages / "vllm.py").write_text(f"raise RuntimeError('{'x' * 5000}')")
    assert refusal(python) == f"{told}: {'x' * 300}…"


@pytest.mark.parametrize("line", ["echo 'Usage: program'", "echo '[1]'", "echo '{}'", """echo '{"ready": 1}'"""])
def test_a_program_that_speaks_otherwise_is_refused(tmp_path, line):
    file = program(tmp_path, line)
    assert refusal(file) == f"What PLUMBLINE_VLLM_PYTHON names, {file}, does not answer as a Python with vLLM does."


def test_a_process_that_dies_is_told_of(tmp_path):
    sentence = "vLLM's process ended before it had answered (exit code {}); the log says more."
    assert refusal(program(tmp_path, "kill -9 $$")) == sentence.format(-9)
    assert refusal(program(tmp_path, "exit 3")) == sentence.format(3)


def test_the_process_sees_its_own_gpu_and_no_ranks(tmp_path):
    """And its temporary files go with it."""
    file = program(tmp_path, f"env > {tmp_path}/seen; touch $TMPDIR/left")
    ranks = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "x", "TORCHELASTIC_RUN_ID": "y"}
    given = {"device": torch.device("cuda", 1), "CUDA_VISIBLE_DEVICES": "4,6", "PLUMBLINE_RUN_DIR": "/r", **ranks}
    refusal(file, **given)
    seen = dict(line.split("=", 1) for line in (tmp_path / "seen").read_text().splitlines() if "=" in line)
    assert not seen.keys() & ranks.keys()
    assert (seen["CUDA_VISIBLE_DEVICES"], seen["PLUMBLINE_RUN_DIR"]) == ("6", "/r")
    assert (seen["VLLM_NO_USAGE_STATS"], seen["VLLM_ENABLE_V1_MULTIPROCESSING"]) == ("1", "0")
    assert not Path(seen["TMPDIR"]).exists()


def test_the_script_ends_with_the_process_that_asks(bare):
    python, packages = bare
    (packages / "vllm.py").write_text("import time\ntime.sleep(600)")
    script = subprocess.Popen([python, "-I", vllm_sampling.SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    script.stdin.close()
    assert script.wait(timeout=30) == 0
    assert script.stdout.read() == b""
    script.stdout.close()


def test_a_temperature_that_vllm_would_change_is_refused():
    for temperature in (0, 0.01, 1):
        settings_for("sample", "cpu", {"engine": "vllm", "temperature": temperature})
    settings_for("sample", "cpu", {"temperature": 0.001})
    sentence = "With engine = vllm temperature must be 0 or at least 0.01, not 0.001."
    with pytest.raises(SettingsError, match=sentence):
        settings_for("sample", "cpu", {"engine": "vllm", "temperature": 0.001})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small Llama over bytes with random weights, its heads wide enough for vLLM's attention, and its tokenizer."""
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=128, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=512, tie_word_embeddings=True, bos_token_id=None,
        eos_token_id=2, pad_token_id=0, initializer_range=0.2,
    )  # fmt: skip
    torch.manual_seed(5)
    place = tmp_path_factory.mktemp("vllm") / "model"
    LlamaForCausalLM(config).save_pretrained(place)
    byte_tokenizer().save_pretrained(place)
    return place


@pytest.fixture
def ask(tmp_path, folder):
    """ask(settings) runs a sample run of the model on three held-out prompts."""
    prompts = [Prompt(f"p{n}", prompt_of("x" * n), "valid") for n in range(3)]
    snapshot = write_snapshot(
        tmp_path / "snapshots", project="trees", prompts=prompts, rankings=[], meta={},
        demonstrations=[demonstration("elm", "train")],
    )[1]  # fmt: skip
    base = {"name": "base", "path": None, "digest": None}

    def ask(settings, dry_run=False):
        directory = tmp_path / "runs" / settings["engine"]
        settings = {"response_length": 12, "max_prompt_length": 64, "temperature": 0, "top_p": 1.0, **settings}
        prepare(directory, "sample", snapshot, tmp_path, settings, base_model=str(folder), policies=[base])
        return ended(directory, execute("sample", sample_script.main, directory, dry_run=dry_run))

    return ask


def test_a_run_that_cannot_have_it_says_so_and_leaves_nothing(ask, monkeypatch):
    monkeypatch.delenv(vllm_sampling.VARIABLE, raising=False)
    ran = ask({"engine": "vllm"})
    assert ran.refusal == MISSING
    assert not (ran.directory / "completions").exists()


@pytest.fixture(scope="module")
def plain(folder):
    return LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def held(folder):
    with opened(PYTHON, folder) as model:
        yield model


def draw(held, prompts=PROMPTS, seeds=None, **changes):
    settings = {"eos_id": 2, "max_new_tokens": 16, **changes}
    return vllm_sampling.sample(held, prompts, seeds=seeds or list(range(len(prompts))), **settings)


@with_vllm
def test_greedy_answers_are_those_of_our_own_loop(held, plain):
    """Six rows, four side by side. A token that our loop takes now and then is made the end token: rows end early."""
    ours = {"seeds": range(6), "pad_id": 0, "max_new_tokens": 16, "temperature": 0}
    taken = [token for one in sampling.sample(plain, PROMPTS, eos_id=2, **ours) for token in one.tokens[3:10]]
    eos = max(set(taken), key=taken.count)
    expected = sampling.sample(plain, PROMPTS, eos_id=eos, **ours)
    assert {one.finish for one in expected} == {"eos", "length"}
    steps = []
    found = draw(held, eos_id=eos, temperature=0, on_step=steps.append)
    assert [(one.prompt, one.tokens, one.finish) for one in found] == [
        (one.prompt, one.tokens, one.finish) for one in expected
    ]
    for one, other in zip(found, expected, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)
    assert steps == sorted(steps)
    assert steps[-1] == 6


@with_vllm
def test_logprobs_are_of_the_distribution_drawn_from(held, plain):
    """After the temperature, the 20 likeliest and the smallest set of those with 0.8 of their mass."""
    for one in draw(held, temperature=0.7, top_k=20, top_p=0.8):
        with torch.no_grad():
            logits = plain(torch.tensor([[*one.prompt, *one.tokens]])).logits[0, len(one.prompt) - 1 : -1] / 0.7
        for row, token, logprob in zip(logits, one.tokens, one.logprobs, strict=True):
            likeliest = row.softmax(-1).sort(descending=True)
            kept = likeliest.values[:20] / likeliest.values[:20].sum()
            kept = kept[: int((kept.cumsum(-1) < 0.8).sum()) + 1]
            place = likeliest.indices[: len(kept)].tolist().index(token)
            assert logprob == pytest.approx(math.log(kept[place] / kept.sum()), abs=1e-4)


@with_vllm
def test_an_answer_follows_from_its_seed_not_from_its_neighbours(held):
    whole = draw(held, seeds=[2**62 + row for row in range(6)])
    turned = draw(held, PROMPTS[::-1], seeds=[2**62 + row for row in range(6)][::-1])
    assert [one.tokens for one in turned[::-1]] == [one.tokens for one in whole]
    assert [one.tokens for one in draw(held, PROMPTS[3:4], seeds=[2**62 + 3])] == [whole[3].tokens]
    assert draw(held, PROMPTS[3:4], seeds=[9])[0].tokens != whole[3].tokens


@with_vllm
def test_a_model_that_vllm_cannot_load_is_refused(plain, tmp_path):
    plain.config.save_pretrained(tmp_path)
    told = refusal(PYTHON, folder=tmp_path, name="SFT 1")
    assert re.fullmatch(r"vLLM cannot load SFT 1: [^\n]*weights[^\n]*[.…]", told)


@with_vllm
def test_a_model_that_vllms_attention_cannot_read_is_refused(models_dir):
    """The tests' tiny model has heads of 8 numbers."""
    said = r"^vLLM failed while it sampled from tiny: .*head_dim=8.*\.$"
    with (
        opened(PYTHON, resolve_base("tiny", models_dir), name="tiny") as model,
        pytest.raises(RunError, match=said),
    ):
        draw(model)


@with_vllm
@pytest.mark.parametrize("temperature", [0, 1])
def test_numbers_that_are_not_finite_are_refused(plain, tmp_path, temperature):
    broken = LlamaForCausalLM(plain.config)
    broken.model.norm.weight.data.fill_(math.nan)
    broken.save_pretrained(tmp_path / "broken")
    with opened(PYTHON, tmp_path / "broken") as model, pytest.raises(FloatingPointError):
        draw(model, PROMPTS[:1], temperature=temperature)


@with_vllm
def test_a_whole_run_answers_as_our_own_loop_does(ask, monkeypatch):
    monkeypatch.setenv(vllm_sampling.VARIABLE, PYTHON)
    before = psutil.Process().children(recursive=True)  # a model that other tests hold is among them
    theirs, ours = ask({"engine": "vllm"}), ask({"engine": "own"})
    read = [list(completions.read_batch(ran.directory / ran.result["completions"])) for ran in (theirs, ours)]
    assert len(read[0]) == 3
    for one, other in zip(*read, strict=True):
        assert (one.id, one.text, one.tokens, one.finish) == (other.id, other.text, other.tokens, other.finish)
        assert (one.sampling.pop("engine"), other.sampling.pop("engine")) == ("vllm", "own")
        assert one.sampling == other.sampling
    assert any(line["text"].startswith("base is sampled from by vLLM ") for line in theirs.of("note"))
    left = [child for child in psutil.Process().children(recursive=True) if child not in before]
    assert not [child for child in left if "vllm_script" in str(child.cmdline())]
