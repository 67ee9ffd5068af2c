"""Pretraining text: what PPO-ptx mixes in, and SFT for a policy on its way there (IG C.3, C.4).

The input `pretrain` is a file or a folder of them: `.txt`, one document each, or `.jsonl`, one document a line as
`{"text": "…"}`. Documents stand one behind the other, each with an end token and, where the tokenizer begins texts so,
a first token, cut into rows of one length, so that no row has padding; what is left at the end is less than a row and
left out.
"""

from __future__ import annotations

import json
import random
from array import array
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from training.engine.errors import RunError
from training.engine.models import encode_completion
from training.engine.runtime import Run
from training.engine.words import first_token

MOST_ROWS = 100_000
Row = Sequence[int]  # token ids; four bytes each while they wait
_KINDS = (".txt", ".jsonl")


def pretrain_rows(run: Run, tokenizer: PreTrainedTokenizerBase, length: int, most: int = MOST_ROWS) -> list[Row]:
    """The first `most` rows of `length` tokens of the run's pretraining text, `MOST_ROWS` at the most.

    Each process reads and holds them all, so ask for no more than the run's steps can draw. Raises RunError, one
    sentence, where the run has no text, it cannot be read, or is shorter than a row.
    """
    read = islice(_rows(run, tokenizer, length), min(most, MOST_ROWS))
    rows: list[Row] = [array("I", row) for row in read]
    if not rows:
        raise RunError(f"The pretraining text is shorter than one row of {length:,} tokens.")
    return rows


def pretrain_draw(rows: Sequence[Row], count: int, seed: int, step: int) -> list[list[int]]:
    """The rows of step 0, 1, …, `count` each: all once in a seeded order, then all again in another.

    A function of its arguments alone, so that a run that goes on draws what it would have drawn.
    """
    places = range(step * count, (step + 1) * count)
    orders = {epoch: _order(len(rows), seed, epoch) for epoch in {place // len(rows) for place in places}}
    return [list(rows[orders[place // len(rows)][place % len(rows)]]) for place in places]


def _order(count: int, seed: int, epoch: int) -> list[int]:
    order = list(range(count))
    random.Random(f"pretrain {seed} {epoch}").shuffle(order)  # noqa: S311
    return order


def _rows(run: Run, tokenizer: PreTrainedTokenizerBase, length: int) -> Iterator[list[int]]:
    waiting: list[int] = []
    begin = [tokenizer.bos_token_id] if first_token(tokenizer) else []
    for text in _documents(_source(run)):
        waiting += begin + encode_completion(tokenizer, text)
        whole = len(waiting) // length * length
        yield from (waiting[start : start + length] for start in range(0, whole, length))
        waiting = waiting[whole:]


def _source(run: Run) -> Path:
    reference = run.inputs.get("pretrain") or {}
    if not reference.get("path"):
        raise RunError("A pretraining mix needs pretraining text, but the run has none.")
    return Path(reference["path"])


def _documents(source: Path) -> Iterator[str]:
    """The documents of a file, or of a folder's files in the order of their names."""
    files = sorted(path for path in source.rglob("*") if path.suffix in _KINDS) if source.is_dir() else [source]
    if not files:
        raise RunError(f"The pretraining text's folder {source.name} has no .txt or .jsonl file.")
    for file in files:
        try:
            with file.open(encoding="utf-8") as stream:
                if file.suffix == ".jsonl":
                    yield from (_text(line) for line in stream if line.strip())
                else:
                    yield stream.read()
        except OSError as error:
            raise RunError(f"The pretraining text {file.name} cannot be read: {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise RunError(f"The pretraining text {file.name} is not UTF-8.") from error
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(f'The pretraining text {file.name} has a line that is no {{"text": "…"}}.') from error


def _text(line: str) -> str:
    text = json.loads(line)["text"]
    if not isinstance(text, str):
        raise TypeError
    return text
