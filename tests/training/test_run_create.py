"""What a run is made of, and each reason for which one is refused."""

import threading

import pytest
from django.db import connection

from exchange.snapshot import write_snapshot
from people.models import Project
from people.refusals import Conflict, Refused
from tests.training.conftest import DIGEST, write_small_snapshot
from training.models import Run
from training.services.runs import run_create
from training.services.snapshots import snapshots_poll

pytestmark = pytest.mark.django_db


@pytest.fixture
def create(project, snapshot):
    def make(kind="sft", **given):
        given = {"project": project, "snapshot": snapshot.digest, **given}
        return run_create(requested_by=None, kind=kind, **given)[0]

    return make


@pytest.fixture
def models(make_checkpoint):
    """A policy with digest 1 and a reward model with digest 2."""
    return make_checkpoint("Writer", number=1), make_checkpoint("Judge", kind="reward", number=2)


def test_names_are_given_by_kind_and_number(create, models):
    ppo = {"policy": DIGEST(1), "reward": DIGEST(2)}
    runs = [create("sft"), create("reward"), create("dpo"), create("ppo", **ppo), create("sample", models=["base"])]
    assert [run.name for run in runs] == [
        f"SFT {runs[0].pk}", f"Reward {runs[1].pk}", f"DPO {runs[2].pk}", f"PPO {runs[3].pk}",
        f"Sample {runs[4].pk}",
    ]  # fmt: skip


def test_a_name_has_no_invisible_characters(create):
    with pytest.raises(Refused, match=r"^A run's name is one line without invisible characters\.$"):
        create("sft", name="turned \u202e around")


def test_the_settings_are_the_presets_with_what_was_changed(create):
    run = create(preset="small", settings={"epochs": "2"})  # text, as a form or a command gives it
    assert (run.preset, run.settings["epochs"], run.settings["learning_rate"]) == ("small", 2, 2e-5)
    assert run.settings["batch_size"] == 32  # the paper's, which the preset keeps


def test_models_are_found_by_digest_by_its_start_and_by_name(create, models, make_checkpoint):
    make_checkpoint("Long", number=0xABCDEF12 << 224)
    assert create(policy=DIGEST(1)).policy.name == "Writer"
    assert create(policy="abcdef12").policy.name == "Long"
    assert create(policy="Writer").policy.name == "Writer"


def test_a_run_that_a_rule_judges_has_no_reward_model(create, models):
    run = create("ppo", policy=DIGEST(1), settings={"reward": "rule"})
    assert (run.settings["reward"], run.reward) == ("rule", None)
    with pytest.raises(Refused, match="A rule judges this run, so it takes no reward model"):
        create("ppo", policy=DIGEST(1), reward=DIGEST(2), settings={"reward": "rule"})


def test_a_sample_run_asks_each_model_once(create, models):
    run = create("sample", models=["base", DIGEST(1), "Writer", "base"])
    assert (run.sample_base, [model.name for model in run.sampled.all()]) == (True, ["Writer"])
    run = create("sample", models=["Writer"])
    assert run.sample_base is False


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"kind": "grpo"}, "There is no kind of run 'grpo'; there are sft, reward, dpo, ppo, sample."),
        ({"preset": "huge"}, "There is no preset 'huge'; there are paper, small, cpu."),
        ({"settings": {"epochs": 0}}, "epochs must be between 1 and 1,000, not 0."),
        ({"settings": {"epoch": 2}}, "sft has no setting 'epoch'; the nearest is 'epochs'."),
        ({"snapshot": ""}, "SFT needs a snapshot."),
        ({"snapshot": DIGEST(9)}, "Demo has no snapshot '000000000000'."),
        ({"snapshot": "../../etc/passwd"}, "Demo has no snapshot '../../etc/pa'."),
        ({"policy": DIGEST(9)}, f"Demo has no model '{DIGEST(9)[:60]}'."),
        ({"policy": "Judge"}, "Judge is a reward model, not a policy."),
        ({"reward": "Judge"}, "SFT takes no reward model."),
        ({"models": ["base"]}, "SFT asks no models to answer; only Sample does."),
        ({"kind": "ppo", "reward": "Judge"}, "PPO needs a policy to start from."),
        ({"kind": "ppo", "policy": "Writer"}, "PPO needs a reward model."),
        ({"kind": "ppo", "policy": "Writer", "reward": "Writer"}, "Writer is a policy, not a reward model."),
        ({"kind": "sample"}, "Sample needs at least one model to ask."),
        ({"kind": "sample", "models": ["Judge"]}, "Judge is a reward model, not a policy."),
        (
            {"kind": "sample", "models": ["base"], "policy": "Writer"},
            "Sample takes the models to ask, not a policy to start from.",
        ),
        (
            {"kind": "sample", "models": ["base"], "settings": {"prompts_split": "test"}},
            "{snapshot} holds no test prompts, which Sample needs.",
        ),
        ({"name": "Writer"}, "Demo has a run named 'Writer' already."),
        (
            {"name": "sft 12"},
            "Names like 'sft 12' are given by the platform; choose another or leave it empty.",
        ),
        ({"name": "x" * 121}, "A run's name has at most 120 characters, not 121."),
    ],
)
def test_each_refusal_is_one_sentence_and_leaves_nothing(create, models, snapshot, given, sentence):
    before = Run.objects.count()
    with pytest.raises(Refused) as refusal:
        create(**given)
    assert str(refusal.value) == sentence.format(snapshot=snapshot)
    assert Run.objects.count() == before


def test_a_snapshot_without_rankings_makes_no_reward_model(create, project, store, tmp_path):
    digest, directory = write_small_snapshot(tmp_path / "bare", rankings=False)
    store.put("snapshots", directory)
    snapshots_poll()
    with pytest.raises(Refused, match=r"^Snapshot \w{12} holds no training rankings, which Reward needs\.$"):
        create("reward", snapshot=digest)
    with pytest.raises(Refused, match=r"holds no training rankings, which DPO needs\.$"):
        create("dpo", snapshot=digest)
    assert create("sft", snapshot=digest).pk


def test_an_empty_snapshot_is_of_no_use(create, store, tmp_path):
    digest, directory = write_snapshot(
        tmp_path / "empty", project="demo", prompts=[], demonstrations=[], rankings=[], meta={}
    )
    store.put("snapshots", directory)
    snapshots_poll()
    with pytest.raises(Refused, match="holds no validation or test prompts, which Sample needs"):
        create("sample", snapshot=digest, models=["base"])


def test_another_projects_models_and_snapshots_are_unknown_here(create, models, snapshot):
    other = Project.objects.create(slug="other", name="Other")
    with pytest.raises(Refused, match=f"^Other has no snapshot '{snapshot.digest[:12]}'.$"):
        create(project=other)
    models[0].project = other
    models[0].save()
    with pytest.raises(Refused, match=r"^Demo has no model 'Writer'\.$"):
        create(policy="Writer")


def test_a_base_model_that_is_no_folder_is_refused(create, models, settings, tmp_path):
    settings.BASE_MODEL = str(tmp_path / "nowhere")
    for given in ({}, {"kind": "sample", "models": ["base", "Writer"]}):
        with pytest.raises(Refused) as refusal:
            create(**given)
        assert str(refusal.value) == f"The base model's folder {tmp_path}/nowhere does not exist."
    assert create(policy="Writer").pk  # does not need it
    (tmp_path / "nowhere").mkdir()
    assert create().pk


def test_the_same_request_twice_starts_one_run(create, project):
    first = create(key="k1")
    assert create("sft", key="k1") == first
    with pytest.raises(Conflict) as refusal:
        create("sft", key="k1", settings={"epochs": 2})
    assert str(refusal.value) == (
        f"{first} was started by this request before, with other values; send it again, under a new key, to start "
        "another run."
    )
    assert create(key="k2") != first
    assert create() != create()  # without a key every request is one of its own
    other = Project.objects.create(slug="other", name="Other")
    with pytest.raises(Refused):  # another project's key is another key
        create(key="k1", project=other)


@pytest.mark.django_db(transaction=True)
def test_a_double_click_starts_one_run(create):
    started, barrier = [], threading.Barrier(4)

    def start():
        barrier.wait()
        started.append(create(key="click").pk)
        connection.close()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(started) == 4
    assert len(set(started)) == 1
    assert Run.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_runs_of_one_name_at_the_same_moment_one_is_refused(create):
    said, barrier = [], threading.Barrier(2)

    def start():
        barrier.wait()
        try:
            said.append(create(name="Twin").name)
        except Refused as refusal:
            said.append(str(refusal))
        connection.close()

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == ["Demo has a run named 'Twin' already.", "Twin"]
