"""The rule of few-shot prompts: K pairs of query and response give K prompts (IG §3.2, A.2.1).

Each pair in turn is the question, with its response as the answer that the writer wants; the other K−1 pairs, in their
order, are the context before it.
"""

from __future__ import annotations

from collections.abc import Sequence

EXAMPLES_MAX = 50

Turn = tuple[str, str]  # role and content


def expand(instruction: str, examples: Sequence[tuple[str, str]]) -> list[tuple[list[Turn], str]]:
    """For each (query, response), the dialogue that ends with its query, and its response.

    The instruction, where there is one, is the system's turn.
    """
    opening: list[Turn] = [("system", instruction)] if instruction else []
    expanded = []
    for asked, (query, response) in enumerate(examples):
        context = [
            turn for other, (q, r) in enumerate(examples) if other != asked for turn in (("user", q), ("assistant", r))
        ]
        expanded.append(([*opening, *context, ("user", query)], response))
    return expanded
