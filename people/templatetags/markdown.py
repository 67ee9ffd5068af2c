"""`{% load markdown %}{{ text|markdown }}`"""

from django import template
from django.utils.safestring import SafeString

from people.markdown import render

register = template.Library()


@register.filter
def markdown(text: object) -> SafeString:
    """Hostile Markdown as sanitised HTML."""
    return render(str(text or ""))
