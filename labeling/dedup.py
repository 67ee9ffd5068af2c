"""The rules of duplicates: the same text, the same long beginning, nearly the same text. Plain values in and out.

Texts are compared as people read them: compatibility forms, letter case and white space mean nothing.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

SHINGLE = 5  # words
# Scripts that are written without spaces: each character counts as a word.
_WORD = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_]+")
_PREFIX_READ = 4_000  # characters of a text that the rule of prefixes looks at
_PERMUTATIONS = 128
_SEED = 1
_BATCH = 500

Id = TypeVar("Id")
Messages = Sequence[dict[str, str]]


def normalised(text: str) -> str:
    """The text without what means nothing to a reader: NFKC, folded case, single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def exact_key(messages: Messages) -> bytes:
    """16 bytes that are the same for dialogues that read the same, turn by turn."""
    text = "\x1e".join(f"{message['role']}\x1f{normalised(message['content'])}" for message in messages)
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()


def prefix_text(messages: Messages) -> str:
    """What the rule of prefixes compares: the dialogue's beginning, after its number of turns.

    A dialogue's next turn repeats all that came before it. With the number first it never meets its own beginning.
    """
    text = "\x1e".join(normalised(message["content"]) for message in messages)
    return f"{len(messages):06d}\x1e{text[:_PREFIX_READ]}"


def common_prefix(one: str, other: str) -> int:
    """How many characters the two begin with together."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def prefix_groups(
    rows: Iterable[tuple[Id, str]], *, min_characters: int, min_share: float
) -> Iterator[tuple[Id, int]]:
    """Who stands in a group with whom: `rows` are (id, `prefix_text`), sorted by text; yields (id, group number).

    Two neighbours are of one group when their common beginning has `min_characters` and covers `min_share` (0 to 1) of
    the shorter one. Rows without such a neighbour are not named.
    """
    group, named, before = 0, False, None
    for row_id, text in rows:
        if before is not None and _begin_alike(before[1], text, min_characters, min_share):
            if not named:
                group += 1
                yield before[0], group
                named = True
            yield row_id, group
        else:
            named = False
        before = (row_id, text)


def _begin_alike(one: str, other: str, min_characters: int, min_share: float) -> bool:
    head = len("000000\x1e")
    common = common_prefix(one, other) - head
    return common >= max(min_characters, min_share * (min(len(one), len(other)) - head), 1)


def shingles(messages: Messages) -> set[str]:
    """The dialogue's runs of five words; all of its words as one run where it has fewer, nothing where it has none."""
    words = _WORD.findall(" ".join(normalised(message["content"]) for message in messages))
    if len(words) <= SHINGLE:
        return {" ".join(words)} if words else set()
    return {" ".join(words[i : i + SHINGLE]) for i in range(len(words) - SHINGLE + 1)}


def jaccard(one: set[str], other: set[str]) -> float:
    """The share of all runs that both have, 0 where neither has any."""
    return len(one & other) / len(one | other) if one or other else 0.0


def band_keys(rows: Iterable[tuple[Id, set[str]]], *, threshold: float) -> Iterator[tuple[Id, list[int]]]:
    """For each (id, shingles) the keys of its bands: two rows with a key in the same place are probably alike.

    MinHash with locality-sensitive hashing (Leskovec et al., Mining of Massive Datasets, §3.4): 128 permutations from
    a fixed seed, cut into bands whose number suits `threshold`. Keys are signed, of 64 bits; no words, no keys.
    """
    from datasketch import MinHash, MinHashLSH  # with scipy it weighs more than the rest of the worker

    lsh = MinHashLSH(threshold=threshold, num_perm=_PERMUTATIONS)
    for batch in _batches(rows):
        sets = [[shingle.encode(errors="surrogatepass") for shingle in words] for _, words in batch]
        for (row_id, words), signature in zip(
            batch, MinHash.generator(sets, num_perm=_PERMUTATIONS, seed=_SEED, scheme="affine32"), strict=True
        ):
            values = signature.hashvalues
            yield row_id, [_key(values[i * lsh.r : (i + 1) * lsh.r].tobytes()) for i in range(lsh.b)] if words else []


def _key(band: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(band, digest_size=8).digest(), "big", signed=True)


def _batches(rows: Iterable[tuple[Id, set[str]]]) -> Iterator[list[tuple[Id, set[str]]]]:
    batch: list[tuple[Id, set[str]]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
