"""From a snapshot to token examples: verified, filtered by length with a count, cut to a budget, in a fixed order.

Nothing is ever truncated: what is too long or beyond the budget is left out whole, counted, and said so in a note.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from transformers import PreTrainedTokenizerBase

from exchange import envelope, snapshot
from exchange.records import Demonstration, Message, Prompt, RankingGroup
from training.engine import rules
from training.engine.errors import RunError
from training.engine.layout import Family, family_tokens
from training.engine.losses import margin_heights
from training.engine.models import encode_completion, encode_prompt
from training.engine.turns import encode_turns

Item = TypeVar("Item")


@dataclass(frozen=True)
class Dialogue:
    """A prompt and one completion as token ids; the completion ends with the end token.

    `learned` says which of the completion's tokens are to be learned; None is all that something stands before.
    """

    id: str
    prompt: list[int]
    completion: list[int]
    weight: float = 1.0
    learned: list[bool] | None = None

    @property
    def tokens(self) -> int:
        return family_tokens(self.family)

    @property
    def family(self) -> Family:
        """The prompt with its one completion, as forward passes take them."""
        return self.prompt, [self.completion]

    @property
    def targets(self) -> list[bool]:
        """For each token that the model predicts, in their order, whether it is learned."""
        learned = self.learned or [True] * len(self.completion)
        return learned if self.prompt else learned[1:]


@dataclass(frozen=True)
class Group:
    """A prompt and its K ranked completions as token ids; rank 0 is best, equal ranks are ties.

    `heights` are the completions' places on the scale of margins (losses.margin_heights), empty without margins.
    """

    id: str
    prompt: list[int]
    completions: list[list[int]]
    ranks: list[int]
    weight: float = 1.0
    heights: list[float] = field(default_factory=list)
    prompt_id: str = ""
    labeler: str = ""
    cohort: str = ""
    provenance: str = ""
    category: str = ""

    @property
    def tokens(self) -> int:
        """Tokens of the shared-prefix layout: the prompt once, every completion once."""
        return family_tokens(self.family)

    @property
    def family(self) -> Family:
        """The prompt with its completions, as forward passes take them."""
        return self.prompt, self.completions


@dataclass(frozen=True)
class Question:
    """A prompt to be answered, as token ids; `messages` are the words behind them, `wanted` the result that a rule
    looks for, empty where the data has none.
    """

    id: str
    messages: tuple[Message, ...]
    prompt: list[int]
    wanted: str = ""


@dataclass(frozen=True)
class Selection(Generic[Item]):
    """Examples that fit, how many completions or prompts were left out for their length, and how many rankings with
    them, of which fewer than two completions are left.
    """

    items: list[Item]
    left_out_long: int = 0
    left_out_groups: int = 0


def open_snapshot(inputs: Mapping[str, Any]) -> Path:
    """The run's snapshot, every file verified. Raises RunError when it is missing or was changed."""
    folder = Path(inputs["snapshot"])
    try:
        envelope.verify(folder, format=snapshot.FORMAT, digest=inputs.get("snapshot_digest"))
    except envelope.EnvelopeError as error:
        raise RunError(f"The snapshot cannot be used. {error}") from error
    return folder


def demonstrations(
    folder: Path, tokenizer: PreTrainedTokenizerBase, *, split: str, max_length: int, all_turns: bool = False
) -> Selection[Dialogue]:
    """A split's demonstrations of at most `max_length` tokens, in file order.

    With `all_turns` what the assistant said earlier in the dialogue is learned too.
    """
    items, long = [], 0
    for record in _read(folder, Demonstration, split):
        completion = encode_completion(tokenizer, record.completion)
        if all_turns:
            ids, said = encode_turns(tokenizer, record.messages)
            learned = [*said, *[True] * len(completion)]
            item = Dialogue(record.id, [], ids + completion, record.weight, learned)
        else:
            item = Dialogue(record.id, encode_prompt(tokenizer, record.messages), completion, record.weight)
        if item.tokens > max_length:
            long += 1
        else:
            items.append(item)
    return Selection(items, long)


def ranking_groups(
    folder: Path, tokenizer: PreTrainedTokenizerBase, *, split: str, max_length: int, margins: Sequence[float] = ()
) -> Selection[Group]:
    """A split's ranking groups, in file order, without completions over `max_length` tokens (prompt included).

    A group stays whole apart from those: what remains of its ranking still holds; with fewer than two left it is left
    out, too. Groups without two completions of different rank teach nothing and are dropped only where a loss or an
    accuracy needs such a pair. `margins` are those of strengths 1, 2, …; raises RunError for a ranking with a larger
    strength.
    """
    items, long, alone = [], 0, 0
    for record in _read(folder, RankingGroup, split):
        prompt = encode_prompt(tokenizer, record.messages)
        encoded = [encode_completion(tokenizer, completion.text) for completion in record.completions]
        kept = [i for i, completion in enumerate(encoded) if len(prompt) + len(completion) <= max_length]
        long += len(encoded) - len(kept)
        if len(kept) < 2:
            alone += 1
            continue
        heights = _heights(record, margins) if any(margins) else []
        group = Group(
            record.id, prompt, [encoded[i] for i in kept], [record.ranks[i] for i in kept], record.weight,
            heights=[heights[i] for i in kept] if heights else [], prompt_id=record.prompt_id, labeler=record.labeler,
            cohort=record.cohort, provenance=record.provenance, category=record.category,
        )  # fmt: skip
        items.append(group)
    return Selection(items, long, alone)


def _heights(record: RankingGroup, margins: Sequence[float]) -> list[float]:
    if (most := max(record.strengths, default=0)) > len(margins):
        raise RunError(f"Ranking {record.id} has a strength of {most}, but there are margins for 1 to {len(margins)}.")
    return margin_heights(record.ranks, record.strengths, margins)


def questions(
    folder: Path, tokenizer: PreTrainedTokenizerBase, *, splits: Sequence[str], max_prompt_length: int
) -> Selection[Question]:
    """The prompts of some splits of at most `max_prompt_length` tokens, in file order."""
    items, long = [], 0
    for record in _read(folder, Prompt, None):
        if record.split not in splits:
            continue
        prompt = encode_prompt(tokenizer, record.messages)
        if len(prompt) > max_prompt_length:
            long += 1
        else:
            items.append(Question(record.id, record.messages, prompt, record.answer))
    return Selection(items, long)


def shown_results(folder: Path) -> dict[str, str]:
    """The result behind the "####" of a prompt's first demonstration that has one, by the prompt's id."""
    found: dict[str, str] = {}
    for record in _read(folder, Demonstration, None):
        if (wanted := rules.result(record.completion)) and record.prompt_id not in found:
            found[record.prompt_id] = wanted
    return found


def shuffled(items: Sequence[Item], seed: int) -> list[Item]:
    """The items in an order that only the seed decides."""
    order = list(items)
    random.Random(seed).shuffle(order)  # noqa: S311
    return order


def within_budget(
    items: Sequence[Item], budget: int, size: Callable[[Item], int], *, seed: int
) -> tuple[list[Item], int]:
    """Items in seeded order up to a total size, and how many are left out; 0 is no limit.

    The first that does not fit ends it: going on with smaller ones would favour short examples. One is always kept.
    """
    order = shuffled(items, seed)
    if budget <= 0:
        return order, 0
    total, kept = 0, 0
    for item in order:
        total += size(item)
        if total > budget and kept:
            break
        kept += 1
    return order[:kept], len(order) - kept


def token_count(item: Dialogue | Group) -> int:
    """What budgets count."""
    return item.tokens


def steps(items: Sequence[Item], batch: int, epochs: int, *, seed: int) -> Iterator[list[Item]]:
    """The batches of all optimizer steps: every epoch once through in its own seeded order; the last may be short."""
    for epoch in range(epochs):
        order = shuffled(items, seed + epoch)
        for start in range(0, len(order), batch):
            yield order[start : start + batch]


def step_count(items: int, batch: int, epochs: int) -> int:
    """How many steps `steps` makes."""
    return epochs * -(-items // batch)


def _read(folder: Path, kind: type[Any], split: str | None) -> Iterator[Any]:
    try:
        yield from snapshot.read_snapshot(folder, kind, split=split)
    except envelope.EnvelopeError as error:
        raise RunError(f"The snapshot cannot be used. {error}") from error
