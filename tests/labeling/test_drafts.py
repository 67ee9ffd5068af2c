"""The pure rule of a draft."""

import pytest

from labeling.drafts import MAX_BYTES, DraftError, storable


def test_a_plain_draft_stays_as_it_is():
    draft = {"text": "half a sentence\nand a \\u0000 that someone typed", "ranks": {"a": 1}, "open": [True, None, 1.5]}
    assert storable(draft) == draft


def test_what_the_database_cannot_hold_is_replaced():
    assert storable({"a\x00": ["b\x00c", "d\ud800e"]}) == {"a\ufffd": ["b\ufffdc", "d\ufffde"]}
    assert storable({"x": float("nan"), "y": float("inf")}) == {"x": None, "y": None}


@pytest.mark.parametrize("draft", [None, [], "text", 3])
def test_only_an_object_is_a_draft(draft):
    with pytest.raises(DraftError, match=r"^A draft is a JSON object\.$"):
        storable(draft)


def test_the_size_is_counted_in_bytes_of_json():
    overhead = len('{"text": ""}')
    assert storable({"text": "x" * (MAX_BYTES - overhead)})
    with pytest.raises(DraftError, match="more than the 1,000,000 that can be saved"):
        storable({"text": "x" * (MAX_BYTES - overhead + 1)})
    with pytest.raises(DraftError, match="more than the 1,000,000 that can be saved"):
        storable({"text": "é" * (MAX_BYTES // 2)})


def test_deep_nesting_is_refused():
    draft = {}
    for _ in range(25):
        draft = {"deeper": draft}
    with pytest.raises(DraftError, match="nested deeper than 20 levels"):
        storable(draft)
