"""JSON from outside, of bounded depth; its size is bounded by DATA_UPLOAD_MAX_MEMORY_SIZE."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


class ReadableJSONParser(JSONParser):
    """JSON that Python can read: its own limit on depth is the person's mistake here, not the server's."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The parsed body. Raises ParseError for what is no JSON, nested too deeply or a number too long."""
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise ParseError("The JSON is nested too deeply.") from error
        except ParseError as error:
            if "set_int_max_str_digits" not in str(error.detail):
                raise
            digits = sys.get_int_max_str_digits()
            raise ParseError(f"A whole number of the JSON has more than {digits:,} digits.") from error
