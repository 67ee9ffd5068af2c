"""A stand-in for the engine's scripts: keeps the run directory's protocol, does what its settings say, without torch.

{"behaviour": "succeed" | "person" | "engineer" | "silent" | "memory" | "wait" | "stubborn" | "late" | "saves", …}

"saves" makes three of four steps, saves its state after the second and waits; from that state it makes the other two.
"""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

from exchange.completions import write_batch
from exchange.envelope import seal
from exchange.records import Completion
from training.engine.reporter import Reporter


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args()
    run_dir = options.run_dir
    config = json.loads((run_dir / "config.json").read_text())
    behaviour = config["settings"]["behaviour"]
    print(f"rank {os.environ.get('RANK')} of run {config['run']['id']}: {behaviour}")
    _report(run_dir, {"type": "progress", "phase": "train", "done": 0, "total": 2})
    if behaviour == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if behaviour == "saves":
        _go_on(run_dir)
    if behaviour in ("wait", "stubborn"):
        (run_dir / "started").write_text(str(os.getpid()))
        time.sleep(120)
    if behaviour == "late":
        (run_dir / "started").touch()
        while not (run_dir / "go").exists():
            time.sleep(0.05)
    if behaviour == "memory":
        os.kill(os.getpid(), signal.SIGKILL)
    if behaviour == "silent":
        return 0
    if behaviour in ("person", "engineer"):
        error = {"audience": behaviour, "message": "The snapshot holds no prompt of 16 tokens or fewer."}
        _result(run_dir, {"ok": False, "error": error})
        return 1
    for step in (1, 2):
        _report(run_dir, {"type": "metrics", "step": step, "values": {"loss": 3.0 - step, "lr": 1e-5}})
        _report(run_dir, {"type": "progress", "phase": "train", "done": step, "total": 2})
    _report(run_dir, {"type": "note", "text": "Left out: 3 demonstrations over 512 tokens."})
    _report(run_dir, {"type": "sample", "step": 2, "values": {"prompt": "Hi", "completion": "a\0b", "reward": None}})
    if options.dry_run:
        _result(run_dir, {"ok": True, "summary": {"memory_gib": 1.5, "seconds_until_the_last": 7200}})
        return 0
    result = {"ok": True, "summary": {"valid_loss_after": 1.5}}
    _result(
        run_dir, result | (_completions(run_dir, config) if config["kind"] == "sample" else _final(run_dir, config))
    )
    return 0


def _go_on(run_dir: Path) -> None:
    report, state = Reporter(run_dir / "metrics.jsonl"), run_dir / "state" / "step-00000002" / "state.json"
    report.note("Read the data.")
    begins = not state.exists()
    if not begins:
        report.resumed(2, json.loads(state.read_text())["metrics_bytes"])
        report.note("Going on.")
    for step in (1, 2, 3) if begins else (3, 4):
        report.metrics(step, loss=float(step) if begins else 10.0 * step)
        if step == 2:
            state.parent.mkdir(parents=True)
            state.write_text(json.dumps({"metrics_bytes": report.size()}))
            report.saved(2)
    (run_dir / "started").touch()
    if begins:
        time.sleep(120)


def _final(run_dir: Path, config: dict) -> dict:
    final = run_dir / "checkpoints" / "final"
    final.mkdir(parents=True)
    (final / "config.json").write_text("{}")
    meta = {"kind": config["kind"], "name": config["run"]["name"], "project": config["run"]["project"]}
    digest = seal(final, format="plumbline.checkpoint", version=1, meta=meta)
    return {"checkpoint": "checkpoints/final", "digest": digest}


def _completions(run_dir: Path, config: dict) -> dict:
    batch = [Completion(id="c1", prompt_id="1", text="Hello", model="base")]
    meta = {"project": config["run"]["project"], "run": config["run"]["id"], "purpose": "ranking"}
    digest, _ = write_batch(run_dir / "completions", batch, meta=meta)
    return {"completions": f"completions/{digest}", "digest": digest}


def _report(run_dir: Path, line: dict) -> None:
    with (run_dir / "metrics.jsonl").open("a") as stream:
        stream.write(json.dumps({"t": time.time(), **line}) + "\n")


def _result(run_dir: Path, result: dict) -> None:
    (run_dir / "result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    sys.exit(main())
