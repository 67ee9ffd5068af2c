"""Other people's words in a sentence of ours."""

import pytest

from people.plain_text import one_line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("short", "short"),
        ("", ""),
        ("two\nlines\t of  words ", "two lines of words"),
        ("\u202eturned\u202c and \u2067isolated", "turned and isolated"),
        ("שלום עולם", "שלום עולם"),
        ("👩\u200d🚀 می\u200cخواهم", "👩\u200d🚀 می\u200cخواهم"),  # joiners belong to the emoji and the Persian word
    ],
)
def test_one_line_that_turns_nothing(text, line):
    assert one_line(text) == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("123456789", "123456789"),
        ("1234567890", "12345678…"),
        ("a" + " " * 100 + "b", "a…"),  # what lies beyond the part that is looked at is not said to be nothing
    ],
)
def test_at_most_nine_characters(text, line):
    assert one_line(text, 9) == line
