"""Checkpoints: plain transformers directories that also say where they come from.

    checkpoints/final/   config.json  model.safetensors  tokenizer files  plumbline.json  manifest.json

Weights are saved in fp32, as the optimizer holds them: a later run loses nothing, and plain `from_pretrained` scores
and samples in full precision. The directory is written under another name and renamed when it is whole.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch.distributed as dist
from safetensors import SafetensorError
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from exchange import envelope
from training.engine.answer_file import finite_figures
from training.engine.config import as_dict
from training.engine.errors import RunError
from training.engine.models import CHECKPOINT_FORMAT
from training.engine.runtime import Run

FINAL = "checkpoints/final"
VERSION = 1
_TOKENIZER_BYTES = 32 << 20


def check_space(run: Run, model: PreTrainedModel) -> None:
    """Raise RunError, one sentence, when the disk has no room for the model's checkpoint. Called before training."""
    needed = 4 * sum(parameter.numel() for parameter in model.parameters()) + _TOKENIZER_BYTES
    free = shutil.disk_usage(run.directory).free
    if free < needed:
        raise RunError(
            f"The checkpoint needs {_gib(needed)} GiB, but only {_gib(free)} GiB are free in {run.directory}."
        )


def save(
    run: Run, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, summary: dict[str, Any]
) -> tuple[str | None, str | None]:
    """Write and seal the final checkpoint on rank 0; return its path relative to the run and its digest.

    Parameters must be fp32 again (see MasterAdamW.restore). Nothing is left behind when writing fails.
    """
    answer: tuple[str | None, str | None] = (None, None)
    if run.rank == 0:
        check_space(run, model)
        final = run.directory / FINAL
        building = final.with_name(".final-tmp")
        shutil.rmtree(building, ignore_errors=True)
        try:
            answer = (FINAL, _write(building, run, model, tokenizer, summary))
            shutil.rmtree(final, ignore_errors=True)  # of an earlier attempt in this directory
            building.rename(final)
        except (OSError, SafetensorError) as error:
            reason = getattr(error, "strerror", None) or error
            raise RunError(f"The checkpoint could not be written: {reason}.") from error
        finally:
            shutil.rmtree(building, ignore_errors=True)
    if dist.is_initialized():
        dist.barrier()
    return answer


def _write(
    folder: Path, run: Run, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, summary: dict[str, Any]
) -> str:
    folder.mkdir(parents=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    meta = _lineage(run, summary)
    text = json.dumps(meta, ensure_ascii=False, indent=1, sort_keys=True)
    (folder / "plumbline.json").write_text(text + "\n", encoding="utf-8")
    mask = os.umask(0)
    os.umask(mask)
    for path in folder.iterdir():
        path.chmod(0o666 & ~mask)  # safetensors writes for its owner alone, but web and workers may be two users
    return envelope.seal(folder, format=CHECKPOINT_FORMAT, version=VERSION, meta=meta)


def _lineage(run: Run, summary: dict[str, Any]) -> dict[str, Any]:
    """What the checkpoint came from. Speeds stay out, so that the same run once more has the same digest."""
    inputs = run.inputs
    parents = {name: (inputs.get(name) or {}).get("digest") for name in ("policy", "reward")}
    return {
        "kind": run.kind,
        "name": run.identity.get("name", ""),
        "project": run.identity.get("project", ""),
        "parents": {**parents, "base_model": inputs.get("base_model") or "smollm2"},
        "snapshot": inputs.get("snapshot_digest"),
        "code_version": run.code_version,
        "settings": as_dict(run.settings),
        "summary": {
            name: value for name, value in finite_figures(summary).items() if not name.endswith("_per_second")
        },
    }


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f}"
