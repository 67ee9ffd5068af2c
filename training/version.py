"""Which code a run was made with."""

from __future__ import annotations

import subprocess
import tomllib
from functools import lru_cache
from pathlib import Path


@lru_cache
def code_version(root: Path) -> str:
    """The commit of the checkout at `root`, with "-dirty" where files differ from it; else the package's version."""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        if (root / ".git").exists():
            return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        pass
    with (root / "pyproject.toml").open("rb") as stream:
        version: str = tomllib.load(stream)["project"]["version"]
    return version
