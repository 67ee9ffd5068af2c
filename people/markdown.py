"""Prompts and model outputs are hostile text: Markdown becomes a small, sanitised piece of HTML on the server.

markdown-it-py parses CommonMark with tables and raw HTML switched off; nh3 then keeps an allow-list of elements, so
that neither script, style, form, image nor frame survives whatever the parser lets through. Formulas become MathML.
"""

from __future__ import annotations

import nh3
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

from people.mathematics import ATTRIBUTES as MATH_ATTRIBUTES
from people.mathematics import TAGS as MATH_TAGS
from people.mathematics import add_mathematics

# Longer texts are shown as they were written: parsing is linear, but a page of nine is waited for.
LONGEST = 60_000

_PARSER = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])
_PARSER.disable(["image"])
add_mathematics(_PARSER)
_TAGS = {
    *("p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a"),
    *("table", "thead", "tbody", "tr", "th", "td", "h3", "h4", "h5", "h6"),
    *MATH_TAGS,
}
_ATTRIBUTES = {"a": {"href"}, "ol": {"start"}, **MATH_ATTRIBUTES}
# Headings inside an answer never outrank the page's own.
_HEADINGS = {"h1": "h3", "h2": "h4", "h3": "h5", "h4": "h6", "h5": "h6"}


def render(text: str) -> SafeString:
    """Sanitised HTML of a Markdown text. Links open nothing by themselves and carry no referrer.

    A text of more than 60,000 characters is shown as it was written.
    """
    if len(text) > LONGEST:
        return format_html("<pre>{}</pre>", text)
    tokens = _PARSER.parse(text)
    for token in tokens:
        token.tag = _HEADINGS.get(token.tag, token.tag)
    html = _PARSER.renderer.render(tokens, _PARSER.options, {})
    clean = nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    return mark_safe(clean)  # noqa: S308 - sanitised above
