"""Hostile Markdown: what a model or a stranger writes never becomes script, style, image or form."""

import pytest

from people.markdown import LONGEST, render


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**bold** and `code`", "<p><strong>bold</strong> and <code>code</code></p>\n"),
        ("# Title", "<h3>Title</h3>\n"),
        ("###### Small", "<h6>Small</h6>\n"),
        ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n"),
        ("a < b & c", "<p>a &lt; b &amp; c</p>\n"),
        ("", ""),
        ("old pond\na frog", "<p>old pond<br>\na frog</p>\n"),
    ],
)
def test_renders(text, html):
    assert render(text) == html


def test_a_link_carries_no_referrer():
    assert render("[site](https://example.org)") == (
        '<p><a href="https://example.org" rel="noopener noreferrer nofollow">site</a></p>\n'
    )


def test_a_table_stays_a_table():
    assert "<td>1</td>" in render("| a |\n| - |\n| 1 |")


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "![x](https://example.org/track.png)",
        "[x](javascript:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "<style>body{display:none}</style>",
        "<form action=https://example.org><input></form>",
        "<iframe src=https://example.org></iframe>",
        "<a href='https://example.org' onclick='alert(1)'>x</a>",
    ],
)
def test_nothing_of_it_runs(text):
    html = render(text)
    for forbidden in (
        "<script",
        "<img",
        "<style",
        "<form",
        "<iframe",
        "<input",
        'href="javascript',
        'href="data',
        "<a href='",
    ):
        assert forbidden not in html


@pytest.mark.parametrize("character", "[*`>_<&~|$\\")
def test_a_text_over_the_bound_is_shown_as_it_was_written(character):
    assert render(character * (LONGEST + 1)).startswith("<pre>")
    assert "<pre>" not in render("x" * LONGEST)


def test_what_is_too_long_is_still_only_text():
    assert "<script" not in render("<script>alert(1)</script>" + "x" * LONGEST)
