"""Snapshots: what is frozen, that it is the same each time, and that a failure publishes nothing."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.utils import timezone

from exchange.envelope import read_manifest
from exchange.records import Demonstration as DemonstrationRecord
from exchange.records import Prompt as PromptRecord
from exchange.records import RankingGroup
from exchange.snapshot import read_snapshot
from exchange.store import Store
from labeling.models import (
    Assignment,
    Completion,
    CurationStep,
    Demonstration,
    Import,
    Prompt,
    Ranking,
    Snapshot,
    Task,
)
from labeling.pseudonyms import pseudonym
from labeling.services.jobs import jobs_requeue
from labeling.services.snapshots import snapshot_create, snapshot_execute
from people.models import Cohort, Membership, Project, Role, User
from people.refusals import Refused

# A snapshot reads at one moment, in a transaction of its own.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(str(tmp_path / "store"), cache=tmp_path / "cache")


@pytest.fixture
def project() -> Project:
    return Project.objects.create(slug="demo", name="Demo")


def make_prompt(project: Project, name: str, split: str = "train") -> Prompt:
    messages = [{"role": "user", "content": f"Question {name}?"}]
    return Prompt.objects.create(
        project=project, external_id=name, messages=messages, author=name, split=split, category="open_qa"
    )


def make_labeler(project: Project, name: str, cohort: str = Cohort.TRAINING) -> User:
    user = User.objects.create_user(name)
    Membership.objects.create(user=user, project=project, role=Role.LABELER, cohort=cohort)
    return user


def make_ranking(prompt: Prompt, groups: list[list[str]], labeler: User | None = None, **values) -> Ranking:
    made = {
        text: str(Completion.objects.create(prompt=prompt, external_id=text, text=text, model=f"model-{text}").pk)
        for group in groups
        for text in group
    }
    values = {"provenance": "human"} | values
    return Ranking.objects.create(
        prompt=prompt, labeler=labeler, groups=[[made[text] for text in group] for group in groups], **values
    )


def freeze(project: Project, store: Store) -> Snapshot:
    snapshot = snapshot_create(project=project, user=None)
    assert snapshot_execute(snapshot_id=snapshot.pk, store=store)
    snapshot.refresh_from_db()
    return snapshot


def test_everything_is_in_it(project, store, settings):
    ana = make_labeler(project, "ana")
    first, second = make_prompt(project, "one"), make_prompt(project, "two", "valid")
    Demonstration.objects.create(
        prompt=first, text="An answer.", labeler=ana, provenance="human", instructions_version=2
    )
    Demonstration.objects.create(prompt=second, text="Theirs.", provenance="imported", source_labeler="x")
    make_ranking(second, [["b"], ["a", "c"], ["d"]], provenance="simulated")
    snapshot = freeze(project, store)
    assert (snapshot.state, snapshot.error) == ("done", "")
    assert snapshot.counts == {
        "prompts": {"train": 1, "valid": 1},
        "demonstrations": {"train": 1, "valid": 1},
        "rankings": {"valid": 1},
    }
    directory = store.fetch("snapshots", snapshot.digest)
    meta = read_manifest(directory)["meta"]
    assert meta["project"] == "demo"
    assert meta["counts"] == snapshot.counts
    assert meta["provenance"] == {"demonstrations": {"human": 1, "imported": 1}, "rankings": {"simulated": 1}}
    assert set(meta["left_out"].values()) == {0}

    prompts = list(read_snapshot(directory, PromptRecord))
    assert [p.id for p in prompts] == sorted([str(first.pk), str(second.pk)])
    human, imported = sorted(read_snapshot(directory, DemonstrationRecord), key=lambda d: d.provenance)
    assert (human.completion, human.instructions_version, human.weight) == ("An answer.", 2, 1.0)
    assert human.messages[0].content == "Question one?"
    assert human.labeler == pseudonym(f"user:{ana.pk}", key=settings.PSEUDONYM_KEY, project="demo")
    assert len(human.labeler) == 16
    assert imported.labeler not in ("", "x", human.labeler)
    (group,) = read_snapshot(directory, RankingGroup)
    assert (group.split, group.provenance, group.labeler, group.category) == ("valid", "simulated", "", "open_qa")
    assert {c.text: rank for c, rank in zip(group.completions, group.ranks, strict=True)} == {
        "b": 0,
        "a": 1,
        "c": 1,
        "d": 2,
    }
    assert [c.id for c in group.completions] == sorted(c.id for c in group.completions)
    assert {c.text: c.model for c in group.completions}["a"] == "model-a"


def test_no_name_of_a_labeler_leaves_the_house(project, store):
    ana = make_labeler(project, "ana-with-a-rare-name")
    Demonstration.objects.create(prompt=make_prompt(project, "one"), text="x", labeler=ana, provenance="human")
    directory = store.fetch("snapshots", freeze(project, store).digest)
    for path in directory.iterdir():
        assert "ana-with" not in path.read_text()


def test_the_same_data_gives_the_same_digest_and_other_data_another(project, store):
    prompt = make_prompt(project, "one")
    make_ranking(prompt, [["a"], ["b"]])
    first, second = freeze(project, store), freeze(project, store)
    assert first.digest == second.digest
    assert first.pk != second.pk
    assert store.list("snapshots") == [first.digest]
    Demonstration.objects.create(prompt=prompt, text="New.", provenance="human")
    third = freeze(project, store)
    assert third.digest != first.digest
    assert store.list("snapshots") == sorted([first.digest, third.digest])


def test_other_projects_stay_out(project, store):
    other = Project.objects.create(slug="other", name="Other")
    make_ranking(make_prompt(other, "theirs"), [["a"], ["b"]])
    make_prompt(project, "ours")
    snapshot = freeze(project, store)
    assert snapshot.counts == {"prompts": {"train": 1}, "demonstrations": {}, "rankings": {}}


def test_prompts_out_of_use_stay_out_with_their_labels(project, store):
    kept, dropped = make_prompt(project, "kept"), make_prompt(project, "dropped")
    for prompt in (kept, dropped):
        make_ranking(prompt, [["a"], ["b"]])
        Demonstration.objects.create(prompt=prompt, text="d", provenance="human")
    step = CurationStep.objects.create(project=project, rule="length", state="done")
    Prompt.objects.filter(pk=dropped.pk).update(dropped_by=step)
    snapshot = freeze(project, store)
    assert snapshot.counts == {"prompts": {"train": 1}, "demonstrations": {"train": 1}, "rankings": {"train": 1}}
    directory = store.fetch("snapshots", snapshot.digest)
    assert [prompt.id for prompt in read_snapshot(directory, PromptRecord)] == [str(kept.pk)]
    assert read_manifest(directory)["meta"]["left_out"]["prompts_out_of_use"] == 1


def test_held_out_labelers_are_not_learned_from(project, store):
    held_out, ana = make_labeler(project, "held", Cohort.HELD_OUT), make_labeler(project, "ana")
    train, valid = make_prompt(project, "one"), make_prompt(project, "two", "valid")
    for prompt in (train, valid):
        for user in (held_out, ana, None):
            Demonstration.objects.create(prompt=prompt, text=f"by {user}", labeler=user, provenance="human")
    make_ranking(train, [["a"], ["b"]], held_out)
    snapshot = freeze(project, store)
    directory = store.fetch("snapshots", snapshot.digest)
    texts = [(d.split, d.completion) for d in read_snapshot(directory, DemonstrationRecord)]
    assert sorted(texts) == [
        ("train", "by None"),
        ("train", "by ana"),
        ("valid", "by None"),
        ("valid", "by ana"),
        ("valid", "by held"),
    ]
    assert list(read_snapshot(directory, RankingGroup)) == []
    assert read_manifest(directory)["meta"]["left_out"] == {
        "prompts_out_of_use": 0,
        "demonstrations_of_held_out_labelers_in_training_split": 1,
        "rankings_of_held_out_labelers_in_training_split": 1,
    }


def test_labels_of_the_held_out_lane_stay_out_when_the_person_is_held_out_no_more(project, store):
    held_out = make_labeler(project, "held", Cohort.HELD_OUT)
    ranking = make_ranking(make_prompt(project, "one"), [["a"], ["b"]], held_out)
    task = Task.objects.create(project=project, prompt=ranking.prompt, kind="ranking", lane="held_out:de")
    Ranking.objects.update(
        assignment=Assignment.objects.create(task=task, labeler=held_out, lease_expires_at=timezone.now())
    )
    Membership.objects.filter(user=held_out).delete()
    directory = store.fetch("snapshots", freeze(project, store).digest)
    assert list(read_snapshot(directory, RankingGroup)) == []


def test_strengths_cohort_and_all_bad_are_in_it(project, store):
    held_out, ana = make_labeler(project, "held", Cohort.HELD_OUT), make_labeler(project, "ana")
    prompt = make_prompt(project, "one", "valid")
    make_ranking(prompt, [["a"], ["b", "c"], ["d"]], ana, strengths=[3, 1])
    make_ranking(prompt, [["e", "f"]], held_out, all_bad=True)
    make_ranking(prompt, [["g"], ["h"]], provenance="imported", source_labeler="x")
    directory = store.fetch("snapshots", freeze(project, store).digest)
    found = {
        tuple(sorted(c.text for c in group.completions)): (group.strengths, group.cohort, group.all_bad)
        for group in read_snapshot(directory, RankingGroup)
    }
    assert found == {
        ("a", "b", "c", "d"): ((3, 1), "training", False),
        ("e", "f"): ((), "held_out", True),
        ("g", "h"): ((), "", False),
    }


def test_how_far_people_agree_is_in_it(project, store):
    """Ana and Ben order one of three pairs alike; a second ranking of Ana's and prompts of one person say nothing."""
    ana, ben = make_labeler(project, "ana"), make_labeler(project, "ben")
    both, alone = make_prompt(project, "one"), make_prompt(project, "two", "valid")
    first = make_ranking(both, [["a"], ["b"], ["c"]], ana)
    a, b, c = (group[0] for group in first.groups)
    Ranking.objects.create(prompt=both, labeler=ben, groups=[[b], [c], [a]], provenance="human")
    make_ranking(alone, [["d"], ["e"]], ana)
    make_ranking(alone, [["f"], ["g"]], ana)
    make_ranking(alone, [["h"], ["i"]])
    meta = read_manifest(store.fetch("snapshots", freeze(project, store).digest))["meta"]
    assert meta["agreement"] == {
        "share": pytest.approx(1 / 3),
        "pairs": 3,
        "prompts": 1,
        "low": None,
        "high": None,
        "rule": "two labelers' rankings of the same prompt; pairs that either tied left out",
        "interval_rule": "95 %, normal, prompts as clusters",
    }


def test_agreement_is_of_people_where_two_can_be_compared_else_of_simulated_labelers_which_is_said(project, store):
    """Two simulated labelers agree on the one pair; then two people, who do not, are what counts."""
    prompt, (ana, ben) = make_prompt(project, "one"), (make_labeler(project, name) for name in ("ana", "ben"))
    first = make_ranking(prompt, [["a"], ["b"]], ana, provenance="simulated")
    Ranking.objects.create(prompt=prompt, labeler=ben, groups=first.groups, provenance="simulated")

    def agreement():
        return read_manifest(store.fetch("snapshots", freeze(project, store).digest))["meta"]["agreement"]

    assert (agreement()["share"], agreement()["simulated"]) == (1.0, True)
    other = make_prompt(project, "two", "valid")
    mine = make_ranking(other, [["c"], ["d"]], ana)
    Ranking.objects.create(prompt=other, labeler=ben, groups=mine.groups[::-1], provenance="human")
    assert agreement()["share"] == 0.0
    assert "simulated" not in agreement()


def test_nothing_to_freeze_is_refused(project):
    with pytest.raises(
        Refused, match=r"^Demo has no prompts yet, so there is nothing to freeze; import some first\.$"
    ):
        snapshot_create(project=project, user=None)
    assert not Snapshot.objects.exists()


def test_a_ranking_whose_completion_is_gone_fails_and_publishes_nothing(project, store, settings, tmp_path):
    settings.ARTIFACTS_CACHE = tmp_path / "building"
    ranking = make_ranking(make_prompt(project, "one"), [["a"], ["b"]])
    Completion.objects.get(text="a").delete()
    snapshot = freeze(project, store)
    assert (snapshot.state, snapshot.digest) == ("failed", "")
    assert snapshot.error.startswith(f"Ranking {ranking.pk} names the completion ")
    assert store.list("snapshots") == []
    assert list(Path(settings.ARTIFACTS_CACHE).iterdir()) == []


def test_a_store_that_cannot_be_written_fails_with_a_sentence(project, store, tmp_path):
    make_prompt(project, "one")
    (tmp_path / "store").write_text("a file where the folder should be")
    snapshot = freeze(project, store)
    assert snapshot.state == "failed"
    assert snapshot.error.startswith("The snapshot could not be written: ")


def test_a_second_delivery_is_harmless(project, store):
    make_prompt(project, "one")
    snapshot = freeze(project, store)
    make_prompt(project, "two")
    assert snapshot_execute(snapshot_id=snapshot.pk, store=store) is False
    snapshot.refresh_from_db()
    assert snapshot.counts["prompts"] == {"train": 1}


def test_two_deliveries_at_once_run_it_once(project, store):
    make_prompt(project, "one")
    snapshot = snapshot_create(project=project, user=None)
    start, ran = threading.Barrier(4), []

    def deliver() -> None:
        start.wait()
        ran.append(snapshot_execute(snapshot_id=snapshot.pk, store=store))
        connection.close()

    threads = [threading.Thread(target=deliver) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ran) == [False, False, False, True]


def test_labels_that_come_while_it_runs_are_not_half_in(project, store, monkeypatch):
    """A label given between the reading of prompts and of demonstrations belongs to the next snapshot."""
    make_prompt(project, "one")
    from labeling.services import snapshots

    real = snapshots.frozen_demonstrations

    def meanwhile(project: Project, hidden):
        def add() -> None:
            late = make_prompt(project, "late")
            Demonstration.objects.create(prompt=late, text="late", provenance="human")
            connection.close()

        thread = threading.Thread(target=add)
        thread.start()
        thread.join()
        return real(project, hidden)

    monkeypatch.setattr(snapshots, "frozen_demonstrations", meanwhile)
    snapshot = freeze(project, store)
    assert snapshot.counts == {"prompts": {"train": 1}, "demonstrations": {}, "rankings": {}}
    assert Prompt.objects.count() == 2


def test_a_lost_worker_is_noticed_by_its_lock_not_by_the_clock(project):
    make_prompt(project, "one")
    long_ago = timezone.now() - timedelta(hours=1)
    lost, at_work, spent = (snapshot_create(project=project, user=None) for _ in range(3))
    Snapshot.objects.filter(pk__in=[lost.pk, at_work.pk]).update(state="running", started_at=long_ago, attempts=1)
    Snapshot.objects.filter(pk=spent.pk).update(state="running", started_at=long_ago, attempts=3)
    locked, done = threading.Event(), threading.Event()

    def work() -> None:
        with transaction.atomic():
            Snapshot.objects.select_for_update().get(pk=at_work.pk)
            locked.set()
            done.wait(20)
        connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        assert locked.wait(20)
        assert jobs_requeue(Snapshot) == []  # queued again, but young: its message is sent by the next sweep
        states = dict(Snapshot.objects.values_list("pk", "state"))
    finally:
        done.set()
        worker.join()
    assert states == {lost.pk: "queued", at_work.pk: "running", spent.pk: "failed"}
    assert "lost 3 times" in Snapshot.objects.get(pk=spent.pk).error


def test_a_queued_row_whose_message_was_lost_is_delivered_again(project):
    make_prompt(project, "one")
    old, young = (snapshot_create(project=project, user=None) for _ in range(2))
    Snapshot.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(minutes=1))
    assert jobs_requeue(Snapshot) == [old.pk]
    assert jobs_requeue(Import) == []
    assert Snapshot.objects.get(pk=young.pk).state == "queued"


def test_pseudonyms_differ_by_person_project_and_key():
    values = {
        pseudonym(person, key=key, project=project) for person in "ab" for key in ("k", "l") for project in ("p", "q")
    }
    assert len(values) == 8


def test_the_oasst_sample_frozen_whole(store):
    data = Path(__file__).resolve().parents[2] / "../shared/data/oasst_sample/en_100_tree.jsonl"
    if not data.exists():
        pytest.skip("the OASST sample is not on this machine")
    from tests.labeling.imported import run_import

    project = Project.objects.create(slug="oasst", name="OASST")
    run_import(project, data.read_bytes(), format="oasst")
    snapshot = freeze(project, store)
    assert snapshot.error == ""
    assert sum(snapshot.counts["demonstrations"].values()) == 670
    assert sum(snapshot.counts["rankings"].values()) == 211
    directory = store.fetch("snapshots", snapshot.digest)
    sizes = [len(json.loads(line)["ranks"]) for line in (directory / "rankings.jsonl").read_text().splitlines()]
    assert {k: sizes.count(k) for k in set(sizes)} == {2: 57, 3: 116, 4: 27, 5: 3, 6: 6, 8: 1, 9: 1}
