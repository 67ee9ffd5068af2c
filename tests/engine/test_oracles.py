"""docs/oracles.md names each statement's tests: every number has some, and they stand in the files that it says."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "oracles.md"


def test_each_oracle_has_its_tests_where_the_page_says():
    promised = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if row := re.match(r"\| (\d+) \|", line):
            promised[int(row[1])] = set(re.findall(r"`(test_\w+\.py)`", line.rsplit(" | ", 1)[1]))
    found: dict[int, set[str]] = {}
    for path in HERE.glob("test_*.py"):
        for number in re.findall(r"^@pytest\.mark\.oracle\((\d+)\)$", path.read_text(encoding="utf-8"), re.M):
            found.setdefault(int(number), set()).add(path.name)
    assert sorted(found) == list(range(1, 20))
    assert found == promised
