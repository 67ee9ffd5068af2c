"""An ensemble's figures by hand, and the whole check by folds as its command makes it."""

import dataclasses
import json
import math
from pathlib import Path

import pytest

from benchmarks import reward_folds
from benchmarks.reward_folds import over_runs
from tests.engine.conftest import WORDS, ranking, split_of
from training.engine import reward
from training.engine.ensemble import ensemble_report
from training.engine.runtime import execute


def test_an_ensembles_figures_by_hand():
    """Two groups: pairs with Δ of (1, 3), (2, −2), (3, 1) in the first, (−1, −3) in the second."""
    ranks = [[0, 1, 2], [1, 0]]
    members = [[[3.0, 2.0, 0.0], [1.0, 0.0]], [[1.0, -2.0, 0.0], [3.0, 0.0]]]
    found = ensemble_report(members, ranks)
    # Δ of the first member: 1, 3, 2, −1; of the second: 3, 1, −2, −3; of the mean: 2, 2, 0, −2.
    assert (found["members"], found["pairs"], found["groups"]) == (2, 4, 2)
    assert found["member_accuracy"] == pytest.approx((0.75 + 0.5) / 2)
    assert found["member_accuracy_sd"] == pytest.approx(0.25 / math.sqrt(2))
    assert found["ensemble_accuracy"] == pytest.approx((1 + 1 + 0.5 + 0) / 4)
    assert found["disagreement"] == pytest.approx(1 / 4)
    assert found["spread"] == pytest.approx((2 + 2 + 4 + 2) / math.sqrt(2) / 4)
    assert found["size"] == pytest.approx((2 + 2 + 0 + 2) / 4)


def test_an_ensembles_interval_is_over_prompts():
    ranks, members = [[0, 1], [0, 1]], [[[1.0, 0.0], [0.0, 1.0]]] * 2
    assert ensemble_report(members, ranks)["ensemble_low"] == 0
    of_one = ensemble_report(members, ranks, ["p", "p"])
    assert (of_one["ensemble_accuracy"], of_one["ensemble_low"]) == (0.5, None)


def test_one_member_or_ties_alone_are_no_ensemble():
    with pytest.raises(ValueError, match="at least two members"):
        ensemble_report([[[1.0, 0.0]]], [[0, 1]])
    with pytest.raises(ValueError, match="has an order"):
        ensemble_report([[[1.0, 0.0]]] * 2, [[0, 0]])


def test_over_runs_by_hand():
    assert over_runs([0.6, None, 0.8]) == {"mean": pytest.approx(0.7), "error": pytest.approx(0.1), "runs": 2}
    assert over_runs([0.6]) == {"mean": 0.6, "error": 0.0, "runs": 1}
    assert over_runs([None]) is None


def test_the_command_makes_each_fold_once(make_snapshot, tmp_path, monkeypatch, capsys):
    """Two labelers in two folds and one run of all: three runs, here in this process; the second time none."""
    snapshot = make_snapshot(
        rankings=[
            dataclasses.replace(ranking(word, split_of(i)), labeler=person, id=f"r-{word}-{person}")
            for i, word in enumerate(WORDS)
            for person in ("ann", "bob")
        ]
    )
    made = []

    def run(command, **options):
        made.append(Path(command[-1]))
        execute("reward", reward.main, made[-1])

    monkeypatch.setattr(reward_folds.subprocess, "run", run)
    arguments = ["--snapshot", str(snapshot), "--base", "tiny", "--folds", "2", "--seeds", "1", "--folder",
                 str(tmp_path / "folds"), "--out", str(tmp_path / "out.json"), "--set", "dtype=fp32"]  # fmt: skip
    reward_folds.main(arguments)
    reward_folds.main(arguments)
    assert [path.name[13:] for path in made] == ["seed1-folds2-fold0", "seed1-folds2-fold1", "seed1"]
    summaries = [json.loads((path / "result.json").read_text())["summary"] for path in made]
    assert [(s["train_groups"], s["valid_groups"], s.get("fold_groups")) for s in summaries] == [
        (9, 3, 3), (9, 3, 3), (18, 6, None),
    ]  # fmt: skip
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["left_out"]["mean"] == pytest.approx(sum(s["fold_accuracy"] for s in summaries[:2]) / 2)
    assert "labelers left out" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="holds a run of other settings"):
        reward_folds.main([*arguments, "epochs=2"])
