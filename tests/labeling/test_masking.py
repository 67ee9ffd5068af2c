"""What is masked and what is not, on numbers that are published as examples."""

from __future__ import annotations

import pytest

from labeling.languages import language_of
from labeling.lengths import length_of, length_reason
from labeling.masking import KINDS, mask, original_digest

ALL = list(KINDS)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Mail anna.b+x@example.co.uk.", "Mail [EMAIL]."),
        ("<anna@example.org>, bo@example.org", "<[EMAIL]>, [EMAIL]"),
        ("+1 650-253-0000 and (650) 253-0000", "[PHONE] and [PHONE]"),
        ("+49 30 901820", "[PHONE]"),
        ("Pay 4111 1111 1111 1111 or 4111111111111111", "Pay [CARD] or [CARD]"),
        ("IBAN DE89 3704 0044 0532 0130 00 AND MORE", "IBAN [IBAN] AND MORE"),
        ("GB29NWBK60161331926819", "[IBAN]"),
        ("SSN 536-90-4399", "SSN [SSN]"),
        ("from 8.8.8.8 and 2001:4860:4860::8888", "from [IP] and [IP]"),
        ("اتصل anna@example.org 📞", "اتصل [EMAIL] 📞"),
    ],
)
def test_what_has_the_form_is_masked(text, masked):
    assert mask(text, kinds=ALL, regions=["US"])[0] == masked


@pytest.mark.parametrize(
    "text",
    [
        "Solve 1234 + 5678 = 6912.",
        "pi is 3.14159265358979",
        "on 2024-05-06 10:30:00",
        "4111 1111 1111 1112",  # a wrong check digit
        "DE88 3704 0044 0532 0130 00",
        "000-12-3456",
        "127.0.0.1, 192.168.0.1, version 1.2.3.4.5, 999.1.1.1",
        "user@localhost, @home, a@b",
        "at 12:30:45",
        "order 123456789",
        "",
    ],
)
def test_what_only_looks_like_it_stays(text):
    masked, found = mask(text, kinds=ALL, regions=["US"])
    assert (masked, found) == (text, {})


def test_only_the_kinds_and_countries_asked_for():
    text = "anna@example.org, 030 901820"
    assert mask(text, kinds=["PHONE"], regions=["DE"]) == ("anna@example.org, [PHONE]", {"PHONE": 1})
    assert mask(text, kinds=ALL, regions=["US"]) == ("[EMAIL], 030 901820", {"EMAIL": 1})
    assert mask("+1 650-253-0000", kinds=ALL, regions=[]) == ("[PHONE]", {"PHONE": 1})


def test_a_masked_text_is_not_masked_again():
    once, _ = mask("anna@example.org +1 650-253-0000", kinds=ALL, regions=["US"])
    assert mask(once, kinds=ALL, regions=["US"]) == (once, {})


def test_digests_know_the_same_messages_and_need_the_key():
    one = [{"role": "user", "content": "a"}]
    assert original_digest(one, key="k") == original_digest([dict(one[0])], key="k")
    assert original_digest(one, key="k") != original_digest(one, key="l")
    assert original_digest(one, key="k") != original_digest([{"role": "system", "content": "a"}], key="k")


def test_length_by_hand():
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": " one  two\nthree "}]
    assert length_of(messages) == (5, 9 + 16)
    assert length_reason(messages) is None
    assert length_reason(messages, min_words=5, max_words=5) is None
    assert length_reason(messages, min_words=6) == "5 words, at least 6 are asked for."
    assert length_reason(messages, max_characters=24) == "25 characters, at most 24 are allowed."
    assert length_reason(messages, max_words=1) == "5 words, at most 1 is allowed."
    empty = [{"role": "user", "content": ""}]
    assert length_reason(empty, min_words=1) == "0 words, at least 1 is asked for."


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Please explain to me how the photosynthesis of plants works.", "en"),
        ("Erkläre mir bitte, wie die Photosynthese der Pflanzen funktioniert.", "de"),
        ("写一首关于春天的诗", "zh"),
        ("ok", ""),
        ("12345 !?", ""),
        ("", ""),
    ],
)
def test_languages(text, language):
    assert language_of(text, confidence=0.5) == language
