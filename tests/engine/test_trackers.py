"""Figures for TensorBoard and its like: what is written, what is refused, and that a tracker never costs a run."""

import os

import pytest
from tensorboardX.proto.event_pb2 import Event

from training.engine import trackers
from training.engine.errors import RunError


def events(folder):
    """(tag, step, value) of every scalar in the event files below, read by the format's own framing."""
    found = []
    for path in sorted(folder.rglob("events.out.tfevents.*")):
        raw, place = path.read_bytes(), 0
        while place < len(raw):
            length = int.from_bytes(raw[place : place + 8], "little")
            event = Event.FromString(raw[place + 12 : place + 12 + length])
            found += [(value.tag, event.step, value.simple_value) for value in event.summary.value]
            place += 12 + length + 4
    return found


def test_a_run_writes_tensorboard_files_on_its_first_rank(make_snapshot, run_script, monkeypatch):
    monkeypatch.setenv("TRACKERS", "tensorboard")
    monkeypatch.setenv("LOCAL_RANK", "0")  # as torchrun sets it: accelerate must not make a process group of it
    ran = run_script("sft", make_snapshot(), {"batch_size": 5})
    assert ran.code == 0, ran.result
    written = events(ran.directory / "tensorboard")
    losses = [(step, value) for tag, step, value in written if tag == "loss"]
    assert losses == [(line["step"], pytest.approx(line["values"]["loss"])) for line in ran.of("metrics")]
    validation = [(step, value) for tag, step, value in written if tag == "eval/loss"]
    assert validation == [(line["step"], pytest.approx(line["values"]["loss"])) for line in ran.of("eval")]
    assert {"memory_gib", "seconds_gradients", "seconds_update"} <= {tag for tag, _, _ in written}
    assert os.environ["LOCAL_RANK"] == "0"


def test_without_the_variable_there_is_none(make_snapshot, run_script, monkeypatch):
    monkeypatch.delenv("TRACKERS", raising=False)
    ran = run_script("sft", make_snapshot())
    assert not (ran.directory / "tensorboard").exists()


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ("tensorbord", "TRACKERS names the tracker 'tensorbord'; known are tensorboard, wandb, mlflow, trackio."),
        ("wandb", "TRACKERS names the tracker wandb, which is not installed: run `pip install wandb`."),
    ],
)
def test_a_tracker_that_cannot_be_is_refused_before_anything_starts(
    make_snapshot, run_script, monkeypatch, named, sentence
):
    monkeypatch.setattr(trackers, "get_available_trackers", lambda: ["tensorboard"])
    monkeypatch.setenv("TRACKERS", f"tensorboard, {named}")
    assert run_script("sft", make_snapshot()).refusal == sentence


def test_a_tracker_that_fails_is_told_of_once_and_the_others_go_on(monkeypatch, tmp_path):
    class Broken:
        name = "wandb"

        def __init__(self, **given):
            assert given == {"run_name": "plumbline", "name": "SFT 1"}

        def start(self):
            pass

        def log(self, values, step):
            raise ConnectionError("no route to host.\nmore")

    monkeypatch.setitem(trackers.LOGGER_TYPE_TO_CLASS, "wandb", Broken)
    told = []
    both = trackers.Trackers(["wandb", "tensorboard"], "SFT 1", tmp_path, told.append)
    both.log(1, {"loss": 2.0})
    both.log(2, {"loss": 1.0})
    both.finish()
    assert told == ["The tracker wandb failed and is left alone: no route to host."]
    assert events(tmp_path) == [("loss", 1, 2.0), ("loss", 2, 1.0)]


def test_names_are_read_once_each_whatever_their_case(monkeypatch):
    monkeypatch.setattr(trackers, "get_available_trackers", lambda: ["tensorboard", "wandb"])
    assert trackers.wanted({"TRACKERS": " WandB,tensorboard,, wandb"}) == ["wandb", "tensorboard"]
    assert trackers.wanted({}) == []
    with pytest.raises(RunError):
        trackers.wanted({"TRACKERS": "all"})
