"""From a file to parsed lines: what every format shares before it looks at the content.

A person uploads the wrong file now and then, so the first bytes are looked at, lines are bounded, and every failure
is one sentence.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from exchange.records import RecordError
from labeling.formats.parsed import FileError, LineError, ParsedLine, ParsedPrompt, Problem
from labeling.formats.unused import Unused

MAX_LINE = 8 * 1024 * 1024  # bytes of a line or of a CSV record
# What one line may become: a few bytes that repeat or nest others could otherwise fill the memory.
MAX_EXPANDED = 64 * 1024 * 1024  # characters of all its prompts together
MAX_CONTAINERS = 100_000  # objects and lists of a line, looked at where it is longer than a person's
_LONG_LINE = 256 * 1024
MAX_REASON = 300
_HEAD = 4096
_MAGIC = {
    b"PK\x03\x04": "a ZIP archive or an office document",
    b"\x1f\x8b": "compressed with gzip",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ": "compressed with xz",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"GIF8": "an image",
    b"%PDF": "a PDF",
}
PARQUET = b"PAR1"

Parse = Callable[[object], Iterable[ParsedPrompt]]


class Position:
    """How far a file has been read: `read` bytes of it, and the columns that were `unused` so far."""

    def __init__(self) -> None:
        self.read = 0
        self.unused = Unused()


def check_head(path: Path, *, parquet: bool = False, table: bool = False) -> None:
    """Look at the file's first bytes. Raises FileError for an empty file, one that is not text, and one JSON value.

    `parquet` says that the format reads Parquet too, `table` that the file is not JSON lines but a table.
    """
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
    if not head.strip(b"\xef\xbb\xbf \t\r\n") and path.stat().st_size <= _HEAD:
        raise FileError("The file is empty.")
    if head.startswith(PARQUET):
        if parquet:
            return
        raise FileError("The file is Parquet, which only the format 'prompts' reads.")
    for magic, what in _MAGIC.items():
        if head.startswith(magic):
            raise FileError(f"The file is {what}, not lines of text.")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise FileError("The file is UTF-16 text; save it as UTF-8.")
    if b"\x00" in head:
        raise FileError("The file is binary, not lines of text.")
    if not table:
        _check_is_lines(head)


def _check_is_lines(head: bytes) -> None:
    """Refuse one JSON value that fills the whole file, which people save more often than JSON lines."""
    first, _, rest = head.removeprefix(b"\xef\xbb\xbf").lstrip().partition(b"\n")
    if first.startswith(b"[") and not (first.rstrip().endswith(b"]") and rest.strip()):
        raise FileError("The file is one JSON array; save one object a line (JSON Lines).")
    if first.strip() == b"{":
        raise FileError("The file's first JSON object goes over several lines; save one object a line (JSON Lines).")


def parse_json_lines(path: Path, position: Position, parse: Parse) -> Iterator[ParsedLine | Problem]:
    """Parse each non-blank line as JSON and give it to `parse`; yield what came of it, in file order."""
    for number, raw in _raw_lines(path, position):
        if raw is None:
            yield Problem(number, f"the line is longer than {MAX_LINE // 1024 // 1024} MiB")
            continue
        if len(raw) > _LONG_LINE and raw.count(b"{") + raw.count(b"[") > MAX_CONTAINERS:
            yield Problem(number, f"the line holds more than {MAX_CONTAINERS:,} objects and lists")
            continue
        try:
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            yield Problem(number, f"the line is not UTF-8: byte {error.start + 1} cannot be decoded")
            continue
        if text.strip():
            yield parse_row(number, text, lambda line: parse(json_value(str(line))))


def parse_row(number: int, row: object, parse: Parse) -> ParsedLine | Problem:
    """Give one row to `parse`; a rule that it breaks becomes a Problem."""
    try:
        return ParsedLine(number, tuple(_bounded(parse(row))))
    except (LineError, RecordError) as error:
        return Problem(number, shown(str(error)))


def _bounded(prompts: Iterable[ParsedPrompt]) -> Iterator[ParsedPrompt]:
    size = 0
    for prompt in prompts:
        size += prompt.size
        if size > MAX_EXPANDED:
            raise LineError(f"the line becomes more than {MAX_EXPANDED // 1024 // 1024} MiB of prompts")
        yield prompt


def shown(reason: str) -> str:
    """A reason that quotes the line, without what a database cannot keep and as long as a person reads."""
    plain = "".join(c if c.isprintable() else "\ufffd" for c in reason)
    return plain if len(plain) <= MAX_REASON else plain[: MAX_REASON - 1] + "…"


def _raw_lines(path: Path, position: Position) -> Iterator[tuple[int, bytes | None]]:
    """Numbered lines as bytes; None for one that is too long, which is read past in pieces."""
    with path.open("rb") as stream:
        number = 0
        while line := stream.readline(MAX_LINE + 1):
            number += 1
            position.read += len(line)
            if len(line) <= MAX_LINE:
                yield number, line
                continue
            while line and not line.endswith(b"\n"):
                line = stream.readline(MAX_LINE)
                position.read += len(line)
            yield number, None


def json_value(text: str) -> object:
    """The value that the text is in JSON. Raises LineError."""
    try:
        value: object = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise LineError(f"not valid JSON: {error.msg.removesuffix(' at')} at character {error.pos + 1}") from error
    except RecursionError as error:
        raise LineError("the JSON is nested too deeply") from error
    except LineError:
        raise
    except ValueError as error:  # Python's bound on the time that a whole number takes to be read
        digits = sys.get_int_max_str_digits()
        raise LineError(f"a whole number of the JSON has more than {digits:,} digits") from error
    return value


def _no_constant(name: str) -> object:
    raise LineError(f"not valid JSON: {name} is not a JSON value")
