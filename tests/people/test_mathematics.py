"""TeX between dollars or brackets becomes MathML; prices, code and hostile formulas do not."""

import pytest

from people.markdown import render
from people.mathematics import LONGEST, LONGEST_IN_ALL, mathml


@pytest.mark.parametrize(
    ("text", "html"),
    [
        (
            "so $x^2 < y$ holds",
            '<p>so <math display="inline"><mrow><msup><mi>x</mi><mn>2</mn></msup><mo>&lt;</mo><mi>y</mi></mrow></math>'
            " holds</p>\n",
        ),
        (
            "\\(\\frac{1}{n}\\)",
            '<p><math display="inline"><mrow><mfrac><mrow><mn>1</mn></mrow><mrow><mi>n</mi></mrow></mfrac></mrow>'
            "</math></p>\n",
        ),
        (
            "before\n\\[\na\n=\nb\n\\]\nafter",
            '<p>before</p>\n<p><math display="block"><mrow><mi>a</mi><mo>=</mo><mi>b</mi></mrow></math></p>\n'
            "<p>after</p>\n",
        ),
        (
            "it is $$x$$ then",
            '<p>it is <math display="block"><mrow><mi>x</mi></mrow></math> then</p>\n',
        ),
        (
            "> $$\n> x\n> $$",
            '<blockquote>\n<p><math display="block"><mrow><mi>x</mi></mrow></math></p>\n</blockquote>\n',
        ),
    ],
)
def test_formulas(text, html):
    assert render(text) == html


@pytest.mark.parametrize(
    "text",
    [
        "from $5 to $10",
        "$5 and $6, $ 7 $",
        "`$x$`",
        "\\$x\\$",
        "    $x$",
        "```\n$$\nx\n$$\n```",
        "$x",
        "$$",
        "\\[ never closed",
        "$a\n\nb$",
    ],
)
def test_what_is_no_formula(text):
    assert "<math" not in render(text)


@pytest.mark.parametrize("tex", ["\\frac{", "{{{", "\\left(", "a^b^c"])
def test_what_is_no_tex_is_shown_as_it_was_typed(tex):
    assert render(f"${tex}$") == f"<p><code>${tex}$</code></p>\n"


@pytest.mark.parametrize(
    "tex",
    [
        "\\text{<script>alert(1)</script>}",
        "\\text{<img src=x onerror=alert(1)>}",
        "\\href{javascript:alert(1)}{x}",
        "\\style{position:fixed}{x}",
        "\\class{btn}{x}",
        "\\color{white}{x}",
        "\\hspace{9999em}x",
        "x</math><script>alert(1)</script>",
    ],
)
def test_nothing_of_a_formula_acts_or_styles(tex):
    html = render(f"${tex}$")
    for forbidden in ("<script", "<img", "href", "style=", "class=", "color", "width", "9999em"):
        assert forbidden not in html.replace(f"<code>{tex}", "")


def test_alignment_and_matrices():
    assert render("$$\\begin{aligned}a&=b\\\\c&=d\\end{aligned}$$").count("<mtr>") == 2
    assert render("$\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}$").count("<mtd>") == 4


@pytest.mark.parametrize(
    "tex",
    ["x" * (LONGEST + 1), "{" * 21 + "}" * 21, "\\sqrt" * 21 + " x", "x" + "^{x" * 21 + "}" * 21, "\\left(" * 21],
)
def test_a_formula_beyond_its_bounds_is_not_tried(tex):
    assert mathml(tex, display=False) is None


def test_all_formulas_of_a_text_together_are_bounded():
    formula = "x" * 1000
    html = render(f"${formula}$ " * (LONGEST_IN_ALL // 1000 + 3))
    assert html.count("<math") == LONGEST_IN_ALL // 1000
    assert html.count("<code>") == 3
