"""The commands import and freeze as the pages do, and fail with one sentence."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from labeling.models import Prompt
from people.models import Project

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def project(settings, tmp_path) -> Project:
    settings.ARTIFACTS_URL = str(tmp_path / "store")
    return Project.objects.create(slug="demo", name="Demo")


def run(*arguments: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command(*arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_import_and_freeze(tmp_path):
    path = tmp_path / "prompts.csv"
    path.write_text("prompt,demonstration,note\nOne?,One.,\nTwo?,,hm\n,left out,\n")
    out, err = run("import_file", str(path), "--project=demo", "--format=prompts", "--on-error=skip")
    assert out.endswith(
        ": completions 0, demonstrations 1, prompts 2, rankings 0, tasks 1; lines left out 1. Not used: “note”.\n"
    )
    assert err.startswith("line 4: a prompt needs one of ")
    assert path.exists()
    digest = run("snapshot_freeze", "--project=demo")[0].strip()
    assert (tmp_path / "store" / "snapshots" / digest / "manifest.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("import_file", "{path}", "--project=other", "--format=prompts"), "There is no project 'other'."),
        (
            ("import_file", "{path}.none", "--project=demo", "--format=prompts"),
            "{path}.none cannot be read: No such file or directory.",
        ),
        (
            ("import_file", "{path}", "--project=demo", "--format=oasst"),
            "Line 1: not an OASST tree: 'message_tree_id' and 'prompt' are expected; the line looks like a plain "
            "prompt: choose the format 'Prompts (JSON lines, CSV or Parquet)', prompts. Nothing was imported.",
        ),
        (("snapshot_freeze", "--project=other"), "There is no project 'other'."),
        (
            ("snapshot_freeze", "--project=demo"),
            "Demo has no prompts yet, so there is nothing to freeze; import some first.",
        ),
    ],
)
def test_refusals_are_one_sentence(tmp_path, arguments, sentence):
    path = tmp_path / "prompts.jsonl"
    path.write_text('"One?"\n')
    with pytest.raises(CommandError) as error:
        run(*(argument.format(path=path) for argument in arguments))
    assert str(error.value) == sentence.format(path=path)
    assert not Prompt.objects.exists()
