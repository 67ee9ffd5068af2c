"""Parts for the engine's tests: one thread, the tiny base model, a small snapshot, and a way to run a script on it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from exchange.records import Demonstration, Message, Prompt, RankedCompletion, RankingGroup
from exchange.snapshot import write_snapshot
from training.engine import dpo, reward, sft
from training.engine.config import as_dict, settings_for
from training.engine.runtime import execute

MAINS = {"sft": sft.main, "reward": reward.main, "dpo": dpo.main}
WORDS = ("oak", "elm", "ash", "fir", "yew", "box", "bay", "fig", "plum", "pear", "lime", "palm")


@dataclass(frozen=True)
class Ran:
    """A finished run: its exit code, directory, result.json and the lines of metrics.jsonl."""

    code: int
    directory: Path
    result: dict[str, Any]
    lines: list[dict[str, Any]]

    @property
    def summary(self) -> dict[str, Any]:
        return self.result["summary"]

    @property
    def refusal(self) -> str:
        assert self.result["error"]["audience"] == "person", self.result
        return self.result["error"]["message"]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["type"] == kind]


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("models")


def in_double(model: torch.nn.Module) -> torch.nn.Module:
    """The model wholly in float64: transformers' own norms pass through float32, which hides errors below 1e-7."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child).__name__ == "LlamaRMSNorm":
                norm = torch.nn.RMSNorm(child.weight.shape[0], eps=child.variance_epsilon)
                norm.weight.data = child.weight.data
                setattr(parent, name, norm)
    return model.double()


def prompt_of(word: str) -> tuple[Message, ...]:
    return (Message("user", f"Praise the {word}."),)


def demonstration(word: str, split: str, text: str | None = None) -> Demonstration:
    return Demonstration(f"d-{word}", f"p-{word}", prompt_of(word), text or f"The {word} is good.", split, "ann")


def ranking(word: str, split: str, texts: list[str] | None = None, ranks: tuple[int, ...] = (0, 1, 2)) -> RankingGroup:
    """Three answers where the polite one is best and the shouting one worst."""
    texts = texts or [f"The {word} is good.", f"It is a {word}", f"NO!! {word}!!"]
    completions = tuple(RankedCompletion(f"c-{word}-{i}", text) for i, text in enumerate(texts))
    return RankingGroup(f"r-{word}", f"p-{word}", prompt_of(word), completions, ranks, split, "ann")


def split_of(index: int) -> str:
    return "valid" if index % 4 == 3 else "train"


@pytest.fixture
def make_snapshot(tmp_path) -> Callable[..., Path]:
    """A snapshot of the given records; by default 12 prompts, 9 of them for training, each with all kinds."""

    def make(demonstrations: list[Demonstration] | None = None, rankings: list[RankingGroup] | None = None) -> Path:
        named = [(word, split_of(index)) for index, word in enumerate(WORDS)]
        prompts = [Prompt(f"p-{word}", prompt_of(word), split) for word, split in named]
        if demonstrations is None:
            demonstrations = [demonstration(word, split) for word, split in named]
        if rankings is None:
            rankings = [ranking(word, split) for word, split in named]
        return write_snapshot(
            tmp_path / "snapshots", project="trees", prompts=prompts, demonstrations=demonstrations,
            rankings=rankings, meta={},
        )[1]  # fmt: skip

    return make


def prepare(
    directory: Path, kind: str, snapshot: Path, models_dir: Path, settings: dict[str, Any], **inputs: Any
) -> Path:
    """A run directory with its config.json, as the launcher writes it."""
    directory.mkdir(parents=True)
    config = {
        "kind": kind,
        "run": {"id": "7", "name": "Run 7", "project": "trees"},
        "store": None,
        "inputs": {
            "snapshot": str(snapshot),
            "snapshot_digest": snapshot.name,
            "base_model": "tiny",
            "models_dir": str(models_dir),
            "policy": None,
            **inputs,
        },
        "settings": as_dict(settings_for(kind, "cpu", {"dtype": "fp32", **settings})),
        "code_version": "test",
    }
    (directory / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return directory


def ended(directory: Path, code: int) -> Ran:
    """Read what a run left in its directory."""
    metrics = directory / "metrics.jsonl"
    text = metrics.read_text(encoding="utf-8") if metrics.exists() else ""
    result = json.loads((directory / "result.json").read_text(encoding="utf-8"))
    return Ran(code, directory, result, [json.loads(line) for line in text.splitlines()])


@pytest.fixture
def run_script(tmp_path, models_dir) -> Callable[..., Ran]:
    """Run a script's real `main` in this process: run_script(kind, snapshot, settings, **inputs)."""
    count = 0

    def run(kind: str, snapshot: Path, settings: dict[str, Any] | None = None, **inputs: Any) -> Ran:
        nonlocal count
        count += 1
        directory = prepare(tmp_path / "runs" / str(count), kind, snapshot, models_dir, settings or {}, **inputs)
        return ended(directory, execute(kind, MAINS[kind], directory))

    return run
