"""Which text can be kept."""

import pytest

from exchange.text import storable_text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("plain\n\tтекст 😀", "plain\n\tтекст 😀"),  # a pair that is whole is one character
        ("a\x00b", "a\ufffdb"),
        ("\ud83d and \ude00", "\ufffd and \ufffd"),
        ("\ufffd\ue000", "\ufffd\ue000"),  # just beyond the surrogates
    ],
)
def test_what_neither_postgresql_nor_utf_8_takes_is_replaced(text, kept):
    assert storable_text(text) == kept
    kept.encode()
