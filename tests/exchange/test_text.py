"""Which text can be kept, and which says nothing."""

import pytest

from exchange.text import is_blank, storable_text, written


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


BLANK = [
    "",
    " \t\r\n",
    "\u2003\u3000\u2028\u2029\xa0",  # wide, ideographic and no-break spaces, ends of lines and paragraphs
    "\u200b\u2060\ufeff",  # spaces of no width
    "\u200d\u200c\u200e\u202e\u202c",  # joiners, direction
    "\x01\x7f\xad",  # controls, a hyphen that shows at the end of a line only
    "\ufe0f\u0301\u20dd",  # marks that change a letter before them
    "\u115f\u1160\u3164\uffa0\u2800",  # fillers of Hangul, the braille pattern without dots
    "\U000e0041\U000e007f",  # tags
]
SEEN = [
    "x",
    "\u200b.\u200b",
    "e\u0301",
    "שלום",
    "🏳\ufe0f",
    "\ufffd",
    "\ue000",
    "\U0001fae8",
    "\U0001fadf",
    "1",
    "+",
    "_",
]


@pytest.mark.parametrize("text", BLANK, ids=ascii)
def test_nothing_that_would_be_seen_is_blank(text):
    assert is_blank(text)
    assert written(text) == ""


@pytest.mark.parametrize("text", SEEN, ids=ascii)
def test_one_sign_that_is_seen_is_enough(text):
    """Also one that is newer than Python's table: U+1FAE8 came with Unicode 15, U+1FADF with 16."""
    assert not is_blank(text)
    assert written(f" {text}\r\n") == text


def test_what_was_written_keeps_its_inside():
    assert written("\n a\x00\u200b \r\n\r\n b\u200b \r\n") == "a\ufffd\u200b \n\n b\u200b"
