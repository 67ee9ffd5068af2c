"""A rating form as lines that a manager fills in: one line a field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.http import QueryDict
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from labeling.forms import MAX_FIELDS, MAX_HELP, MAX_LABEL, RATING_MAX, RATING_MIN, TYPES, Field

_LINES_MOST = MAX_FIELDS + 10


class FieldLine(forms.Form):
    """One field. Its key may be left out: it is then made of the label."""

    label = forms.CharField(max_length=MAX_LABEL, widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}))
    type = forms.ChoiceField(choices=list(TYPES.items()), initial="scale", widget=UnfoldAdminSelectWidget)
    min = forms.IntegerField(
        label="From", required=False, initial=RATING_MIN, widget=UnfoldAdminIntegerFieldWidget, min_value=0
    )
    max = forms.IntegerField(
        label="To", required=False, initial=RATING_MAX, widget=UnfoldAdminIntegerFieldWidget, min_value=1
    )
    options = forms.CharField(
        label="Options, one a line", required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3})
    )
    help = forms.CharField(
        label="Help, shown as a tooltip",
        required=False,
        max_length=MAX_HELP,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )
    required = forms.BooleanField(label="Must be answered", required=False, widget=UnfoldBooleanWidget)
    name = forms.CharField(
        label="Key in the data",
        required=False,
        max_length=40,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "placeholder": "made of the label"}),
    )

    def definition(self) -> dict[str, Any]:
        """The field as JSON, which `labeling.forms` judges."""
        given = self.cleaned_data
        found = {
            "name": given["name"] or key_of(given["label"]),
            "label": given["label"],
            "type": given["type"],
            "help": given["help"],
            "required": given["required"],
        }
        if given["type"] == "scale":
            found |= {"min": given["min"], "max": given["max"]}
        if given["type"] == "choice":
            found["options"] = [line.strip() for line in given["options"].splitlines() if line.strip()]
        return found


class _Lines(forms.BaseFormSet):  # type: ignore[type-arg]  # Django's is not generic at run time
    ordering_widget = UnfoldAdminIntegerFieldWidget
    deletion_widget = UnfoldBooleanWidget

    def add_fields(self, form: forms.Form, index: int | None) -> None:
        """Place and leaving out, in words."""
        super().add_fields(form, index)
        form.fields["ORDER"].label = "Place"
        form.fields["DELETE"].label = "Leave this field out"


def lines_of(fields: Sequence[Field], prefix: str, *, empty: int = 1) -> Any:
    """The lines of a form that is there, and some empty ones."""
    initial = [{**field.as_json(), "options": "\n".join(field.options)} for field in fields]
    return _factory(empty)(prefix=prefix, initial=initial)


def lines_typed(data: QueryDict, prefix: str, *, more: bool = False) -> Any:
    """The lines as they were typed; with one more empty one where it was asked for."""
    if not more:
        return _factory(0)(data, prefix=prefix)
    grown = data.copy()
    total = grown.get(f"{prefix}-TOTAL_FORMS", "0")
    grown[f"{prefix}-TOTAL_FORMS"] = str(min(int(total) if total.isdecimal() else 0, _LINES_MOST) + 1)
    return _factory(0)(grown, prefix=prefix)


def definitions_of(lines: Any) -> list[dict[str, Any]]:
    """The definitions of valid lines, in their order, without empty ones and those to leave out."""
    kept: Iterable[FieldLine] = (form for form in lines.ordered_forms if form.cleaned_data.get("label"))
    return [form.definition() for form in kept]


def key_of(label: str) -> str:
    """A key made of a label: small letters, digits and _, as in "false_claim" of "False claim"."""
    return re.sub(r"[^a-z0-9]+", "_", label.casefold()).strip("_")[:40].rstrip("_")


def _factory(empty: int) -> Any:
    return forms.formset_factory(
        FieldLine, formset=_Lines, extra=empty, can_delete=True, can_order=True, max_num=_LINES_MOST, absolute_max=60
    )
