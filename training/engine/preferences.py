"""A snapshot's rankings as the pairs that other trainers read: one JSON object a line, with `chosen` and `rejected`.

    python -m training.engine.preferences SNAPSHOT MODEL SPLIT FILE

Each text is the whole dialogue as the model's chat template writes it, up to and with the end token, which is the
"standard, implicit prompt" format of TRL's RewardTrainer. Ties are left out. Where a ranking has K > 2 answers its
pairs are lines of their own, so that such a trainer weighs it by its pairs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from itertools import permutations
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from exchange.records import RankingGroup
from exchange.snapshot import read_snapshot
from training.engine.models import chat_text, load_tokenizer


def preference_lines(rankings: Iterable[RankingGroup], tokenizer: PreTrainedTokenizerBase) -> Iterator[dict[str, str]]:
    """The ordered pairs of all rankings, in their order."""
    for ranking in rankings:
        prompt = chat_text(tokenizer, ranking.messages)
        texts = [prompt + completion.text + str(tokenizer.eos_token) for completion in ranking.completions]
        for better, worse in permutations(range(len(texts)), 2):
            if ranking.ranks[better] < ranking.ranks[worse]:
                yield {"chosen": texts[better], "rejected": texts[worse]}


def main(snapshot: str, model: str, split: str, file: str) -> None:
    """Write the pairs of a split's rankings."""
    with Path(file).open("w", encoding="utf-8") as stream:
        for line in preference_lines(read_snapshot(Path(snapshot), RankingGroup, split=split), load_tokenizer(model)):
            stream.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:5])
