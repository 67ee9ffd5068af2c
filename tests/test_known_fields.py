"""What the API reads: a field that is misspelt is refused everywhere, never passed over."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
from rest_framework.exceptions import ValidationError

from people.api.serializers import KnownFields

ROOT = Path(__file__).parents[1]
_READS = re.compile(r"\b(\w+)\(data=request\.data\b")
# Read otherwise: a draft, which is any object; a rating form and the choice of a label's class (below).
OTHERWISE = {"labeling/api/assignments.py": 1, "labeling/api/forms.py": 1, "labeling/api/labels.py": 2}


def readers() -> list[tuple[str, str]]:
    """(module, class) of every serializer that is given a request's body, as the sources of the API name them."""
    found = set()
    for path in sorted(ROOT.glob("*/api/*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found |= {(module, name) for name in _READS.findall(path.read_text()) if name != "kind"}
    return sorted(found)


def test_the_sources_name_them():
    assert len(readers()) >= 27


def test_no_other_body_is_read():
    found = {}
    for path in sorted(ROOT.glob("*/api/*.py")):
        text = path.read_text()
        if others := text.count("request.data") - len(_READS.findall(text)):
            found[str(path.relative_to(ROOT))] = others
    assert found == OTHERWISE


def test_a_rating_form_with_an_unknown_field_is_refused():
    forms = importlib.import_module("labeling.api.forms")
    with pytest.raises(ValidationError) as refused:
        forms._asked({"fields": [], "prompt_feilds": []})
    sentence = str(refused.value.detail["prompt_feilds"][0])
    assert sentence.startswith("There is no such field; there are ready_made, fields, prompt_fields, change_note.")


@pytest.mark.parametrize(("module", "name"), readers())
def test_a_body_with_an_unknown_field_is_refused(module, name):
    kind = getattr(importlib.import_module(module), name)
    assert issubclass(kind, KnownFields)
    asked = kind(data={"no_such_field": 1})
    assert not asked.is_valid()
    assert str(asked.errors["no_such_field"][0]).startswith("There is no such field; there are ")


def test_a_correction_is_read_as_its_first_label_was():
    """The one place that chooses the class as it reads."""
    labels = importlib.import_module("labeling.api.labels")
    assert issubclass(labels.DemonstrationSubmitSerializer, KnownFields)
    assert issubclass(labels.RankingSubmitSerializer, KnownFields)
