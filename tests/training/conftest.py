"""A project with its people, a snapshot in a real store, and runs whose engine is the scripted one."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from exchange.records import Demonstration, Message, Prompt, RankedCompletion, RankingGroup
from exchange.snapshot import write_snapshot
from exchange.store import Store
from people.models import Membership, Project, Role, User
from training.models import Checkpoint, PublishedSnapshot, Run
from training.services.snapshots import snapshots_poll

SCRIPTED = "tests.training.scripted_run"
DIGEST = "{:064x}".format  # a digest that no store holds, for rows of the database alone


def write_small_snapshot(parent: Path, *, project: str = "demo", rankings: bool = True) -> tuple[str, Path]:
    """A snapshot of three prompts, each with a demonstration, and with a ranking of three if asked."""
    splits = ("train", "train", "valid")
    messages = [(Message("user", f"What is {n} and {n}?"),) for n in range(len(splits))]
    answers = tuple(RankedCompletion(f"c{k}", f"It is {k}.", "base") for k in range(3))
    return write_snapshot(
        parent,
        project=project,
        prompts=[Prompt(str(n), messages[n], split) for n, split in enumerate(splits)],
        demonstrations=[
            Demonstration(str(n), str(n), messages[n], f"It is {2 * n}.", split, "person-1")
            for n, split in enumerate(splits)
        ],
        rankings=[
            RankingGroup(str(n), str(n), messages[n], answers, (0, 1, 1), split, "person-1")
            for n, split in enumerate(splits)
            if rankings
        ],
        meta={},
    )


@pytest.fixture
def store(settings, tmp_path):
    settings.ARTIFACTS_URL = str(tmp_path / "artifacts")
    settings.ARTIFACTS_CACHE = tmp_path / "cache"
    settings.RUNS_DIR = tmp_path / "runs"
    return Store(settings.ARTIFACTS_URL, cache=settings.ARTIFACTS_CACHE)


@pytest.fixture
def project(db):
    return Project.objects.create(slug="demo", name="Demo")


@pytest.fixture
def people(project):
    """One user a role, a superuser, and a stranger who belongs to another project."""
    found = {role.value: User.objects.create_user(role.value, password="pw") for role in Role}
    for role, user in found.items():
        Membership.objects.create(user=user, project=project, role=role)
    stranger = User.objects.create_user("stranger", password="pw")
    elsewhere = Project.objects.create(slug="elsewhere", name="Elsewhere")
    Membership.objects.create(user=stranger, project=elsewhere, role=Role.ENGINEER)
    return SimpleNamespace(**found, stranger=stranger, admin=User.objects.create_superuser("admin", password="pw"))


@pytest.fixture
def snapshot(project, store, tmp_path):
    digest, directory = write_small_snapshot(tmp_path / "building", project=project.slug)
    store.put("snapshots", directory)
    snapshots_poll()
    return PublishedSnapshot.objects.get(digest=digest)


@pytest.fixture
def make_run(snapshot):
    """A run's row as a worker finds it; its settings tell the scripted engine what to do."""

    def make(behaviour: str = "succeed", **fields) -> Run:
        fields = {"project": snapshot.project, "snapshot": snapshot, "kind": "sft", "preset": "cpu", **fields}
        run = Run.objects.create(settings={"behaviour": behaviour}, **fields)
        if not run.name:
            Run.objects.filter(pk=run.pk).update(name=f"{run.kind} of row {run.pk}")
            run.refresh_from_db()
        return run

    return make


@pytest.fixture
def make_checkpoint(make_run):
    """A model version's row, with the run that made it; no files."""

    def make(name: str, *, kind: str = "policy", number: int = 1, **run_fields) -> Checkpoint:
        run_kind = "reward" if kind == "reward" else "sft"
        run = make_run(name=name, kind=run_kind, state="succeeded", finished_at="2026-01-02T00:00Z", **run_fields)
        manifest = {"meta": {"kind": run_kind, "name": name}, "files": {"model.safetensors": {"bytes": 10}}}
        return Checkpoint.objects.create(
            digest=DIGEST(number), project=run.project, name=name, kind=kind, run=run, manifest=manifest
        )

    return make


def read_config(settings, run: Run) -> dict:
    return json.loads((settings.RUNS_DIR / str(run.pk) / "config.json").read_text())
