"""The installation's pretraining text: named by what it says, asked for before a run exists."""

import pytest

from exchange.envelope import EnvelopeError
from people.refusals import Refused
from training.pretraining_text import pretraining_text
from training.services.plans import run_plan


def test_the_digest_is_of_names_and_contents(tmp_path):
    folder = tmp_path / "books"
    folder.mkdir()
    (folder / "a.txt").write_text("one")
    first = pretraining_text(str(folder))
    assert (first["name"], first["path"], len(first["digest"])) == ("books", str(folder), 64)
    assert pretraining_text(str(folder)) == first
    (folder / "a.txt").write_text("two")
    second = pretraining_text(str(folder))
    (folder / "a.txt").rename(folder / "b.txt")
    third = pretraining_text(str(folder))
    assert len({first["digest"], second["digest"], third["digest"]}) == 3


def test_a_text_that_is_gone(tmp_path):
    with pytest.raises(EnvelopeError, match="none cannot be read: No such file or directory"):
        pretraining_text(str(tmp_path / "none"))


@pytest.mark.parametrize(("kind", "setting"), [("sft", "pretrain_share"), ("ppo", "ptx_gamma")])
@pytest.mark.django_db
def test_a_mix_needs_the_installations_text(snapshot, settings, make_checkpoint, kind, setting):
    models = {}
    if kind == "ppo":
        make_checkpoint("Writer", number=1)
        make_checkpoint("Judge", kind="reward", number=2)
        models = {"policy": "Writer", "reward": "Judge"}
    asked = {"project": snapshot.project, "kind": kind, "snapshot": snapshot.digest, "settings": {setting: 0.5}}
    settings.PRETRAIN_TEXT = ""
    with pytest.raises(Refused, match="This installation has no pretraining text to mix in; PRETRAIN_TEXT names it"):
        run_plan(**asked, **models)
    settings.PRETRAIN_TEXT = "/some/text"
    assert run_plan(**asked, **models).settings[setting] == 0.5
