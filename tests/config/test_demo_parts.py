"""The demo's pure parts: what a file is, bars without a terminal, the table."""

import io
from pathlib import Path

import pytest

from config.demo.budget import ASKED, BUDGETS, FITTED, UnknownData, format_of, scaled
from config.demo.machine import Machine, look
from config.demo.progress import Bar, Progress, StageFailed, duration
from config.demo.report import table
from config.demo.stages import Outcome, Plan
from training.engine.config import settings_for


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.jsonl", '{"message_tree_id": "x", "prompt": {}}\n', "oasst"),
        ("a.jsonl", '{"instruction": "x", "instances": []}\n', "self_instruct"),
        ("a.jsonl", '{"prompt": "x"}\n', "prompts"),
        ("a.jsonl", '"only a string"\n', "prompts"),
        ("a.csv", "prompt\nhello\n", "prompts"),
    ],
)
def test_a_files_format_is_told_by_its_first_line(tmp_path, name, text, expected):
    (tmp_path / name).write_text(text)
    assert format_of(tmp_path / name) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "a.jsonl is empty, or begins with an empty line."),
        ("not json\n", "a.jsonl is no JSONL: its first line is not JSON."),
    ],
)
def test_what_is_no_data_is_said_in_one_sentence(tmp_path, text, reason):
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(UnknownData) as refused:
        format_of(tmp_path / "a.jsonl")
    assert str(refused.value) == reason


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UnknownData, match="There is no file"):
        format_of(tmp_path / "none.jsonl")


@pytest.mark.parametrize("name", sorted(BUDGETS))
@pytest.mark.parametrize("stage", ["sft", "reward", "ppo", "sample", "ask"])
def test_every_budget_is_one_that_the_engine_accepts(name, stage):
    settings_for("sample" if stage == "ask" else stage, "cpu", BUDGETS[name][stage])
    assert set(ASKED[name]) == {"train", "valid"}


@pytest.mark.parametrize(
    ("gflops", "share", "tokens", "episodes"),  # episodes in batches of 32: 6 in all
    [
        (390.0, 1.0, 40_000, 192),
        (300.0, 1.0, 40_000, 192),
        (245.0, 0.8, 32_000, 160),
        (160.0, 0.5, 20_000, 96),
        (90.0, 0.3, 12_000, 64),
        (5.0, 0.2, 8_000, 32),
    ],
)
def test_a_slow_machine_gets_the_part_of_the_short_budget_that_it_does_in_time(
    tmp_path, gflops, share, tokens, episodes
):
    machine = Machine("cpu", "fp32", gflops)
    plan = Plan(tmp_path, tmp_path, tmp_path, tmp_path, machine=machine)
    assert machine.share == share
    assert plan.settings("sft") == {"max_train_tokens": tokens, "max_eval_tokens": 8_000}
    assert plan.settings("ppo") == {"episodes": episodes, "eval_prompts": 16}
    assert plan.settings("sample") == BUDGETS[FITTED]["sample"]
    assert plan.said == f"short, {share:.0%} of it, for {gflops:.0f} GFLOP/s in fp32 on cpu"


@pytest.mark.parametrize("stage", ["sft", "reward", "ppo"])
def test_the_least_part_is_one_that_the_engine_accepts(stage):
    settings_for(stage, "cpu", scaled(BUDGETS[FITTED][stage], Machine("cpu", "fp32", 1.0).share))


def test_what_has_no_limit_keeps_none():
    assert scaled({"max_train_tokens": 0, "max_eval_tokens": 8_000}, 0.5) == {
        "max_train_tokens": 0,
        "max_eval_tokens": 8_000,
    }


def test_the_engine_says_what_it_computes_on():
    machine = look(Path(__file__).parents[2])
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    if machine.device == "cpu":
        assert machine.dtype == ("bf16" if "avx512_bf16" in flags or "amx_tile" in flags else "fp32")
    assert machine.gflops > 0


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (60, "1 min 00 s"), (185, "3 min 05 s"), (3600, "60 min 00 s")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_a_bar_without_a_terminal_prints_a_line_a_phase():
    out = io.StringIO()
    bar = Bar("SFT", out)
    bar.update("load", 0, None)
    bar.update("train", 0, 40)
    bar.update("train", 1, 40, 78.0)
    bar.note("Left out: 31.")
    bar.update("eval", 3, 4, 1.0)
    assert out.getvalue().splitlines() == [
        "SFT · load: 0",
        "SFT · train: 0/40",
        "  Left out: 31.",
        "SFT · eval: 3/4, 1 s left",
    ]


def test_a_bar_on_a_terminal_shows_done_and_total():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    out = Terminal()
    bar = Bar("SFT", out)
    bar.update("train", 7, 40, 66.0)
    bar.close()
    assert "SFT · train" in out.getvalue()
    assert "7/40, 1 min 06 s left" in out.getvalue()


def test_a_failed_stage_has_no_wall_time_and_says_where_the_log_is():
    progress = Progress(io.StringIO())
    with pytest.raises(StageFailed) as failed, progress.stage("PPO"):
        raise StageFailed("PPO", "The run was stopped.", "var/runs/5/log.txt")
    assert str(failed.value) == "Stage 'PPO' failed: The run was stopped.\nLog: var/runs/5/log.txt"
    assert progress.seconds == {}


@pytest.fixture
def outcome():
    def run(number, name, **summary):
        return {"id": number, "name": name, "notes": [], "summary": summary}

    return Outcome(
        project="demo",
        budget="short, 50% of it, for 160 GFLOP/s in fp32 on cpu",
        simulated=True,
        labeler=("demo-labeler", "pw"),
        overview={
            "prompts": {"train": 1100, "valid": 20, "test": 0},
            "demonstrations": {"imported": 670},
            "rankings": {"simulated": 211},
        },
        snapshot={"digest": "ab" * 32, "counts": {"rankings": {"train": 180, "valid": 31}}},
        runs={
            "sft": run(1, "SFT 1", valid_loss_before=2.31449, valid_loss_after=2.1, valid_tokens=8123),
            "reward": run(
                2,
                "Reward 2",
                valid_accuracy=0.6666,
                valid_accuracy_low=0.5,
                valid_accuracy_high=0.8,
                valid_pairs=90,
                valid_groups=30,
                valid_simulated_groups=12,
                interval_rule="bootstrap",
                tie_rule="ties left out",
            ),
            "ppo": run(
                3,
                "PPO 3",
                reward_start=-0.25,
                reward_end=0.5,
                reward_change=0.75,
                reward_change_margin=0.3004,
                kl_start=-0.0002,
                kl_end=1.25,
            ),
            "sample": run(4, "Sample 4"),
        },
        tasks_opened=12,
        answers=[{"prompt": "Why?", "answers": {"base": "", "SFT 1": "Be\x1b[31mcause\n of x", "PPO 3": "b" * 500}}],
        seconds={"SFT": 61.0, "PPO": 125.0},
    )


def test_the_table_says_all_that_the_runs_measured(outcome):
    lines = table(outcome, "http://127.0.0.1:8000/").splitlines()

    def row(name):
        return next(line[len(name) :].strip() for line in lines if line.startswith(name + "  "))

    assert row("prompts") == "1,120  (train 1,100, valid 20)"
    assert row("demonstrations") == "670  (imported 670)"
    assert row("rankings") == "211  (simulated 211)"
    assert row("snapshot") == "abababababab  rankings 211  (train 180, valid 31)"
    assert row("SFT validation loss") == "2.314 → 2.100  (n = 8,123 tokens)"
    assert row("RM pair accuracy").startswith("66.7%  95 % interval 50.0% to 80.0%  (bootstrap)")
    assert "n = 90 pairs in 30 rankings, 12 of them by simulated labelers" in " ".join(" ".join(lines).split())
    assert row("PPO reward") == "-0.250 → 0.500  change +0.750 ± 0.300"
    assert row("PPO KL, nats an answer") == "0.000 → 1.250"
    assert row("base") == "(nothing)"
    assert row("total") == "3 min 06 s"
    assert row("data") == "http://127.0.0.1:8000/data/demo/"
    assert row("rank") == "http://127.0.0.1:8000/label/  (12 ranking tasks are open)"
    assert row("sign in as") == "demo-labeler, password pw"
    assert any("The rankings were given by simulated labelers" in line for line in lines)


def test_what_a_model_writes_cannot_command_the_terminal(outcome):
    text = table(outcome, "http://127.0.0.1:8000/")
    assert "\x1b" not in text
    assert "b" * 399 + "…" in text.replace("\n", "").replace(" ", "")


def test_no_held_out_rankings_is_said(outcome):
    outcome.runs["reward"]["summary"] = {}
    assert "not measured: no held-out rankings" in table(outcome, "http://x/")
