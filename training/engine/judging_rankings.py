"""Which held-out rankings judge a run that learned from rankings, and in words what was left out of either."""

from __future__ import annotations

from dataclasses import dataclass

from training.engine import data
from training.engine.data import Group, Selection
from training.engine.losses import pair_count


@dataclass(frozen=True)
class Judges:
    """The rankings, how many were left out and why (`valid_left_out_…` of a run's summary), and a sentence on it."""

    groups: list[Group]
    left_out: dict[str, int]
    note: str


def judges(held: Selection[Group], *, longest: int, most: int, seed: int) -> Judges:
    """At most `most` (0: all) of the held-out rankings with two completions of different rank, drawn by the seed."""
    ordered = [group for group in held.items if pair_count(group.ranks, "drop")]
    chosen = data.shuffled(ordered, seed)[: most or None]
    ties, beyond = len(held.items) - len(ordered), len(ordered) - len(chosen)
    note = (
        f"Validating on {len(chosen):,} rankings. Left out: {long_completions(held, longest)}; "
        f"{ties:,} rankings of ties only; {beyond:,} beyond the limit."
    )
    left_out = {"long": held.left_out_long, "groups": held.left_out_groups, "ties": ties, "budget": beyond}
    return Judges(
        chosen, {f"valid_left_out_{name}": count for name, count in left_out.items()},
        note if chosen else "The snapshot has no validation ranking that fits, so there is no accuracy.",
    )  # fmt: skip


def long_completions(found: Selection[Group], longest: int) -> str:
    """What the length left out of rankings: completions, and the rankings that are none without them."""
    return (
        f"{found.left_out_long:,} completions over {longest:,} tokens with their prompt; "
        f"{found.left_out_groups:,} rankings that have fewer than two without them"
    )
