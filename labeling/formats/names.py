"""What people call the import formats, in menus and in refusals."""

NAMES = {
    "prompts": "Prompts (JSON lines, CSV or Parquet)",
    "oasst": "OASST message trees (JSON lines)",
    "self_instruct": "Self-Instruct tasks (JSON lines)",
}
