"""One of everything in one project, and a person of every role in it, for tests that go through all addresses."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

from django.utils import timezone

from exchange.envelope import seal
from exchange.records import Message
from exchange.records import Prompt as PromptRecord
from exchange.snapshot import write_snapshot
from exchange.store import Store
from labeling.models import (
    Announcement,
    Assignment,
    Completion,
    CompletionBatch,
    CurationStep,
    Demonstration,
    DraftRevision,
    Feedback,
    Flag,
    Import,
    Instructions,
    Post,
    ProjectSetup,
    Prompt,
    Ranking,
    Snapshot,
    Task,
    TaskCompletion,
)
from labeling.services.forms import rating_form_add
from people.models import AccessToken, Membership, Project, Role, User
from training.models import Checkpoint, PublishedSnapshot, Run


def make_world(folder):
    """The project with its rows and people; `folder` holds its artifacts and runs."""
    project = Project.objects.create(slug="alpha", name="Alpha")
    people = {"anonymous": None, "superuser": User.objects.create_superuser("root")}
    for role in Role:
        people[role.value] = User.objects.create_user(role.value)
        Membership.objects.create(user=people[role.value], project=project, role=role)
    people["stranger"] = User.objects.create_user("stranger")
    Membership.objects.create(
        user=people["stranger"], project=Project.objects.create(slug="other", name="Other"), role=Role.ENGINEER
    )
    token, _ = AccessToken.objects.create(user=people["labeler"])
    return SimpleNamespace(
        project=project,
        people=people,
        token=token,
        **labeled(project, people["labeler"]),
        **trained(project, folder),
    )


def labeled(project, labeler):
    ProjectSetup.objects.create(project=project)
    Instructions.objects.create(project=project, version=1, text="Be kind.")
    rating_form_add(project=project, fields=[{"name": "usable", "label": "Usable", "type": "flag"}])
    prompt = Prompt.objects.create(
        project=project, external_id="1", messages=[{"role": "user", "content": "Why?"}], author="a", split="train"
    )
    batch = CompletionBatch.objects.create(digest="b" * 64, project=project, manifest={})
    completions = [
        Completion.objects.create(prompt=prompt, external_id=str(n), text=f"Answer {n}", model="base", batch=batch)
        for n in range(2)
    ]
    ids = [str(completion.pk) for completion in completions]
    tasks = [Task.objects.create(project=project, prompt=prompt, kind="ranking", batch=batch) for _ in range(2)]
    for task in tasks:
        for position, completion in enumerate(completions):
            TaskCompletion.objects.create(task=task, completion=completion, position=position)
    Task.objects.filter(pk=tasks[0].pk).update(withdrawn_at=timezone.now(), taken=1)
    Task.objects.filter(pk=tasks[1].pk).update(wanted=5)
    assignment = Assignment.objects.create(
        task=tasks[0], labeler=labeler, lease_expires_at=timezone.now() + timedelta(hours=1), shown_order=ids
    )
    Demonstration.objects.create(prompt=prompt, text="Because.", provenance="imported", external_id="d")
    Ranking.objects.create(prompt=prompt, groups=[[ids[0]], [ids[1]]], provenance="imported", external_id="r")
    reviewer = User.objects.get(username="reviewer")
    offered = Task.objects.create(project=project, prompt=prompt, kind="ranking", taken=1)
    return {
        "prompt": prompt,
        "assignment": assignment,
        **said(project, labeler, prompt, ids),
        "offer": Assignment.objects.create(
            task=offered, labeler=reviewer, state="offered", lease_expires_at=timezone.now()
        ),
        "flag": Flag.objects.create(task=tasks[0], raised_by=labeler, note="Cut off."),
        "import_": Import.objects.create(project=project, format="prompts", file_name="a.jsonl", state="done"),
        "step": CurationStep.objects.create(project=project, rule="exact", state="done", finished_at=timezone.now()),
        "snapshot": Snapshot.objects.create(project=project, state="done", digest="c" * 64),
    }


def said(project, labeler, prompt, ids):
    """A ranking that was submitted, with feedback; an answer that is being written; a question; an announcement."""
    now = timezone.now()
    ranked = Task.objects.create(project=project, prompt=prompt, kind="ranking", taken=1)
    submitted = Assignment.objects.create(
        task=ranked, labeler=labeler, state="submitted", lease_expires_at=now, submitted_at=now, shown_order=ids
    )
    Ranking.objects.create(prompt=prompt, groups=[ids], provenance="human", labeler=labeler, assignment=submitted)
    Feedback.objects.create(assignment=submitted, reviewer=User.objects.get(username="reviewer"), text="Good.")
    Post.objects.create(task=ranked, author=labeler, asked_by=labeler, text="Why?")
    written = Task.objects.create(project=project, prompt=prompt, kind="demonstration", taken=1)
    writing = Assignment.objects.create(task=written, labeler=labeler, lease_expires_at=now + timedelta(hours=1))
    DraftRevision.objects.create(assignment=writing, number=1, draft={"text": "Be"})
    return {
        "submitted": submitted,
        "writing": writing,
        "announcement": Announcement.objects.create(project=project, text="Welcome."),
    }


def trained(project, folder):
    store = Store(str(folder / "artifacts"), cache=folder / "cache")
    record = PromptRecord("1", (Message("user", "Why?"),), "train")
    _, directory = write_snapshot(
        folder / "made", project=project.slug, prompts=[record], demonstrations=[], rankings=[], meta={}
    )
    published = PublishedSnapshot.objects.create(
        digest=store.put("snapshots", directory), project=project, manifest=store.manifest("snapshots", directory.name)
    )
    model = folder / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    seal(model, format="plumbline.checkpoint", version=1, meta={"kind": "sft", "name": "SFT 1", "summary": {}})
    digest = store.put("checkpoints", model)

    def run(**fields):
        return Run.objects.create(project=project, kind="sft", snapshot=published, preset="cpu", **fields)

    now = timezone.now()
    done = run(name="SFT 1", state="succeeded", started_at=now, finished_at=now)
    checkpoint = Checkpoint.objects.create(
        digest=digest, project=project, name="SFT 1", kind="policy", run=done,
        manifest=store.manifest("checkpoints", digest),
    )  # fmt: skip
    queued = run(name="SFT 2", state="queued")
    (folder / "runs" / str(queued.pk)).mkdir(parents=True)
    (folder / "runs" / str(queued.pk) / "log.txt").write_text("a line\n")
    return {"published": published, "checkpoint": checkpoint, "run": queued}
