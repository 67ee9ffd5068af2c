"""Which tokens a model reads: a template where it has none, text that stays text, whether two models read alike."""

from __future__ import annotations

import re

from transformers import PreTrainedTokenizerBase

PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ '### ' + message['role'] + ':\n' + message['content'] + '\n\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '### assistant:\n' }}{% endif %}"
)
_BREAK = "​"  # zero width space
_PLAIN_TURN = re.compile(r"^#(?=## (?:system|user|assistant):)", re.MULTILINE)


def first_token(tokenizer: PreTrainedTokenizerBase) -> str:
    """The token with which the tokenizer begins a text of its own accord, as Llama's and Gemma's do; "" without one.

    A base model has read no text without it. An encoder's first token is not meant: its rows get that in any case.
    """
    begin = tokenizer.bos_token_id
    if begin is None or begin == tokenizer.cls_token_id or tokenizer.encode("a")[:1] != [begin]:
        return ""
    return tokenizer.bos_token


def plain_template(tokenizer: PreTrainedTokenizerBase) -> str:
    """The chat template of a model that has none: a line with the role before each turn."""
    return ("{{ bos_token }}" if first_token(tokenizer) else "") + PLAIN_TEMPLATE


def harmless(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    """The text with a zero-width space inside whatever would not stay text: any added token that it spells, and under
    the plain template, whose turns begin with text, a line that would begin one. Other headings are left as they are.
    """
    # Tokenizers list by name only a few of them: what opens a turn may be an added token without a role of its own.
    added = {token.content for token in tokenizer.added_tokens_decoder.values()} | set(tokenizer.all_special_tokens)
    for token in sorted(added, key=lambda token: (-len(token), token)):
        if token.strip() and token in text:  # runs of blanks, which a few tokenizers add, mark no turn
            text = text.replace(token, token[:1] + _BREAK + token[1:])
    template = tokenizer.chat_template
    if isinstance(template, str) and template.endswith(PLAIN_TEMPLATE):
        text = _PLAIN_TURN.sub("#" + _BREAK, text)
    return text


def difference(one: PreTrainedTokenizerBase, other: PreTrainedTokenizerBase) -> str:
    """What keeps two models from reading the same tokens, such as "end tokens" (a plural); "" where nothing does."""
    if one.get_vocab() != other.get_vocab():
        return "vocabularies"
    if one.eos_token_id != other.eos_token_id:
        return "end tokens"
    return "" if one.chat_template == other.chat_template else "chat templates"
