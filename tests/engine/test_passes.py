"""How examples are cut into forward passes."""

import pytest

from training.engine.base import tiny_model
from training.engine.layout import lay, share_prompts
from training.engine.passes import family_passes, micro_batches


@pytest.mark.parametrize(("padded", "expected"), [(True, [[6], [5, 4], [3, 2, 1]]), (False, [[6, 5], [4, 3, 2, 1]])])
def test_micro_batches_keep_neighbours_in_length_together(padded, expected):
    assert micro_batches([1, 4, 2, 6, 3, 5], 11, int, padded=padded) == expected


def test_padded_items_of_several_lines():
    """(length, lines): 5·2 + 5·1 = 15 fill the first pass; then 4·3 = 12 and 4·1, one over."""
    items = [(5, 2), (4, 1), (4, 3), (3, 1)]
    found = micro_batches(items, 15, lambda item: item[0], lines=lambda item: item[1])
    assert found == [[(5, 2), (4, 1)], [(4, 3)], [(3, 1)]]


def test_an_item_over_the_limit_is_alone():
    assert micro_batches([20, 3], 10, int) == [[20], [3]]


def test_families_count_as_they_are_laid_out():
    """Packed 3 + 2 + 4 = 9 and 6 tokens; in rows 2 lines of 3 + 4 = 7 tokens and one of 6, padded to 7 beside them."""
    model, families = tiny_model(), [([5, 6, 7], [[8, 2], [8, 9, 9, 2]]), ([5], [[8, 8, 9, 9, 2]])]

    def fewest_tokens_of_one_pass(**options):
        most = next(most for most in range(99) if len(family_passes(model, families, most, **options)) == 1)
        assert lay(model, families, **options).ids.numel() == most
        return most

    assert fewest_tokens_of_one_pass() == 2 * 7 + 7
    assert share_prompts(model.eval())
    assert fewest_tokens_of_one_pass() == 9 + 6
    assert fewest_tokens_of_one_pass(packed=False) == 2 * 7 + 7
    assert family_passes(model, families[::-1], 14) == [[1], [0]]
