"""metrics.jsonl: one JSON object a line, readable while it is written, never a NaN."""

import json
import math

from training.engine import reporter
from training.engine.reporter import Reporter


def lines(path):
    return [json.loads(line, parse_constant=lambda name: 1 / 0) for line in path.read_text().splitlines()]


def test_each_kind_of_line(tmp_path):
    path = tmp_path / "metrics.jsonl"
    report = Reporter(path)
    report.metrics(3, loss=1.5, lr=1e-5)
    report.eval(0, loss=math.nan)
    report.sample(4, prompt="Grüße", completion="a\nb", reward=0.3)
    report.note("Left out: 3.")
    written = lines(path)
    assert all(line.pop("t") > 1.7e9 for line in written)
    assert written == [
        {"type": "metrics", "step": 3, "values": {"loss": 1.5, "lr": 1e-5}, "machine": {}},
        {"type": "eval", "step": 0, "values": {"loss": None}},
        {"type": "sample", "step": 4, "values": {"prompt": "Grüße", "completion": "a\nb", "reward": 0.3}},
        {"type": "note", "text": "Left out: 3."},
    ]


def test_progress_is_thinned_but_begins_and_ends(tmp_path):
    path = tmp_path / "metrics.jsonl"
    report = Reporter(path)
    for done in range(1001):
        report.progress("train", done, 1000)
    report.progress("save", 0, None)
    written = [(line["phase"], line["done"], line["total"]) for line in lines(path)]
    assert written[0] == ("train", 0, 1000)
    assert written[-2:] == [("train", 1000, 1000), ("save", 0, None)]
    assert len(written) < 20


def test_other_ranks_are_silent(tmp_path, capsys):
    report = Reporter(None)
    report.metrics(1, loss=2.0)
    report.note("quiet")
    report.progress("train", 1, 2)
    assert capsys.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_steps_laps_and_the_machines_figures_stand_beside_its_own(tmp_path, monkeypatch):
    times = iter([10.0, 11.5, 11.75, 12.0, 20.0, 21.0, 21.5, 22.0])
    monkeypatch.setattr(reporter.time, "monotonic", lambda: next(times))
    report = Reporter(tmp_path / "metrics.jsonl", lambda: {"memory_gib": 0.5})
    report.lap("gradients")  # 11.5
    report.lap("update")  # 11.75
    report.metrics(1, loss=2.0)  # 12
    report.lap("save")  # 20
    report.lap("gradients")  # 21
    report.lap("update")  # 21.5
    report.metrics(2, loss=1.0)
    machines = [line["machine"] for line in lines(tmp_path / "metrics.jsonl")]
    assert machines == [
        {"seconds_gradients": 1.5, "seconds_update": 0.25, "memory_gib": 0.5},
        {"seconds_save": 8.0, "seconds_gradients": 1.0, "seconds_update": 0.5, "memory_gib": 0.5},
    ]


def test_a_new_phase_begins_a_new_lap(tmp_path):
    report = Reporter(tmp_path / "metrics.jsonl")
    report.lap("load")
    report.progress("train", 0, 1)
    report.lap("gradients")
    report.metrics(1, loss=2.0)
    assert list(lines(tmp_path / "metrics.jsonl")[1]["machine"]) == ["seconds_gradients"]


def test_trackers_get_finite_numbers_with_those_of_evaluations_apart(tmp_path):
    class Kept(list):
        def log(self, step, values):
            self.append((step, values))

    report = Reporter(tmp_path / "metrics.jsonl", lambda: {"memory_gib": 0.5})
    report.trackers = Kept()
    report.metrics(1, loss=math.nan, lr=0.5)
    report.eval(1, loss=2.0)
    assert report.trackers == [(1, {"lr": 0.5, "memory_gib": 0.5}), (1, {"eval/loss": 2.0})]


def test_going_on_puts_a_shorter_file_in_the_others_place(tmp_path):
    path = tmp_path / "metrics.jsonl"
    report = Reporter(path)
    report.note("first")
    size, before = report.size(), path.stat().st_ino
    report.note("second")
    report.resumed(3, size)
    report.note("third")
    assert path.stat().st_ino != before
    assert [line.get("text") or (line["type"], line["step"]) for line in lines(path)] == [
        "first", ("resumed", 3), "third",
    ]  # fmt: skip
    assert report.size() == path.stat().st_size
