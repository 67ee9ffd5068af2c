"""The requirements files: exact, complete, without torch where it must not be, without any address."""

import re
from importlib.metadata import PackageNotFoundError, distribution

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.config.platform import ROOT

FILES = ("requirements-web.txt", "requirements.txt", "requirements-dev.txt")


def lines(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def pins(name):
    """{package: requirement} of a file and of those that it includes."""
    found = {}
    for line in lines(name):
        if line.startswith("-r "):
            found |= pins(line.removeprefix("-r ").strip())
        else:
            requirement = Requirement(line)
            found[canonicalize_name(requirement.name)] = requirement
    return found


@pytest.mark.parametrize("name", [*FILES, "requirements-model.txt"])
def test_every_line_is_one_exact_version_and_no_address(name):
    for line in lines(name):
        if not line.startswith("-r "):
            assert re.fullmatch(r"[A-Za-z0-9_.\-]+(\[[a-z0-9,]+\])?==[\w.]+( ; .+)?", line), line
    assert "://" not in (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FILES)
def test_whatever_a_package_asks_for_is_pinned_too(name):
    pinned = pins(name)
    missing = set()
    for package, requirement in pinned.items():
        try:
            asked = distribution(package).requires or []
        except PackageNotFoundError:
            assert requirement.marker is not None, f"{package} is not installed"
            assert not requirement.marker.evaluate(), f"{package} is not installed"
            continue
        for text in asked:
            wanted = Requirement(text)
            extras = [{"extra": extra} for extra in ("", *requirement.extras)]
            if wanted.marker is None or any(wanted.marker.evaluate(extra) for extra in extras):
                missing |= {canonicalize_name(wanted.name)} - pinned.keys()
    # torch's own pins on a machine with a GPU
    assert {package for package in missing if not package.startswith(("nvidia-", "triton", "cuda-"))} == set()


def test_what_is_installed_is_what_is_pinned():
    for package, requirement in pins("requirements-dev.txt").items():
        if requirement.marker is None or requirement.marker.evaluate():
            assert requirement.specifier.contains(distribution(package).version, prereleases=True), package


def test_the_web_is_installed_without_torch():
    assert (
        pins("requirements-web.txt")
        .keys()
        .isdisjoint({"torch", "transformers", "accelerate", "safetensors", "tokenizers", "gguf", "huggingface-hub"})
    )
    assert str(pins("requirements.txt")["torch"].specifier) == "==2.13.0"
