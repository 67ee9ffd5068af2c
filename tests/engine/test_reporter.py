"""metrics.jsonl: one JSON object a line, readable while it is written, never a NaN."""

import json
import math

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
        {"type": "metrics", "step": 3, "values": {"loss": 1.5, "lr": 1e-5}},
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
