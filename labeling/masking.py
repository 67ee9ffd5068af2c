"""The rule of masking: personal data that is known by its form gives way to its kind, as in `[EMAIL]`.

Candidates are found by patterns that look at each character a bounded number of times, and checked by libraries that
know the numbers: phonenumbers, and python-stdnum for check digits. Names and postal addresses have no form and are not
found.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import re
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

Span = tuple[int, int]  # from and to, in characters

_EMAIL = re.compile(r"(?<![\w.%+'-])[\w.%+'-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w-])")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}")
_CARD = re.compile(r"(?<![0-9])[0-9](?:[ -]?[0-9]){12,18}(?![0-9])")
_SSN = re.compile(r"(?<![0-9-])[0-9]{3}-[0-9]{2}-[0-9]{4}(?![0-9-])")
_IP = re.compile(
    r"(?<![\w.:])(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7})(?![\w:]|\.[0-9])"
)
# A stretch that may hold a telephone number: the library looks only there, and never at a long one.
_DIGITS = re.compile(r"[+(]?[0-9][0-9 ()./\u00a0\u2010-\u2015-]{5,40}[0-9]")
_SHORTEST_IBAN = 15


def mask(text: str, *, kinds: Sequence[str], regions: Sequence[str]) -> tuple[str, Counter[str]]:
    """The text with what was found replaced, and how many of each kind.

    `kinds` are of KINDS; telephone numbers without a country code are read as those of `regions` (ISO 3166, as `US`).
    Where two overlap, the kind that stands first in KINDS is taken.
    """
    found: list[tuple[int, int, str]] = []
    for kind, spans in KINDS.items():
        for start, end in spans(text, regions) if kind in kinds else ():
            place = bisect(found, (start, end, kind))
            after_the_last = place == 0 or found[place - 1][1] <= start
            if after_the_last and (place == len(found) or end <= found[place][0]):
                found.insert(place, (start, end, kind))
    if not found:
        return text, Counter()
    pieces, place = [], 0
    for start, end, kind in found:
        pieces += [text[place:start], f"[{kind}]"]
        place = end
    return "".join([*pieces, text[place:]]), Counter(kind for _, _, kind in found)


def original_digest(messages: Sequence[dict[str, str]], *, key: str) -> str:
    """A digest of messages by which the same ones are known again, and by which nobody without `key` finds them."""
    text = json.dumps([[m["role"], m["content"]] for m in messages], ensure_ascii=False)
    return hmac.digest(key.encode(), text.encode(errors="surrogatepass"), "sha256").hex()


def regions_known() -> frozenset[str]:
    """The countries whose telephone numbers can be told."""
    import phonenumbers

    return frozenset(phonenumbers.SUPPORTED_REGIONS)


def _emails(text: str, regions: Sequence[str]) -> Iterator[Span]:
    return (match.span() for match in _EMAIL.finditer(text)) if "@" in text else iter(())


def _ibans(text: str, regions: Sequence[str]) -> Iterator[Span]:
    from stdnum import iban

    for match in _IBAN.finditer(text):
        # Capital letters after the number look like a part of it: the longest beginning that is a number counts.
        for end in range(match.end(), match.start() + _SHORTEST_IBAN - 1, -1):
            if text[end - 1] != " " and iban.is_valid(text[match.start() : end]):
                yield match.start(), end
                break


def _cards(text: str, regions: Sequence[str]) -> Iterator[Span]:
    from stdnum import luhn

    for match in _CARD.finditer(text):
        digits = re.sub("[ -]", "", match.group())
        if digits[0] in "23456" and luhn.is_valid(digits):
            yield match.span()


def _ssns(text: str, regions: Sequence[str]) -> Iterator[Span]:
    from stdnum.us import ssn

    return (match.span() for match in _SSN.finditer(text) if ssn.is_valid(match.group()))


def _phones(text: str, regions: Sequence[str]) -> Iterator[Span]:
    import phonenumbers

    read_as: list[str | None] = [*regions] if regions else [None]
    for stretch in _DIGITS.finditer(text):
        # With what stands around it, by which dates and times are told.
        start = max(0, stretch.start() - 1)
        near = text[start : stretch.end() + 8]
        for region in read_as:
            if matches := list(phonenumbers.PhoneNumberMatcher(near, region)):
                yield from ((start + match.start, start + match.end) for match in matches)
                break


def _addresses(text: str, regions: Sequence[str]) -> Iterator[Span]:
    for match in _IP.finditer(text):
        try:
            if ipaddress.ip_address(match.group()).is_global:  # not 127.0.0.1 and the like, which name nobody
                yield match.span()
        except ValueError:
            continue


KINDS: dict[str, Callable[[str, Sequence[str]], Iterator[Span]]] = {
    "EMAIL": _emails,
    "IBAN": _ibans,
    "CARD": _cards,
    "SSN": _ssns,
    "PHONE": _phones,
    "IP": _addresses,
}
