"""Runs of the real scripts one after the other, each in a run directory of its own, on the tiny model."""

from exchange.records import Demonstration, Prompt, RankedCompletion, RankingGroup
from exchange.snapshot import write_snapshot
from tests.engine.conftest import WORDS, Ran, ended, prepare, prompt_of, split_of
from training.engine import dpo, ppo, reward, sample, sft
from training.engine.runtime import execute

MAINS = {"sft": sft.main, "reward": reward.main, "dpo": dpo.main, "ppo": ppo.main, "sample": sample.main}


class Chain:
    """Runs in one folder, later ones with the checkpoints of earlier ones."""

    def __init__(self, folder) -> None:
        self.folder, self.count = folder, 0
        named = [(word, split_of(index)) for index, word in enumerate(WORDS)]
        self.snapshot = write_snapshot(
            folder / "snapshots", project="trees", meta={},
            prompts=[Prompt(f"p-{word}", prompt_of(word), split) for word, split in named],
            demonstrations=[Demonstration(f"d-{word}", f"p-{word}", prompt_of(word), "aab", split, "ann")
                            for word, split in named],
            rankings=[self.ranking(word, split) for word, split in named],
        )[1]  # fmt: skip

    def ranking(self, word, split):
        """The more often an answer says a, the better it is."""
        texts = ("aaaa", "aabb", "abcd", "dcbx")
        completions = tuple(RankedCompletion(f"{word}-{n}", text) for n, text in enumerate(texts))
        return RankingGroup(f"r-{word}", f"p-{word}", prompt_of(word), completions, (0, 1, 2, 3), split, "ann")

    def run(self, kind, settings=None, **inputs):
        return self.go_on(kind, self.prepare(kind, settings, **inputs))

    def prepare(self, kind, settings=None, **inputs):
        """A new run directory."""
        self.count += 1
        snapshot = inputs.pop("snapshot", self.snapshot)
        return prepare(self.folder / "runs" / str(self.count), kind, snapshot, self.folder / "models",
                       settings or {}, **inputs)  # fmt: skip

    @staticmethod
    def go_on(kind, directory) -> Ran:
        """Run the script of a directory, from its saved state where there is one."""
        return ended(directory, execute(kind, MAINS[kind], directory))

    @staticmethod
    def checkpoint(ran, name):
        return {"name": name, "path": str(ran.directory / ran.result["checkpoint"]), "digest": ran.result["digest"]}

    def learned(self) -> dict[str, dict[str, str]]:
        """A policy and a reward model that have learned something, as inputs of further runs."""
        policy = self.checkpoint(self.run("sft", {"epochs": 3, "batch_size": 9, "learning_rate": 0.01}), "SFT")
        ran = self.run("reward", {"epochs": 3, "batch_prompts": 3, "learning_rate": 0.01}, policy=policy)
        return {"policy": policy, "reward": self.checkpoint(ran, "RM")}
