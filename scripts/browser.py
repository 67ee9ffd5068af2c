"""Make sure that the browser tests have a Chromium: the system's, else apt's when root, else Playwright's own.

Prints its path. The tests take the same: `CHROMIUM`, then the names below, then Playwright's. Those without a desktop
come first: they do the same with less.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)


def system_browser() -> str | None:
    """The path of a Chromium that is already on this machine, if there is one."""
    candidates = (os.environ.get("CHROMIUM"), *map(shutil.which, NAMES), *MAC)
    return next((path for path in candidates if path and Path(path).exists()), None)


def playwright_browser() -> str | None:
    """The path of Playwright's own Chromium, if it is installed."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def apt_install() -> None:
    """Install Chromium from Debian's or another distribution's archive; says nothing when that does not work."""
    if os.name != "posix" or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    quiet = {"check": False, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(["apt-get", "update"], **quiet)
    for package in ("chromium-headless-shell", "chromium"):
        if subprocess.run(["apt-get", "install", "-y", "--no-install-recommends", package], **quiet).returncode == 0:
            return


def main() -> int:
    """Find or install a Chromium; the exit code says whether there is one now."""
    path = system_browser() or playwright_browser()
    if path is None:
        apt_install()
        path = system_browser()
    if path is None:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)
        path = playwright_browser()
    if path is None:
        print("No Chromium was found or could be installed; set CHROMIUM=/path/to/one.", file=sys.stderr)
        return 1
    print(f"Browser tests use {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
