"""The whole loop on the tiny model: `manage.py demo` against a really started platform, over HTTP and Celery.

A dozen short prompts of the repository's own sample, simulated labelers, then SFT, reward model, PPO and samples back.
"""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path

import pytest

from config.demo.client import Client
from labeling.splits import split_of
from tests.config.platform import ROOT, Platform, free_port, living, own_directory

pytestmark = [pytest.mark.loop, pytest.mark.timeout(600)]

STAGES = [
    "Import", "Snapshot", "Answers to rank", "Simulated rankings", "SFT", "Reward model", "PPO", "Samples",
    "Back to the people",
]  # fmt: skip


@pytest.fixture(scope="module")
def platform():
    with own_directory() as folder:
        found = Platform(folder / "var", free_port()).wait_until_ready()
        yield found
        if found.process.poll() is None:
            found.stop(signal.SIGTERM)
        assert living(found.var) == []


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Short prompts of the sample; four of them by authors whom the split rule holds out."""
    rows = map(json.loads, (ROOT / "sample" / "prompts.jsonl").read_text(encoding="utf-8").splitlines())
    short = [row for row in rows if len(row["messages"]) == 1 and len(row["messages"][0]["content"]) < 100]
    path = tmp_path_factory.mktemp("data") / "prompts.jsonl"
    with path.open("w", encoding="utf-8") as stream:
        authors = {"train": [], "valid": []}
        for name in map(str, range(400)):
            authors[split_of(name, project="demo", valid_percent=15, test_percent=0)].append(name)
        for number, row in enumerate(short):
            author = authors["valid" if number < 4 else "train"][number]
            stream.write(json.dumps({**row, "author": author, "demonstration": row["demonstration"][:150]}) + "\n")
    return path


@pytest.fixture(scope="module")
def demo(platform, data):
    """What the demo printed."""
    done = platform.manage("demo", str(data), "--budget", "smoke", "--exit", seconds=500)
    assert done.returncode == 0, done.stderr + platform.logs()
    return done


@pytest.fixture(scope="module")
def client(platform, demo):
    return Client(platform.site, platform.manage("token").stdout.strip())


def row(demo, name):
    return re.search(rf"^{re.escape(name)}  +(.*)$", demo.stdout, re.MULTILINE)[1]


def test_every_stage_says_when_it_is_done(demo):
    assert re.findall(r"^✓ (.*) — ", demo.stderr, re.MULTILINE) == STAGES
    for stage in [*STAGES, "total"]:
        assert re.fullmatch(r"(\d+ min )?\d+ s", row(demo, stage)), stage


def test_the_table_tells_what_was_measured(demo):
    number = r"-?\d+\.\d{3}"
    assert re.fullmatch(rf"{number} → {number}  \(n = [\d,]+ tokens\)", row(demo, "SFT validation loss"))
    assert re.match(r"\d+\.\d%  95 % interval \d+\.\d% to \d+\.\d%", row(demo, "RM pair accuracy"))
    assert re.match(rf"{number} → {number}", row(demo, "PPO reward"))
    assert re.fullmatch(rf"0\.000 → {number}", row(demo, "PPO KL, nats an answer"))
    assert demo.stdout.count("Held-out prompt ") == 3
    assert "given by simulated labelers" in demo.stdout


def test_the_runs_left_checkpoints_in_the_store_with_their_parents(demo, client, platform):
    checkpoints = {row["name"]: row for row in client.all("checkpoints/")}
    assert sorted(row["kind"] for row in checkpoints.values()) == ["policy", "policy", "reward"]
    for row in checkpoints.values():
        folder = platform.var / "artifacts" / "checkpoints" / row["digest"]
        assert {"manifest.json", "config.json", "model.safetensors"} <= {path.name for path in folder.iterdir()}
    ppo = next(row for name, row in checkpoints.items() if name.startswith("PPO"))
    manifest = json.loads((platform.var / "artifacts" / "checkpoints" / ppo["digest"] / "manifest.json").read_text())
    sft, reward = (next(r for n, r in checkpoints.items() if n.startswith(kind)) for kind in ("SFT", "Reward"))
    assert manifest["meta"]["parents"]["policy"] == sft["digest"]
    assert manifest["meta"]["parents"]["reward"] == reward["digest"]


def test_the_answers_came_back_as_ranking_tasks(demo, client):
    overview = client.get("projects/demo/overview/")
    assert overview["tasks_open"]["ranking"] > 0
    assert set(overview["rankings"]) == {"simulated"}
    newest = client.get("projects/demo/completion-batches/")[0]
    assert newest["error"] == ""
    assert newest["tasks_opened"] == overview["tasks_open"]["ranking"]


def test_a_person_can_rank_what_came_back(demo, platform):
    name, password = re.search(r"^sign in as  +(\S+), password (\S+)$", demo.stdout, re.MULTILINE).groups()
    labeler = Client.sign_in(platform.site, name, password)
    assignment = labeler.post("projects/demo/assignments/next/", {"kind": "ranking"})
    ids = [completion["id"] for completion in assignment["task"]["completions"]]
    body = {"groups": [[i] for i in ids]}
    label = labeler.post(f"assignments/{assignment['id']}/submit/", body, key="k1")
    assert label["provenance"] == "human"
    assert labeler.post(f"assignments/{assignment['id']}/submit/", body, key="k1")["id"] == label["id"]


def test_simulated_labelers_are_marked(demo, client):
    members = {row["username"]: row["is_simulated"] for row in client.all("projects/demo/members/")}
    assert sum(members.values()) == 3
    assert all("simulated" in name for name, marked in members.items() if marked)


def test_a_second_demo_is_a_project_of_its_own_and_a_failed_stage_says_so(demo, platform, client, tmp_path):
    lonely = tmp_path / "one.jsonl"
    lonely.write_text('{"prompt": "Why?"}\n')
    failed = platform.manage("demo", str(lonely), "--budget", "smoke", "--exit", seconds=200)
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    assert re.search(r"CommandError: Stage '.+' failed: .+\nLog: /.+", failed.stderr)
    assert {"demo", "demo-2"} <= {project["slug"] for project in client.all("projects/")}


def test_no_such_file_is_one_sentence(platform):
    refused = platform.manage("demo", "/none.jsonl")
    assert refused.returncode == 1
    assert refused.stderr.strip() == f"CommandError: There is no file {Path('/none.jsonl').resolve()}."


# Iterations of a moment: the one that is under way ends, and its state is saved, within the time to stop.
SHORT = {"rollout_batch": 8, "minibatch": 8, "response_length": 8}


def test_stopping_in_the_middle_of_a_run_leaves_no_process_and_a_saved_state_to_go_on_from(demo, platform, client):
    first = client.all("training/snapshots/", project="demo")[0]
    sft, reward = (
        next(row["digest"] for row in client.all("checkpoints/") if row["name"].startswith(kind))
        for kind in ("SFT", "Reward")
    )
    asked = {"project": "demo", "kind": "ppo", "preset": "cpu", "snapshot": first["digest"], "policy": sft}
    run = client.post("runs/", {**asked, "reward": reward, "settings": {**SHORT, "episodes": 1_000_000}})
    deadline = time.monotonic() + 120
    while client.get(f"runs/{run['id']}/")["phase"] != "train":
        assert time.monotonic() < deadline, platform.logs()
        time.sleep(0.2)
    assert any("training.engine.ppo" in line for line in living(platform.var))

    seconds = platform.stop(signal.SIGINT)
    assert seconds < 10
    assert platform.process.returncode == 0
    assert living(platform.var) == []
    assert list((platform.var / "runs" / str(run["id"]) / "state").glob("step-*"))

    again = Platform(platform.var, platform.port).wait_until_ready()
    try:
        assert client.get(f"runs/{run['id']}/")["state"] in ("queued", "running")
    finally:
        again.stop(signal.SIGTERM)
