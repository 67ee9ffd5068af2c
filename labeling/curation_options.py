"""What each curation rule can be told, and how what a person gives is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labeling.languages import languages_known
from labeling.masking import KINDS, regions_known

_MOST_CODES = 20


class OptionError(ValueError):
    """An option cannot be what was given. The message is one sentence for the person."""


@dataclass(frozen=True)
class Option:
    """One option of a rule: a whole number in a range, one of some choices, several of them, or a list of codes."""

    name: str
    label: str
    default: Any
    help: str = ""
    least: int = 0
    most: int = 1_000_000
    choices: tuple[tuple[str, str], ...] = ()

    @property
    def kind(self) -> str:
        """How it is asked: `whole`, `choice`, `several` or `codes`."""
        if self.choices:
            return "several" if isinstance(self.default, list) else "choice"
        return "codes" if isinstance(self.default, list) else "whole"

    @property
    def default_text(self) -> str:
        """The default as it stands in a text field."""
        return ", ".join(self.default) if isinstance(self.default, list) else str(self.default)


def _limit(name: str, label: str, default: int, help: str = "0 sets no limit.") -> Option:
    return Option(name, label, default, help)


_KIND_NAMES = {
    "EMAIL": "E-mail addresses",
    "IBAN": "Bank accounts (IBAN)",
    "CARD": "Card numbers",
    "SSN": "US social security numbers",
    "PHONE": "Telephone numbers",
    "IP": "Internet addresses",
}
OPTIONS: dict[str, tuple[Option, ...]] = {
    "exact": (),
    "prefix": (
        Option("min_characters", "Common beginning, characters", 200, "At least so long.", 20, 4_000),
        Option("min_percent", "Share of the shorter prompt, %", 50, "The beginning covers at least so much.", 0, 100),
    ),
    "near": (Option("threshold", "Likeness, %", 80, "Share of five-word runs that both have (Jaccard).", 50, 100),),
    "cap": (
        Option("most", "Prompts kept of each", 200, "The earliest are kept. InstructGPT kept 200 a user.", 1),
        Option("by", "Counted by", "author", choices=(("author", "Author"), ("organisation", "Organisation"))),
    ),
    "pii": (
        Option("kinds", "What is masked", list(KINDS), choices=tuple(_KIND_NAMES.items())),
        Option(
            "regions",
            "Countries of telephone numbers",
            ["US"],
            "Codes, as US, GB, DE; numbers with +… are always found.",
        ),
    ),
    "length": (
        _limit("min_words", "At least, words", 1),
        _limit("max_words", "At most, words", 750, "0 sets no limit. 1,000 tokens are about 750 English words."),
        _limit("min_characters", "At least, characters", 0),
        _limit("max_characters", "At most, characters", 0),
    ),
    "language": (
        Option("keep", "Languages kept", [], "Codes, as en, de; with none, languages are only filled in."),
        Option(
            "confidence", "Told with, %", 50, "Below, a prompt's language stays unknown, and the prompt stays.", 1, 100
        ),
    ),
}


def read_options(rule: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a rule, in its own types, with the defaults of those that are absent. Raises OptionError."""
    if rule not in OPTIONS:
        raise OptionError(f"There is no curation rule {rule!r}; choose one of {', '.join(OPTIONS)}.")
    known = {option.name: option for option in OPTIONS[rule]}
    if unknown := sorted(set(values) - set(known)):
        raise OptionError(f"The rule has no option {unknown[0]!r}.")
    read = {name: _read(option, values.get(name, option.default)) for name, option in known.items()}
    if rule == "length":
        _check_limits(read)
    if rule == "pii":
        _check_codes("country", read["regions"], regions_known())
    if rule == "language":
        _check_codes("language", read["keep"], languages_known())
    return read


def _read(option: Option, value: Any) -> Any:
    if option.kind == "whole":
        return _whole(option, value)
    names = [name for name, _ in option.choices]
    if option.kind == "choice":
        if value not in names:
            raise OptionError(f"{option.label} must be one of {', '.join(names)}.")
        return value
    given = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise OptionError(f"{option.label} must be a list of texts.")
    if option.kind == "several":
        if not given or set(given) - set(names):
            raise OptionError(f"{option.label}: choose at least one of {', '.join(names)}.")
        return [name for name in names if name in given]
    if len(given) > _MOST_CODES:
        raise OptionError(f"{option.label} may be at most {_MOST_CODES} codes.")
    return sorted({one.upper() if option.name == "regions" else one.lower() for one in given})


def _whole(option: Option, value: Any) -> int:
    try:
        number = int(value) if isinstance(value, str | int) and not isinstance(value, bool) else None
    except ValueError:
        number = None
    if number is None or not option.least <= number <= option.most:
        raise OptionError(f"{option.label} must be a whole number from {option.least:,} to {option.most:,}.")
    return number


def _check_limits(read: dict[str, int]) -> None:
    if not any(read.values()):
        raise OptionError("Set at least one limit of length.")
    for unit in ("words", "characters"):
        if read[f"max_{unit}"] and read[f"min_{unit}"] > read[f"max_{unit}"]:
            raise OptionError(f"The least number of {unit} is above the greatest.")


def _check_codes(what: str, given: list[str], known: frozenset[str]) -> None:
    if unknown := [code for code in given if code not in known]:
        raise OptionError(f"There is no {what} {unknown[0][:20]!r} that can be told; give codes.")


_SAID = {
    "threshold": "{} % alike",
    "most": "{:,} kept",
    "by": "by {}",
    "kinds": "{}",
    "regions": "numbers of {}",
    "min_words": "from {:,} words",
    "max_words": "up to {:,} words",
    "min_characters": "from {:,} characters",
    "max_characters": "up to {:,} characters",
    "min_percent": "{} % of the shorter",
    "keep": "{} kept",
    "confidence": "told with {} %",
}


def options_said(options: Mapping[str, Any]) -> str:
    """What a step was told, in a few words; limits that are not set are left out."""
    said = (_said(name, options[name]) for name in _SAID if options.get(name))
    return " · ".join(said)


def _said(name: str, value: Any) -> str:
    said = _SAID[name].format(", ".join(value) if isinstance(value, list) else value)
    return said.removesuffix("s") if value == 1 else said
