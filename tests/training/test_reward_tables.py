"""What stands beside a reward model's accuracy: the human ceiling, folds, ties and tables, in words."""

import pytest

from training.models import Run
from training.selectors.reward_tables import reward_tables
from training.selectors.summaries import summary_rows

SUMMARY = {
    "valid_accuracy": 0.7, "valid_pairs": 1200, "valid_tied_pairs": 300, "valid_accuracy_ties_half": 0.66,
    "human_agreement": 0.726, "human_agreement_pairs": 2400, "human_agreement_prompts": 60,
    "human_agreement_low": 0.711, "human_agreement_high": 0.741, "human_agreement_rule": "ties left out",
    "fold_accuracy": 0.65, "fold_low": 0.6, "fold_high": 0.7, "fold_pairs": 400, "fold_groups": 30,
    "kendall_tau": 0.41, "mean_confidence": 0.72, "calibration_error": 0.031,
    "tables": {
        "answers": [
            {"label": "4", "accuracy": 0.75, "low": 0.7, "high": 0.8, "pairs": 1000, "groups": 170},
            {"label": "9", "accuracy": 0.45, "pairs": 36, "groups": 1},
        ],
        "calibration": [{"label": "50%–60%", "confidence": 0.55, "accuracy": 0.5, "pairs": 20}],
        "category": [],
    },
}  # fmt: skip


def test_the_ceiling_stands_beside_the_accuracy():
    assert summary_rows(Run(kind="reward", summary=SUMMARY, state="succeeded")) == [
        ("Held-out pairs ranked as labelers did", "70.0 % of 1,200 pairs"),
        (
            "People agree with one another",
            "72.6 % of 2,400 pairs, 95 % interval 71.1–74.1, on 60 prompts (ties left out)",
        ),
        ("On the labelers left out", "65.0 % of 400 pairs, 95 % interval 60.0–70.0"),
        ("Held-out pairs where a tie counts half", "66.0 % with 300 pairs that labelers tied"),
        ("Kendall’s τ, mean over rankings", "0.41"),
        ("Mean confidence in a pair, σ(Δ)", "0.72"),
        ("Calibration error (ECE)", "0.031"),
    ]


def test_tables_in_their_order_without_empty_ones():
    answers, calibration = reward_tables(Run(kind="reward", summary=SUMMARY, state="succeeded"))
    assert (answers.title, answers.columns) == (
        "Accuracy by number of answers",
        ["Answers", "Ranked as labelers did", "95 % interval", "Pairs", "Rankings"],
    )
    assert answers.rows == [["4", "75.0 %", "70.0–80.0", "1,000", "170"], ["9", "45.0 %", "–", "36", "1"]]
    assert calibration.columns == ["Confidence σ(Δ)", "Mean confidence", "Ranked as labelers did", "Pairs"]
    assert calibration.rows == [["50%–60%", "55.0 %", "50.0 %", "20"]]


def test_other_runs_have_no_tables():
    assert reward_tables(Run(kind="sft", summary={"valid_loss": 1.0}, state="succeeded")) == []


@pytest.mark.django_db
def test_the_page_shows_them(client, people, make_run):
    run = make_run(name="RM 1", kind="reward", requested_by=people.engineer)
    Run.objects.filter(pk=run.pk).update(summary=SUMMARY)
    client.force_login(people.engineer)
    page = client.get(f"/runs/{run.pk}/").content.decode()
    assert "People agree with one another</dt><dd>72.6 % of 2,400 pairs" in page
    assert '<th scope="row">9</th><td class="num">45.0 %</td><td class="num">–</td>' in page
    assert "Is its confidence right?" in page
    assert "{&#x27;answers&#x27;" not in page  # the tables themselves, not their values as text
