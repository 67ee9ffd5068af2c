"""The run directory, read while it is written and whatever stands in it."""

import json

import pytest

from training.engine.reporter import Reporter
from training.run_directory import (
    OUT_OF_MEMORY,
    UNEXPECTED,
    MetricsTail,
    failure,
    has_state,
    log_tail,
    prepare,
    read_result,
    storable,
)


def numbers(lines):
    return [(line.number, line.values) for line in lines]


def test_each_whole_line_is_read_once(tmp_path):
    tail = MetricsTail(tmp_path)
    assert tail.read() == []  # not there yet
    with (tmp_path / "metrics.jsonl").open("ab", buffering=0) as stream:
        stream.write(b'{"a": 1}\n{"a": 2')
        assert numbers(tail.read()) == [(1, {"a": 1})]
        assert tail.read() == []
        stream.write(b"0}")
        assert tail.read() == []
        stream.write(b'\n{"a": 3}\n')
        assert numbers(tail.read()) == [(2, {"a": 20}), (3, {"a": 3})]
    assert tail.read() == []


def test_a_character_cut_in_two_is_read_when_it_is_whole(tmp_path):
    tail = MetricsTail(tmp_path)
    raw = '{"text": "é"}\n'.encode()
    cut = raw.index("é".encode()) + 1
    with (tmp_path / "metrics.jsonl").open("ab", buffering=0) as stream:
        stream.write(raw[:cut])
        assert tail.read() == []
        stream.write(raw[cut:])
        assert numbers(tail.read()) == [(1, {"text": "é"})]


def test_lines_that_are_no_objects_are_counted_and_passed_over(tmp_path):
    (tmp_path / "metrics.jsonl").write_bytes(b'nonsense\n[1]\n\xff\xfe\n\n{"a": 1}\n')
    assert numbers(MetricsTail(tmp_path).read()) == [(5, {"a": 1})]


def test_numbers_that_are_not_finite_become_nothing(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"values": {"loss": NaN, "norm": Infinity, "low": -Infinity}}\n')
    [line] = MetricsTail(tmp_path).read()
    assert line.values == {"values": {"loss": None, "norm": None, "low": None}}


def test_text_that_postgresql_refuses_is_replaced_at_every_depth():
    assert storable({"a\0": ["\ud800x", {"b": "ok", "n": 1.5}]}) == {"a\ufffd": ["\ufffdx", {"b": "ok", "n": 1.5}]}


def test_preparing_leaves_nothing_of_an_earlier_run(tmp_path):
    run_dir = tmp_path / "runs" / "7"
    prepare(run_dir, {"kind": "sft"})
    (run_dir / "result.json").write_text('{"ok": true}')
    prepare(run_dir, {"kind": "reward"})
    assert json.loads((run_dir / "config.json").read_text()) == {"kind": "reward"}
    assert [path.name for path in run_dir.iterdir()] == ["config.json"]


def test_a_run_that_goes_on_keeps_its_states_its_reports_and_its_log(tmp_path):
    run_dir = tmp_path / "runs" / "7"
    prepare(run_dir, {"kind": "sft"})
    assert not has_state(run_dir)
    state = run_dir / "state" / "step-00000002" / "state.json"
    state.parent.mkdir(parents=True)
    assert not has_state(run_dir)  # it was being written
    state.write_text("{}")
    assert has_state(run_dir)
    for name in ("metrics.jsonl", "log.txt", "result.json"):
        (run_dir / name).write_text(f"{name} SIGKILL\n")
    prepare(run_dir, {"kind": "sft", "again": True}, goes_on=True)
    assert sorted(path.name for path in run_dir.iterdir()) == ["config.json", "log.txt", "metrics.jsonl", "state"]
    assert json.loads((run_dir / "config.json").read_text())["again"]
    assert state.exists()
    # What killed it the last time is not what ends it this time.
    assert failure(None, log_tail(run_dir)) == UNEXPECTED


def test_a_file_that_takes_the_place_of_another_is_read_from_its_first_line(tmp_path):
    report, tail = Reporter(tmp_path / "metrics.jsonl"), MetricsTail(tmp_path)
    report.metrics(1, loss=1.0)
    size = report.size()
    report.metrics(2, loss=2.0)
    assert [line.number for line in tail.read()] == [1, 2]
    report.resumed(1, size)
    report.metrics(2, loss=20.0)
    again = tail.read()
    assert [(line.number, line.values["type"]) for line in again] == [(1, "metrics"), (2, "resumed"), (3, "metrics")]
    assert again[2].values["values"] == {"loss": 20.0}
    report.metrics(3, loss=30.0)
    assert [line.number for line in tail.read()] == [4]


@pytest.mark.parametrize("text", [None, "", "{", "[]", "true"])
def test_no_result_is_no_result(tmp_path, text):
    if text is not None:
        (tmp_path / "result.json").write_text(text)
    assert read_result(tmp_path) is None


def test_the_logs_end_starts_with_a_whole_line(tmp_path):
    assert log_tail(tmp_path) == ""
    (tmp_path / "log.txt").write_bytes(b"first\nsecond\r\nthird\rfourth\0\xff\n")
    assert log_tail(tmp_path) == "first\nsecond\nthird\nfourth\ufffd\ufffd\n"
    assert log_tail(tmp_path, 10) == "fourth\ufffd\ufffd\n"


@pytest.mark.parametrize(
    ("result", "log", "sentence"),
    [
        ({"ok": False, "error": {"audience": "person", "message": "No room."}}, "", "No room."),
        ({"ok": False, "error": {"audience": "engineer", "message": "KeyError"}}, "", UNEXPECTED),
        ({"ok": False, "error": "odd"}, "", UNEXPECTED),
        ({"ok": True}, "", UNEXPECTED),  # said ok, but the exit code was not 0
        (None, "Traceback", UNEXPECTED),
        (None, "  exitcode  : -9 (pid: 1)", OUT_OF_MEMORY),
    ],
)
def test_failures(result, log, sentence):
    assert failure(result, log) == sentence
