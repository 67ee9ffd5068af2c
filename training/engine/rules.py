"""Rewards from a rule instead of a reward model: an answer's result is compared with the one its prompt wants.

The form is that of grade-school mathematics (Cobbe et al. 2021, 2110.14168, GSM8K): an answer ends with "#### 72".
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

_MARK = "####"


def result(text: str) -> str | None:
    """What stands behind the last "####" of a text, on the same line; None without one."""
    if _MARK not in text:
        return None
    lines = text.rpartition(_MARK)[2].strip().splitlines()
    return lines[0].strip() if lines else ""


def reward(completion: str, wanted: str) -> float:
    """1 where the completion's result is the wanted one, else 0; a completion without "####" has none.

    Numbers are equal as numbers: commas, a currency sign or a percent sign and trailing zeros do not matter. Other
    results are equal as words, whatever their case and spaces.
    """
    given = result(completion)
    if given is None:
        return 0.0
    target = wanted if (marked := result(wanted)) is None else marked
    numbers = _number(given), _number(target)
    if None not in numbers:
        return float(numbers[0] == numbers[1])
    return float(given.casefold().split() == target.casefold().split())


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(re.sub(r"[,$€£%]", "", text).strip().removesuffix("."))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
