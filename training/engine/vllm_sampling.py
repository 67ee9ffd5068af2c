"""Sampling by vLLM, where a machine has it: `sampling.sample`'s answer from a process in vLLM's own environment.

vLLM pins a torch and a transformers of its own, so it is never imported here: the environment variable
PLUMBLINE_VLLM_PYTHON names the Python of an environment that has it, and that Python runs vllm_script.py. Token ids
and seeds go over, token ids and log-probabilities come back; text is never tokenised again.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import torch

from training.engine.errors import RunError
from training.engine.sampling import Sampled

VARIABLE = "PLUMBLINE_VLLM_PYTHON"
SCRIPT = Path(__file__).with_name("vllm_script.py")
_LONGEST_REASON = 300  # characters; vLLM lists all architectures that it knows
# torchrun's: vLLM would take them for its own and wait for other ranks.
_RANKS = ("RANK", "WORLD_SIZE", "LOCAL_", "GROUP_", "ROLE_", "MASTER_", "TORCHELASTIC_")


@dataclass
class VllmModel:
    """A model that a process of vLLM's holds. `name` is what the failures call it, `version` vLLM's."""

    process: subprocess.Popen[str]
    python: str
    name: str
    version: str = ""

    def ask(self, request: Mapping[str, Any]) -> None:
        """Send one line."""
        with suppress(BrokenPipeError):  # what ended it stands in its answer, which is read next
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """The next line. Raises RunError where vLLM failed, has gone, or said something that is none of its lines."""
        text = self.process.stdout.readline()
        if not text:
            code = self.process.wait()
            raise RunError(f"vLLM's process ended before it had answered (exit code {code}); the log says more.")
        try:
            line = json.loads(text)
        except ValueError:
            line = None
        if not isinstance(line, dict):
            raise self.misunderstood()
        if "failed" in line:
            told = {
                "import": f"The Python that {VARIABLE} names, {self.python}, cannot import vLLM",
                "load": f"vLLM cannot load {self.name}",
            }.get(line["failed"], f"vLLM failed while it sampled from {self.name}")
            reason = str(line.get("reason")).rstrip(".")
            raise RunError(f"{told}: {reason[:_LONGEST_REASON]}{'…' if len(reason) > _LONGEST_REASON else '.'}")
        return line

    def misunderstood(self) -> RunError:
        return RunError(f"What {VARIABLE} names, {self.python}, does not answer as a Python with vLLM does.")


@contextmanager
def vllm_model(
    folder: str, *, name: str, dtype: torch.dtype, device: torch.device, room: int, batch_rows: int,
    environment: Mapping[str, str] = os.environ,
) -> Iterator[VllmModel]:  # fmt: skip
    """The causal model in `folder`, loaded by vLLM for texts of at most `room` tokens, `batch_rows` side by side.

    Its process ends with the block, and with this process however that ends. Raises RunError, one sentence, where
    `environment` names no Python with vLLM or vLLM cannot load the model.
    """
    python = environment.get(VARIABLE, "").strip()
    if not python:
        raise RunError(
            f"engine = vllm needs {VARIABLE} on the machine that samples: the Python of an environment with vLLM."
        )
    with tempfile.TemporaryDirectory(prefix="plumbline-vllm-") as scratch:
        try:
            process = subprocess.Popen(
                [python, "-I", str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                encoding="utf-8", env=_environment(environment, device, scratch),
            )  # fmt: skip
        except OSError as error:
            raise RunError(f"{VARIABLE} names {python}, which cannot be started: {error.strerror}.") from error
        try:
            model = VllmModel(process, python, name)
            model.ask({"model": folder, "dtype": str(dtype).removeprefix("torch."), "max_model_len": room,
                       "max_num_seqs": batch_rows, "eager": device.type == "cpu"})  # fmt: skip
            version = model.hear().get("ready")
            if not isinstance(version, str):
                raise model.misunderstood()
            model.version = version
            yield model
        finally:
            process.kill()
            process.wait()
            with suppress(BrokenPipeError):
                process.stdin.close()
            process.stdout.close()


def sample(
    model: VllmModel,
    prompts: Sequence[Sequence[int]],
    *,
    seeds: Sequence[int],
    eos_id: int,
    max_new_tokens: int,
    temperature: float = 1.0,
    top_p: float = 1.0,
    top_k: int = 0,
    on_step: Callable[[float], None] | None = None,
) -> list[Sampled]:
    """Draw one answer for each row of `prompts`, as `sampling.sample` does and with its arguments.

    A row's answer follows from its own seed here, too, but by another stream of numbers: the two engines answer alike
    at temperature 0 only. Raises RunError where vLLM fails, FloatingPointError when a log-probability is not finite;
    after either it is of no more use.
    """
    if len(seeds) != len(prompts):
        raise ValueError(f"{len(prompts)} prompts need {len(prompts)} seeds, not {len(seeds)}")
    model.ask({
        "prompts": [list(prompt) for prompt in prompts], "seeds": list(seeds), "eos_id": eos_id,
        "max_new_tokens": max_new_tokens, "temperature": temperature, "top_p": top_p, "top_k": top_k,
    })  # fmt: skip
    answers: dict[int, Sampled] = {}
    try:
        while "end" not in (line := model.hear()):
            if "row" in line:
                row, answer = _answer(model, line, prompts, eos_id, max_new_tokens)
                answers[row] = answer
            elif on_step is not None and "drawn" in line:
                on_step(line["drawn"])
    except BaseException:
        model.process.stdout.close()  # else what is left of these answers could be read as the next request's
        raise
    if len(answers) < len(prompts):
        raise model.misunderstood()
    if on_step is not None:
        on_step(len(prompts))
    return [answers[row] for row in range(len(prompts))]


def _answer(
    model: VllmModel, line: Mapping[str, Any], prompts: Sequence[Sequence[int]], eos_id: int, most: int
) -> tuple[int, Sampled]:
    row, tokens, logprobs = line["row"], line.get("tokens"), line.get("logprobs")
    if not (row in range(len(prompts)) and tokens and logprobs and len(logprobs) == len(tokens) <= most):
        raise model.misunderstood()
    if not all(map(isfinite, logprobs)):
        raise FloatingPointError("the model's logits are not finite")
    finish = "eos" if tokens[-1] == eos_id else "length"
    return row, Sampled(tuple(prompts[row]), tuple(tokens), tuple(logprobs), finish)


def _environment(given: Mapping[str, str], device: torch.device, scratch: str) -> dict[str, str]:
    kept = {name: value for name, value in given.items() if not name.startswith(_RANKS)}
    if device.type == "cuda":
        visible = [one for one in given.get("CUDA_VISIBLE_DEVICES", "").split(",") if one]
        kept["CUDA_VISIBLE_DEVICES"] = visible[device.index or 0] if visible else str(device.index or 0)
    else:
        kept.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")  # GiB; by itself vLLM takes nearly all of a machine's memory
    return {
        **kept,
        "TMPDIR": scratch,
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # one process to end, whose batches do not depend on timing
        "VLLM_NO_USAGE_STATS": "1",  # nothing leaves the machine
        "DO_NOT_TRACK": "1",
    }
