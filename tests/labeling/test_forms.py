"""Rating forms: what a definition may be, what may be filled in, and the ready-made form of InstructGPT."""

import pytest

from labeling.filled import filled
from labeling.form_changes import form_changes
from labeling.forms import (
    DEFAULT_FIELDS,
    INSTRUCTGPT_FIELDS,
    INSTRUCTGPT_PROMPT_FLAGS,
    Field,
    FormError,
    check_values,
    read_fields,
    values_from_texts,
)

QUALITY = {"name": "overall", "label": "Quality", "type": "scale"}
TONE = {"name": "tone", "label": "Tone", "type": "choice", "options": ["warm", "cold"]}
FORM = read_fields(
    [
        {**QUALITY, "required": True},
        {"name": "false_claim", "label": "False claim", "type": "flag"},
        TONE,
        {"name": "why", "label": "Why", "type": "text"},
        {"name": "length", "label": "Length", "type": "scale", "min": 0, "max": 2},
    ]
)


def test_a_definition_is_read_with_what_it_leaves_out_filled_in():
    assert FORM[0] == Field("overall", "Quality", "scale", min=1, max=7, required=True)
    assert FORM[2] == Field("tone", "Tone", "choice", options=("warm", "cold"))
    assert list(FORM[4].points) == [0, 1, 2]


def test_a_form_that_is_stored_and_read_is_the_same():
    assert read_fields([field.as_json() for field in FORM]) == FORM


def test_only_what_a_type_has_is_stored():
    assert FORM[1].as_json() == {
        "name": "false_claim",
        "label": "False claim",
        "type": "flag",
        "help": "",
        "required": False,
    }


@pytest.mark.parametrize(
    ("definitions", "sentence"),
    [
        ({"name": "a"}, "A form is a list of fields."),
        ("text", "A form is a list of fields."),
        ([QUALITY] * 31, "A form has at most 30 fields; this one has 31."),
        (["overall"], "Field 1 is no object with a name, a label and a type."),
        ([QUALITY, QUALITY], "Two fields have the name 'overall'; each needs its own."),
        ([{**QUALITY, "colour": "red"}], "Field 1 has the unknown key 'colour'."),
        ([{**TONE, "name": "Tone"}], "Field 1 needs a name of small letters"),
        ([{**TONE, "name": "a" * 41}], "at most 40 long."),
        ([{**TONE, "name": 3}], "Field 1 needs a name"),
        ([{**TONE, "type": "colour"}], "The field 'tone' needs a type: scale, flag, choice, text."),
        ([{**TONE, "type": ["scale"]}], "The field 'tone' needs a type"),
        ([{**TONE, "label": "  "}], "The label of the field 'tone' is a text that is not empty."),
        ([{**TONE, "label": "x" * 121}], "The label of the field 'tone' is 121 characters long; at most 120 fit."),
        ([{**TONE, "help": 1}], "The help of the field 'tone' is a text."),
        ([{**TONE, "required": 1}], "Whether the field 'tone' is required is true or false."),
        ([{**TONE, "options": ["warm"]}], "The choice 'tone' needs a list of 2 to 20 options."),
        ([{**TONE, "options": "warm"}], "The choice 'tone' needs a list of 2 to 20 options."),
        ([{**TONE, "options": ["warm", "warm"]}], "The choice 'tone' has the same option twice."),
        ([{**QUALITY, "name": "good", "min": 7, "max": 1}], "The scale 'good' goes from a whole number"),
        ([{**QUALITY, "name": "good", "min": 0, "max": 11}], "with at most 11 points."),
        ([{**QUALITY, "name": "good", "min": True}], "The scale 'good' goes from a whole number"),
        ([{**QUALITY, "max": 5}], "The field 'overall' is a scale from 1 to 7; another one needs another name."),
        ([{**TONE, "name": "overall"}], "The field 'overall' is a scale from 1 to 7; another one needs another name."),
    ],
)
def test_a_definition_that_breaks_the_rule_is_refused_with_one_sentence(definitions, sentence):
    with pytest.raises(FormError) as refused:
        read_fields(definitions)
    assert sentence in str(refused.value)


def test_values_come_back_in_the_forms_order_without_what_was_left_empty():
    given = {"why": " \u200b", "length": 0, "tone": "cold", "false_claim": False, "overall": 7}
    found = check_values(FORM, given)
    assert found == {"overall": 7, "false_claim": False, "tone": "cold", "length": 0}
    assert list(found) == ["overall", "false_claim", "tone", "length"]


def test_a_flag_that_nobody_ticked_is_not_stored_as_no():
    assert check_values(FORM, {"overall": 4}) == {"overall": 4}


def test_what_a_database_cannot_hold_is_replaced():
    assert check_values(FORM, {"overall": 4, "why": "a\x00b\ud800"}) == {"overall": 4, "why": "a\ufffdb\ufffd"}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([], "The values of a form are an object with the fields' names as keys."),
        ({}, "“Quality” needs an answer."),
        ({"overall": None}, "“Quality” needs an answer."),
        ({"overall": 4, "colour": "red"}, "The form has no field 'colour'."),
        ({"overall": 8}, "“Quality” is a whole number from 1 to 7, not 8."),
        ({"overall": 0}, "“Quality” is a whole number from 1 to 7, not 0."),
        ({"overall": "4"}, "“Quality” is a whole number from 1 to 7, not '4'."),
        ({"overall": True}, "“Quality” is a whole number from 1 to 7, not True."),
        ({"overall": 4.0}, "“Quality” is a whole number from 1 to 7, not 4.0."),
        ({"overall": 4, "false_claim": 1}, "“False claim” is true or false, not 1."),
        ({"overall": 4, "tone": "warmer"}, "“Tone” is one of its options, not 'warmer'."),
        ({"overall": 4, "tone": ["warm"]}, "“Tone” is a text, not ['warm']."),
        ({"overall": 4, "why": "x" * 5001}, "“Why” is 5,001 characters long; at most 5,000 fit."),
    ],
)
def test_values_that_do_not_fit_are_refused_with_one_sentence(values, sentence):
    with pytest.raises(FormError) as refused:
        check_values(FORM, values)
    assert str(refused.value) == sentence


def test_the_texts_of_an_html_form_become_values():
    texts = {"overall": "5", "false_claim": "on", "tone": "warm", "why": "because", "length": "", "more": "1"}
    assert values_from_texts(FORM, texts) == {"overall": 5, "false_claim": True, "tone": "warm", "why": "because"}
    assert values_from_texts(FORM, {"false_claim": "false"}) == {"false_claim": False}


def test_a_text_that_is_no_number_is_refused_by_the_name_of_its_field():
    with pytest.raises(FormError, match="“Quality” is a whole number from 1 to 7, not 'five'"):
        check_values(FORM, values_from_texts(FORM, {"overall": "five"}))


def test_instructgpts_form_has_the_overall_scale_and_eleven_flags():
    assert [field.name for field in INSTRUCTGPT_FIELDS] == [
        "overall",
        "fails_instruction",
        "inappropriate",
        "hallucination",
        "satisfies_constraint",
        "sexual_content",
        "violent_content",
        "encourages_violence",
        "denigrates",
        "harmful_advice",
        "expresses_opinion",
        "moral_judgment",
    ]
    assert [field.type for field in INSTRUCTGPT_FIELDS] == ["scale"] + ["flag"] * 11
    assert len(INSTRUCTGPT_PROMPT_FLAGS) == 11
    assert {field.type for field in INSTRUCTGPT_PROMPT_FLAGS} == {"flag"}


@pytest.mark.parametrize("form", [DEFAULT_FIELDS, INSTRUCTGPT_FIELDS, INSTRUCTGPT_PROMPT_FLAGS])
def test_the_ready_made_forms_keep_the_rule_and_explain_every_field(form):
    assert read_fields([field.as_json() for field in form]) == form
    assert all(field.help for field in form)


def test_a_page_shows_what_a_draft_holds_and_nothing_that_fits_no_field():
    shown = filled(FORM, {"overall": 3, "false_claim": True, "tone": "cold", "why": 7, "gone": 1}, "rate-x-")
    assert [field.name for field in shown][:2] == ["rate-x-overall", "rate-x-false_claim"]
    assert [option.value for option in shown[0].options if option.chosen] == ["3"]
    assert shown[1].ticked
    assert [option.text for option in shown[2].options if option.chosen] == ["cold"]
    assert shown[3].text == ""
    assert not any(option.chosen for option in shown[4].options)


def test_a_draft_that_is_no_object_shows_an_empty_form():
    assert not any(option.chosen for field in filled(FORM, ["overall"], "") for option in field.options)


def test_a_rating_of_true_does_not_show_as_one():
    assert not any(option.chosen for option in filled(FORM, {"overall": True}, "")[0].options)


def test_what_changed_between_two_forms_is_said():
    after = read_fields(
        [
            {"name": "overall", "label": "Overall", "type": "scale", "help": "7 is best."},
            {**TONE, "options": ["warm", "cold", "none"]},
            {"name": "why", "label": "Why", "type": "flag", "required": True},
            {"name": "length", "label": "Length", "type": "scale", "min": 1, "max": 5},
            {"name": "new", "label": "New", "type": "text"},
        ]
    )
    assert form_changes(FORM, after) == [
        "“New” is new.",
        "“False claim” is asked no more.",
        "“Quality” is now called “Overall”.",
        "“Overall” may be left out now.",
        "The help of “Overall” changed.",
        "“Tone” has other options: warm, cold, none.",
        "“Why” is now of the type “yes or no”.",
        "“Why” must be answered now.",
        "“Length” now goes from 1 to 5.",
    ]
    assert form_changes(FORM, FORM) == []
    assert form_changes(FORM, FORM[::-1]) == ["The order of the fields changed."]
