"""The walls at run time, each in a fresh interpreter: what must not be installed is not importable there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

TORCH = ("torch", "transformers", "accelerate", "safetensors", "tokenizers", "gguf")
DJANGO = ("django", "rest_framework", "celery", "kombu", "knox", "redis", "psycopg2")

# Refuses the named packages as if they were not installed, then runs the body.
PROLOGUE = """
import sys

class Wall:
    def __init__(self, names):
        self.names = names
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError("the wall stops " + name, name=name)
        return None

walls = {names!r}
sys.meta_path.insert(0, Wall(walls))
for name in walls:
    assert name not in sys.modules, name
"""

WEB = """
from config.wsgi import application
from django.urls import get_resolver
def walk(patterns):
    return sum(walk(p.url_patterns) if hasattr(p, "url_patterns") else bool(p.callback) for p in patterns)
print("addresses", walk(get_resolver().url_patterns))
from drf_spectacular.generators import SchemaGenerator
print("schema", len(SchemaGenerator().get_schema(request=None, public=True)["paths"]))
from training.engine.config import KINDS, settings_for
print("settings", [type(settings_for(kind)).__name__ for kind in KINDS])
print("heavy", sorted({"pandas", "pyarrow"} & set(sys.modules)))
"""

WORKER = """
import django
django.setup()
from config.celery import app
app.loader.import_default_modules()
print("tasks", sorted(name for name in app.tasks if not name.startswith("celery.")))
import django.apps
print("models", len(django.apps.apps.get_models()))
"""

ENGINE = """
import importlib, pkgutil
import training.engine
names = sorted(m.name for m in pkgutil.walk_packages(training.engine.__path__, "training.engine."))
for name in names:
    importlib.import_module(name)
print("modules", names)
import exchange
for m in pkgutil.iter_modules(exchange.__path__, "exchange."):
    importlib.import_module(m.name)
"""


def behind(names: tuple[str, ...], body: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "LOG_LEVEL": "ERROR"}
    return subprocess.run(
        [sys.executable, "-c", PROLOGUE.replace("{names!r}", repr(names)) + body],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def shown(names: tuple[str, ...], body: str) -> dict[str, str]:
    done = behind(names, body)
    assert done.returncode == 0, done.stderr
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


@pytest.mark.parametrize(("names", "package"), [(TORCH, "torch"), (TORCH, "transformers.models"), (DJANGO, "celery")])
def test_the_wall_itself_stops(names, package):
    stopped = behind(names, f"import {package}")
    assert stopped.returncode == 1
    assert "the wall stops" in stopped.stderr


def test_the_web_loads_without_torch():
    told = shown(TORCH, WEB)
    assert int(told["addresses"]) > 60
    assert int(told["schema"]) > 20
    kinds = ("SFT", "Reward", "DPO", "PPO", "Sample")
    assert told["settings"] == str([f"{kind}Settings" for kind in kinds])
    assert told["heavy"] == "[]"


def test_the_workers_load_without_torch():
    told = shown(TORCH, WORKER)
    assert told["tasks"] == str(
        [
            "labeling.tasks.curation_run",
            "labeling.tasks.import_run",
            "labeling.tasks.snapshot_run",
            "labeling.tasks.sweep",
            "training.tasks.run_execute",
            "training.tasks.sweep",
        ]
    )
    assert int(told["models"]) > 15


def test_the_engine_loads_without_django():
    told = shown(DJANGO, ENGINE)
    for name in ("config", "sft", "reward", "dpo", "ppo", "sample"):
        assert f"'training.engine.{name}'" in told["modules"]


def test_the_engine_reads_no_half_of_the_platform():
    shown(("people", "labeling", "config"), ENGINE)
