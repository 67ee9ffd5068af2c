"""Whether the sampling loop may trust a model's cache: a short trial, before anything is trained or drawn.

Recurrent architectures keep a state instead of keys and values. Some do not take it from the loop's cache: each step
would see one token alone, and the answers would come from another distribution without a word. Others take it, but
lose it where rows are shared out or taken away. No configuration tells, so the loop's own steps are compared with
plain passes over the whole text.
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import PreTrainedModel

from training.engine.errors import RunError
from training.engine.kv_cache import close_gaps, reserved_cache
from training.engine.sampling import left_pad, next_logits

_REFUSAL = (
    "This architecture keeps a state that sampling cannot carry from token to token; choose a model whose layers are "
    "attention alone."
)


@torch.no_grad()
def check_carrying(model: PreTrainedModel) -> None:
    """Raise RunError where cached steps give other logits than plain passes; the model is in eval mode.

    Two prompts are read, of unequal length, the second is shared out to two rows, and one row ends: all that the loop
    does. A model whose numbers are not finite passes: it is no matter of the cache, and is told elsewhere.
    """
    known = model.get_input_embeddings().weight.shape[0]
    longer, shorter = ([(start + 7 * i) % known for i in range(count)] for start, count in ((3, 5), (5, 2)))
    drawn = [[(start + 11 * i) % known for i in range(3)] for start in (4, 6, 9)]
    texts = [[*prompt, *tokens] for prompt, tokens in zip((longer, shorter, shorter), drawn, strict=True)]
    plain = [model(torch.tensor([text], device=model.device), use_cache=False).logits[0] for text in texts]
    if not all(torch.isfinite(logits).all() for logits in plain):
        return
    # Behind the prompt, behind the first token, and behind the next two of the rows that are left: 0 and 2.
    expected = [row[len(text) - 4] for text, row in zip(texts, plain, strict=True)]
    expected += [row[len(text) - 3] for text, row in zip(texts, plain, strict=True)]
    expected += [plain[row][place - 3] for place in (1, 2) for row in (0, 2)]
    try:
        found = _cached(model, longer, shorter, torch.tensor(drawn, device=model.device))
    except (AttributeError, TypeError, ValueError) as error:  # no such cache, or one that has no rows to be moved
        raise RunError(_REFUSAL) from error
    if not _agree(found, torch.stack(expected)):
        raise RunError(_REFUSAL)


def _cached(model: PreTrainedModel, longer: list[int], shorter: list[int], drawn: Tensor) -> Tensor:
    """Logits [10, V] as the loop computes them."""
    ids, mask = left_pad([longer, shorter], 0, model.device)
    cache = reserved_cache(model, ids.shape[1] + drawn.shape[1])
    logits = next_logits(model, ids, mask, cache)
    shared = torch.tensor([0, 1, 1], device=model.device)
    cache.batch_select_indices(shared)
    found, mask, rows = [logits[shared]], mask[shared], torch.arange(3, device=model.device)
    for step in range(drawn.shape[1]):
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
        found.append(next_logits(model, drawn[rows, step, None], mask, cache))
        if step == 0:
            place = close_gaps(cache, torch.tensor([True, False, True], device=model.device))
            rows, mask = rows[place], mask[place]
    return torch.cat(found)


def _agree(found: Tensor, expected: Tensor) -> bool:
    """Whether logits [n, V] are equal up to the rounding of their precision, on the whole.

    Of a mixture of experts in bf16 a single state may go to another expert, so no single number decides. What all
    tokens have in common does not matter to a softmax and does not count.
    """
    tolerance = 1e-3 if found.dtype in (torch.float32, torch.float64) else 1e-1
    found, expected = ((logits - logits.mean(-1, keepdim=True)).double() for logits in (found, expected))
    return bool((found - expected).norm() <= tolerance * expected.norm())
