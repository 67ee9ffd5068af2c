"""TeX in Markdown becomes MathML on the server, which browsers and screen readers show by themselves.

`$…$` and `\\(…\\)` stand in a line, `$$…$$` and `\\[…\\]` on their own. TeX is hostile text like the rest: a formula
is bounded in length and depth, a text in all its formulas together, and what latex2mathml makes is escaped anew here,
since it leaves the text inside `\\text{…}` as it was. What breaks a bound or the grammar is shown as it was typed.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from html import escape
from typing import Any
from xml.etree import ElementTree

from latex2mathml.converter import convert_to_element
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

LONGEST = 1_000
DEEPEST = 20
LONGEST_IN_ALL = 10_000

TAGS = {
    *("math", "mrow", "mi", "mn", "mo", "ms", "mtext", "mspace", "mfrac", "msqrt", "mroot", "mstyle", "mphantom"),
    *("msub", "msup", "msubsup", "munder", "mover", "munderover", "mmultiscripts", "mprescripts", "none"),
    *("mtable", "mtr", "mtd", "mpadded", "menclose"),
}
# None of them takes a length, a colour, a class or an address.
ATTRIBUTES = {
    "math": {"display"},
    "mi": {"mathvariant"},
    "mo": {"stretchy", "fence", "form", "movablelimits", "separator"},
    "mover": {"accent"},
    "munder": {"accentunder"},
    "mstyle": {"displaystyle", "scriptlevel"},
    "mtable": {"displaystyle"},
    "mtd": {"columnalign"},
}

_CLOSINGS = {"$$": "$$", "\\[": "\\]", "\\(": "\\)", "$": "$"}
# What the converter does not know, as the environment that comes out alike.
_ENVIRONMENT = re.compile(r"\\(begin|end)\{(?:aligned|gather|gathered|gather\*)\}")
_REFERENCE = re.compile(r"&amp;(#x?[0-9A-Fa-f]{1,6};)")
_PART = re.compile(r"\\.|[{}]|\\$", re.DOTALL)


def add_mathematics(parser: MarkdownIt) -> None:
    """Let the parser read formulas and its renderer write them as MathML."""
    parser.inline.ruler.before("escape", "math", _inline)
    parser.block.ruler.before("fence", "math_block", _block, {"alt": ["paragraph", "blockquote", "list"]})
    parser.add_render_rule("math", _rendered)
    parser.add_render_rule("math_block", _rendered)


def mathml(tex: str, *, display: bool) -> str | None:
    """The formula as MathML; None when it is too long, too deep or no TeX."""
    if len(tex) > LONGEST or _depth(tex) > DEEPEST:
        return None
    try:
        known = _ENVIRONMENT.sub(r"\\\1{split}", tex)
        root = convert_to_element(known, display="block" if display else "inline")
    except Exception:  # of many kinds, an IndexError among them: it is the grammar's way to say no
        return None
    # The converter names symbols by references such as &#x02211;, which the serialiser would escape once more.
    return _REFERENCE.sub(r"&\1", ElementTree.tostring(root, encoding="unicode"))


def _depth(tex: str) -> int:
    deepest = depth = 0
    for part in _PART.findall(tex):
        depth += {"{": 1, "}": -1, "\\l": 1, "\\r": -1}.get(part, 0)
        deepest = max(deepest, depth)
    # A command without braces takes what follows as its argument, as in \sqrt\sqrt\sqrt x.
    runs: list[int] = [run.count("\\") for run in re.findall(r"(?:\\[a-zA-Z]+\s*|[\^_])+", tex)]
    return max(deepest, *runs, 0)


def _rendered(
    self: RendererProtocol, tokens: Sequence[Token], index: int, options: OptionsDict, env: MutableMapping[str, Any]
) -> str:
    token = tokens[index]
    display = token.markup in ("$$", "\\[")
    left = env.get("tex", LONGEST_IN_ALL) - len(token.content)
    made = mathml(token.content.strip(), display=display) if left >= 0 else None
    if made is None:
        shown = f"<code>{escape(token.markup + token.content + _CLOSINGS[token.markup])}</code>"
    else:
        env["tex"] = left
        shown = made
    return f"<p>{shown}</p>\n" if token.type == "math_block" else shown


def _opening(source: str, at: int) -> str:
    return next((mark for mark in _CLOSINGS if source.startswith(mark, at)), "")


def _closed_at(source: str, start: int, mark: str, end: int) -> int:
    """Where the formula that begins at `start` is closed; -1 when it is not, within its longest length."""
    closing = _CLOSINGS[mark]
    end = min(end, start + LONGEST + len(closing))
    at = source.find(closing, start, end)
    while at > start and closing[0] == "$" and source[at - 1] == "\\":
        at = source.find(closing, at + 1, end)
    if at <= start or not source[start:at].strip() or "\n\n" in source[start:at]:
        return -1
    if mark == "$" and (
        source[start].isspace() or source[at - 1].isspace() or source[at + 1 : at + 2].isdigit()
    ):  # "$5 and $10" are prices
        return -1
    return at


def _inline(state: StateInline, silent: bool) -> bool:
    mark = _opening(state.src, state.pos)
    if not mark:
        return False
    start = state.pos + len(mark)
    at = _closed_at(state.src, start, mark, state.posMax)
    if at < 0:
        return False
    if not silent:
        token = state.push("math", "math", 0)
        token.markup, token.content = mark, state.src[start:at]
    state.pos = at + len(_CLOSINGS[mark])
    return True


def _block(state: StateBlock, begin_line: int, end_line: int, silent: bool) -> bool:
    begin = state.bMarks[begin_line] + state.tShift[begin_line]
    mark = _opening(state.src, begin)
    if mark not in ("$$", "\\[") or state.is_code_block(begin_line):
        return False
    start = begin + len(mark)
    at = _closed_at(state.src, start, mark, state.eMarks[end_line - 1])
    if at < 0:
        return False
    line = begin_line
    while line < end_line and state.eMarks[line] < at + len(mark):
        line += 1
    # Only what stands alone on its lines; the rest is a formula inside a paragraph.
    if line >= end_line or state.src[at + len(mark) : state.eMarks[line]].strip():
        return False
    if not silent:
        token = state.push("math_block", "math", 0)
        token.block, token.map = True, [begin_line, line + 1]
        token.markup = mark
        token.content = state.getLines(begin_line, line + 1, state.blkIndent, False).strip()[len(mark) : -len(mark)]
    state.line = line + 1
    return True
