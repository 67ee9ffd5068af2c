"""Tables of prompts in Parquet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from labeling.formats.parsed import FileError, ParsedLine, ParsedPrompt, Problem
from labeling.formats.reading import MAX_EXPANDED, Position, parse_row
from labeling.formats.tables import check_columns, structured_values

# What a Parquet file may become when it is unpacked: a small one can hold a great deal of the same.
MAX_UNPACKED = 2 * 1024**3  # characters of text
_MAX_COLUMN = 512 * 1024**2  # bytes of one column of one row group, as the file itself says
_ROWS = 1000
_NESTED_ROWS = 4

Parse = Callable[[object], Iterable[ParsedPrompt]]


def parse_parquet(
    path: Path, position: Position, parse: Parse, *, content: tuple[str, ...], structured: tuple[str, ...]
) -> Iterator[ParsedLine | Problem]:
    """Each row of a Parquet file, columns that are null left out. Raises FileError.

    Text stays in its dictionary until its row is reached, so that a value repeated a million times is kept once, also
    inside lists. A row whose lists would spell out to more than 64 MiB becomes a Problem and is not spelled out.
    """
    import pyarrow
    from pyarrow import parquet  # only where a Parquet file is read: it weighs more than the rest of the process

    try:
        with parquet.ParquetFile(path) as plain:
            schema, metadata = plain.schema_arrow, plain.metadata
        check_columns(schema.names, content)
        chunks = [
            metadata.row_group(group).column(column)
            for group in range(metadata.num_row_groups)
            for column in range(metadata.num_columns)
        ]
        if max((chunk.total_uncompressed_size for chunk in chunks), default=0) > _MAX_COLUMN:
            raise FileError("The Parquet file has a row group too large to read; write it with smaller row groups.")
        texts = sorted({chunk.path_in_schema for chunk in chunks if chunk.physical_type == "BYTE_ARRAY"})
        nested = [field.name for field in schema if field.type.num_fields]
        at_once = _NESTED_ROWS if nested else _ROWS
        total, number, unpacked = max(metadata.num_rows, 1), 0, 0
        size = path.stat().st_size
        with parquet.ParquetFile(path, read_dictionary=texts) as table:
            for batch in table.iter_batches(batch_size=at_once):
                columns = dict(zip(batch.schema.names, batch.columns, strict=True))
                for index in range(batch.num_rows):
                    number += 1
                    inside = sum(_spelled_out(columns[name].slice(index, 1)) for name in nested)
                    if inside > MAX_EXPANDED:
                        limit = MAX_EXPANDED // 1024**2
                        yield Problem(number, f"the lists of the row hold more than {limit} MiB of text")
                        continue
                    row = {name: value for name, cell in columns.items() if (value := cell[index].as_py()) is not None}
                    unpacked += inside + sum(len(value) for value in row.values() if isinstance(value, str))
                    if unpacked > MAX_UNPACKED:
                        limit = MAX_UNPACKED // 1024**3
                        raise FileError(f"The Parquet file unpacks to more than {limit} GiB of text; split it.")
                    position.read = size * number // total
                    yield parse_row(number, row, lambda values: parse(structured_values(values, structured)))
    except (pyarrow.ArrowException, OSError) as error:
        raise FileError(f"The Parquet file is broken: {str(error).splitlines()[0].rstrip('.')}.") from error


def _spelled_out(array: Any) -> int:
    """Bytes of all text in an Arrow array, every value with its whole length, also where it is one of a dictionary."""
    import pyarrow
    from pyarrow import compute

    kind = array.type
    if pyarrow.types.is_dictionary(kind):
        counted = compute.value_counts(array.indices.drop_null())
        lengths = compute.binary_length(array.dictionary.take(counted.field("values")))
        return int(compute.sum(compute.multiply(lengths, counted.field("counts"))).as_py() or 0)
    if pyarrow.types.is_struct(kind):
        return sum(_spelled_out(field) for field in array.flatten())
    if pyarrow.types.is_map(kind):
        return _spelled_out(array.keys) + _spelled_out(array.items)
    if kind.num_fields:
        return _spelled_out(array.flatten())
    return int(array.nbytes)
