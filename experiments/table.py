"""Tables for docs/results.md, and the figures beside them as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from experiments.runs import HOME


def show(name: str, head: Sequence[str], rows: Sequence[Sequence[Any]], **figures: Any) -> None:
    """Print a Markdown table and write it with `figures` to var/experiments/<name>.json."""
    print("\n| " + " | ".join(head) + " |")
    print("| " + " | ".join("---" for _ in head) + " |")
    for row in rows:
        print("| " + " | ".join(_text(value) for value in row) + " |")
    HOME.mkdir(parents=True, exist_ok=True)
    body = {"head": list(head), "rows": [list(row) for row in rows], **figures}
    (HOME / f"{name}.json").write_text(json.dumps(body, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
