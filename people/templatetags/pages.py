"""`{% load pages %}{% pages page "Pages of imports" %}`"""

from typing import Any

from django import template
from django.core.paginator import Page

register = template.Library()


@register.inclusion_tag("pages.html", takes_context=True)
def pages(
    context: template.Context, page: "Page[Any]", label: str, *, name: str = "page", path: str = "", at: str = ""
) -> dict[str, Any]:
    """Links to the newer and the older page of a list, newest first; the address's other parameters stay.

    `name` is the list's own parameter, `path` the page's address where a part of it is asked for elsewhere, `at` the
    id of the list's heading where others stand above it.
    """
    query = context["request"].GET.copy()

    def address(number: int) -> str:
        query[name] = str(number)
        return f"{path}?{query.urlencode()}{at and '#'}{at}"

    return {
        "page": page,
        "label": label,
        "newer": address(page.previous_page_number()) if page.has_previous() else "",
        "older": address(page.next_page_number()) if page.has_next() else "",
    }
