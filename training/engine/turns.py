"""Which tokens of a dialogue so far the assistant said: with `loss_on` "all", SFT learns those turns too.

The ids are exactly those of `encode_prompt`, the whole text encoded at once, so that training reads what the model
will read when it answers. A token that reaches over the edge of a turn belongs to neither side and is not learned, and
neither is a turn with which a dialogue begins: it answers nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from exchange.records import Message
from training.engine.errors import RunError
from training.engine.models import chat_text


def encode_turns(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> tuple[list[int], list[bool]]:
    """A prompt's token ids, and for each whether it is the assistant's: a word of a turn or the end token behind it.

    Raises RunError where the template rewrites earlier turns or the tokenizer does not tell where a token came from.
    """
    text = chat_text(tokenizer, messages)
    answers = [place for place, message in enumerate(messages) if message.role == "assistant" and place]
    spans = [_span(tokenizer, messages, place) for place in answers]
    if any(text[:end] != whole[:end] for _, end, whole in spans):
        raise RunError("The model's chat template rewrites earlier turns, so only the last can be learned.")
    try:
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    except NotImplementedError as error:
        raise RunError("The model's tokenizer does not tell where tokens stand, so only the last turn can be learned."
        ) from error  # fmt: skip
    said = [
        any(start <= first and last <= end for start, end, _ in spans) for first, last in encoded["offset_mapping"]
    ]
    return encoded["input_ids"], said


def _span(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], place: int) -> tuple[int, int, str]:
    """Where in the template's text a turn's words begin and where its end token ends, and the text up to that turn."""
    before = chat_text(tokenizer, messages[:place])
    whole = chat_text(tokenizer, messages[: place + 1], answered=True)
    if not whole.startswith(before):
        raise RunError("The model's chat template writes an answer otherwise than it asks for one, so only the last "
                       "turn can be learned.")  # fmt: skip
    found = whole.find(tokenizer.eos_token, len(before))
    end = found + len(tokenizer.eos_token) if found >= 0 else len(before) + len(whole[len(before) :].rstrip())
    return len(before), end, whole
