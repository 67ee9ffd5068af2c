"""Curation steps: what each drops or masks, and that undoing brings all of it back."""

from __future__ import annotations

import pytest

from labeling.models import CurationStep, Demonstration, Prompt, PromptMask, Task
from labeling.selectors.curation import funnel_of
from labeling.services.curation import curation_create, curation_execute, curation_undo
from labeling.services.projects import project_setup_update
from labeling.services.tasks import task_open, tasks_withdraw
from people.models import Project
from people.refusals import Conflict, Refused
from tests.labeling.imported import run_import

pytestmark = pytest.mark.django_db

WORDS = [*"abcdefghijklmnop"]


@pytest.fixture
def project() -> Project:
    return Project.objects.create(slug="demo", name="Demo")


def run(project: Project, rule: str, **options) -> CurationStep:
    step = curation_create(project=project, rule=rule, options=options, user=None)
    assert curation_execute(step_id=step.pk)
    step.refresh_from_db()
    assert step.error == ""
    return step


def undo(step: CurationStep) -> CurationStep:
    curation_undo(step_id=step.pk)
    assert curation_execute(step_id=step.pk)
    step.refresh_from_db()
    return step


def in_use(project: Project) -> list[str]:
    return sorted(Prompt.objects.filter(project=project, dropped_by=None).values_list("external_id", flat=True))


def everything() -> list[tuple[object, ...]]:
    """All that a step may touch, to compare before and after."""
    prompts = Prompt.objects.order_by("pk").values_list(
        "external_id", "messages", "language", "language_step", "dropped_by", "drop_reason", "duplicate_of"
    )
    return [str(row) for row in prompts] + [
        str(row) for row in Task.objects.order_by("pk").values_list("pk", "withdrawn_at", "taken")
    ]


def prompts_of(project: Project, texts: dict[str, str], **fields) -> None:
    run_import(project, [{"id": name, "prompt": text, **fields} for name, text in texts.items()])


def test_exact_duplicates_keep_the_earliest_and_say_which(project):
    prompts_of(project, {"a": "What is  Rain?", "b": "Another", "c": "what is rain?", "d": "WHAT IS\nRAIN?"})
    before = everything()
    step = run(project, "exact")
    assert (step.state, step.seen, step.changed) == ("done", 4, 2)
    assert in_use(project) == ["a", "b"]
    dropped = Prompt.objects.get(external_id="d")
    assert (dropped.duplicate_of.external_id, dropped.drop_reason) == ("a", "Reads the same as an earlier prompt.")
    assert sorted(Task.objects.filter(withdrawn_at=None).values_list("prompt__external_id", flat=True)) == ["a", "b"]
    assert undo(step).state == "undone"
    assert everything() == before


def test_the_same_words_after_another_system_turn_are_another_prompt(project):
    turns = [{"role": "user", "content": "Why?"}]
    run_import(
        project,
        [
            {"id": "a", "messages": [{"role": "system", "content": "Be brief."}, *turns]},
            {"id": "b", "messages": [{"role": "system", "content": "Be kind."}, *turns]},
        ],
    )
    assert run(project, "exact").changed == 0


def test_a_long_common_beginning(project):
    head = "You are a shop's assistant. Answer the customer. "  # 49 characters, 48 without the last space
    prompts_of(project, {"a": head + "Where is my order", "b": head + "I want to return it", "c": "You are a shop"})
    assert run(project, "prefix", min_characters=50).changed == 0
    before = everything()
    step = run(project, "prefix", min_characters=49, min_percent=70)
    assert (step.changed, in_use(project)) == (1, ["a", "c"])
    assert Prompt.objects.get(external_id="b").duplicate_of.external_id == "a"
    undo(step)
    assert everything() == before
    # 49 of 66 characters, the shorter one's, are 74 percent.
    assert run(project, "prefix", min_characters=49, min_percent=75).changed == 0


def test_turns_of_one_dialogue_are_no_common_beginning(project):
    first = {"role": "user", "content": "Tell me a long story about a dragon that learns to read"}
    answer = {"role": "assistant", "content": "Once upon a time."}
    then = {"role": "user", "content": "Go on."}
    run_import(project, [{"id": "a", "messages": [first]}, {"id": "b", "messages": [first, answer, then]}])
    assert run(project, "prefix", min_characters=20, min_percent=0).changed == 0


def test_nearly_the_same(project):
    # 16 words are 12 runs of five. Another last word changes one: 11 common of 13, 85 percent.
    text = " ".join(WORDS)
    prompts_of(project, {"a": text, "b": " ".join([*WORDS[:-1], "quebec"]), "c": " ".join(reversed(WORDS))})
    assert run(project, "near", threshold=90).changed == 0
    before = everything()
    step = run(project, "near", threshold=80)
    dropped = Prompt.objects.get(dropped_by=step)
    assert (dropped.external_id, dropped.duplicate_of.external_id) == ("b", "a")
    assert dropped.drop_reason == "85 % the same as an earlier prompt."
    undo(step)
    assert everything() == before


def test_a_prompt_goes_only_for_one_that_is_like_it(project):
    # b is like a and c like b, but c and a have 10 of 14 runs in common, 71 percent.
    b = [*WORDS[:-1], "quebec"]
    c = ["romeo", *b[1:]]
    prompts_of(project, {"a": " ".join(WORDS), "b": " ".join(b), "c": " ".join(c)})
    run(project, "near", threshold=80)
    found = dict(Prompt.objects.exclude(dropped_by=None).values_list("external_id", "duplicate_of__external_id"))
    assert found == {"b": "a", "c": "b"}


def test_near_duplicates_are_the_same_ones_each_time(project):
    texts = {f"{n:02}": " ".join([*WORDS[:10], f"x{n % 7}", *WORDS[11:]]) for n in range(40)}
    prompts_of(project, texts)
    step = run(project, "near", threshold=50)
    first = in_use(project)
    undo(step)
    run(project, "near", threshold=50)
    assert in_use(project) == first


def test_the_cap_keeps_the_earliest_of_each_author(project):
    prompts_of(project, {"a1": "one", "a2": "two", "a3": "three"}, author="ana")
    prompts_of(project, {"b1": "four", "b2": "five"}, author="bo")
    step = run(project, "cap", most=2)
    assert in_use(project) == ["a1", "a2", "b1", "b2"]
    assert Prompt.objects.get(external_id="a3").drop_reason == "Number 3 of its author; the first 2 are kept."
    assert (step.seen, step.changed) == (5, 1)


def test_the_cap_by_organisation_leaves_prompts_without_one(project):
    prompts_of(project, {"a": "one", "b": "two"}, organisation="acme")
    prompts_of(project, {"c": "three", "d": "four"})
    run(project, "cap", most=1, by="organisation")
    assert in_use(project) == ["a", "c", "d"]


def test_length(project):
    prompts_of(project, {"a": "one", "b": "one two", "c": "one two three four"})
    step = run(project, "length", min_words=2, max_words=3)
    assert in_use(project) == ["b"]
    reasons = dict(Prompt.objects.filter(dropped_by=step).values_list("external_id", "drop_reason"))
    assert reasons == {"a": "1 word, at least 2 are asked for.", "c": "4 words, at most 3 are allowed."}


def test_language_is_filled_in_and_others_are_dropped(project):
    prompts_of(
        project,
        {
            "de": "Erkläre mir bitte, wie die Photosynthese der Pflanzen funktioniert.",
            "en": "Please explain to me how the photosynthesis of plants works.",
            "short": "ok",
        },
    )
    prompts_of(project, {"given": "Bonjour tout le monde"}, language="en-GB")
    before = everything()
    step = run(project, "language", keep=["en"])
    languages = dict(Prompt.objects.values_list("external_id", "language"))
    assert languages == {"de": "de", "en": "en", "short": "", "given": "en-GB"}
    assert in_use(project) == ["en", "given", "short"]
    assert (step.filled, step.changed) == (2, 1)
    undo(step)
    assert everything() == before


def test_personal_data_is_masked_with_its_kind_and_put_back(project):
    run_import(
        project,
        [
            {
                "id": "a",
                "messages": [
                    {"role": "system", "content": "You help anna@example.org."},
                    {"role": "user", "content": "Call +1 650-253-0000 or mail bo@example.org and anna@example.org"},
                ],
            },
            {"id": "b", "prompt": "Nothing personal in 1 + 1 = 2."},
        ],
    )
    before = everything()
    step = run(project, "pii")
    prompt = Prompt.objects.get(external_id="a")
    assert [message["content"] for message in prompt.messages] == [
        "You help [EMAIL].",
        "Call [PHONE] or mail [EMAIL] and [EMAIL]",
    ]
    assert PromptMask.objects.get().found == {"EMAIL": 3, "PHONE": 1}
    assert (step.seen, step.changed) == (2, 1)
    undo(step)
    assert everything() == before
    assert not PromptMask.objects.exists()


def test_originals_that_are_not_kept_cannot_come_back(project):
    project_setup_update(project=project, keep_originals=False)
    prompts_of(project, {"a": "Mail bo@example.org"})
    step = run(project, "pii")
    assert PromptMask.objects.get().original is None
    with pytest.raises(Refused, match=r"^The originals were not kept"):
        curation_undo(step_id=step.pk)
    assert Prompt.objects.get().messages == [{"role": "user", "content": "Mail [EMAIL]"}]


def test_masks_are_undone_from_the_last_one_back(project):
    prompts_of(project, {"a": "Mail bo@example.org or call +1 650-253-0000"})
    before = everything()
    mails, phones = run(project, "pii", kinds=["EMAIL"]), run(project, "pii", kinds=["PHONE"])
    with pytest.raises(Conflict, match=r"^A later step masks the same prompts; undo that one first"):
        curation_undo(step_id=mails.pk)
    undo(phones)
    undo(mails)
    assert everything() == before


def test_dropped_prompts_are_masked_too(project):
    prompts_of(project, {"a": "Mail bo@example.org", "b": "mail bo@example.org"})
    exact = run(project, "exact")
    run(project, "pii")
    undo(exact)
    assert {prompt.messages[0]["content"].lower() for prompt in Prompt.objects.all()} == {"mail [email]"}


def test_a_masked_prompt_is_known_when_it_is_imported_again(project):
    lines = [{"id": "a", "prompt": "Mail bo@example.org"}]
    run_import(project, lines)
    run(project, "pii", kinds=["EMAIL"])
    again = run_import(project, lines)
    assert (again.state, again.counts["prompts"], again.counts["prompts_unchanged"]) == ("done", 0, 1)
    other = run_import(project, [{"id": "a", "prompt": "Mail eve@example.org"}])
    assert other.error == "Line 1: the project has another prompt with the id 'a'. Nothing was imported."


def test_labels_of_a_dropped_prompt_stay_and_a_task_withdrawn_by_hand_stays_withdrawn(project):
    run_import(project, [{"id": "a", "prompt": "one"}, {"id": "b", "prompt": "One"}, {"id": "c", "prompt": "ONE"}])
    Demonstration.objects.create(prompt=Prompt.objects.get(external_id="b"), text="1", provenance="imported")
    tasks_withdraw(prompts=Prompt.objects.filter(external_id="c"))
    before = everything()
    step = run(project, "exact")
    assert in_use(project) == ["a"]
    assert Demonstration.objects.count() == 1
    undo(step)
    assert everything() == before


def test_a_task_opened_for_a_dropped_prompt_waits_until_the_prompt_comes_back(project):
    prompts_of(project, {"a": "one", "b": "One"})
    step = run(project, "exact")
    dropped = Prompt.objects.get(external_id="b")
    (task,) = task_open(setup=project.setup, kind="evaluation", prompts=[dropped])
    assert task.withdrawn_at == step.finished_at
    undo(step)
    assert not Task.objects.exclude(withdrawn_at=None).exists()


def test_a_prompt_is_dropped_once_and_the_funnel_adds_up(project):
    prompts_of(project, {"a": "one two", "b": "One two", "c": "one"})
    exact, length = run(project, "exact"), run(project, "length", min_words=2)
    prompts_of(project, {"d": "a later one"})
    funnel = funnel_of(project)
    assert (funnel.imported, funnel.in_use) == (4, 2)
    found = [(stage.step.pk, stage.dropped, stage.left, stage.came_later) for stage in funnel.stages]
    assert found == [(exact.pk, 1, 3, 1), (length.pk, 1, 2, 1)]
    undo(exact)
    assert [(stage.dropped, stage.left) for stage in funnel_of(project).stages] == [(1, 3)]


@pytest.mark.parametrize(
    ("rule", "options", "sentence"),
    [
        ("magic", {}, "There is no curation rule 'magic'; choose one of exact, "),
        ("exact", {"most": 1}, "The rule has no option 'most'."),
        ("cap", {"most": 0}, "Prompts kept of each must be a whole number from 1 to 1,000,000."),
        ("cap", {"most": "many"}, "Prompts kept of each must be a whole number"),
        ("cap", {"most": True}, "Prompts kept of each must be a whole number"),
        ("cap", {"by": "mood"}, "Counted by must be one of author, organisation."),
        ("near", {"threshold": 101}, "Likeness, % must be a whole number from 50 to 100."),
        ("pii", {"kinds": []}, "What is masked: choose at least one of "),
        ("pii", {"regions": ["XX"]}, "There is no country 'XX' that can be told; give codes."),
        ("language", {"keep": "en, klingon"}, "There is no language 'klingon' that can be told; give codes."),
        ("length", {"min_words": 0, "max_words": 0}, "Set at least one limit of length."),
        ("length", {"min_words": 9, "max_words": 3}, "The least number of words is above the greatest."),
    ],
)
def test_options_that_cannot_be_are_refused(project, rule, options, sentence):
    prompts_of(project, {"a": "one"})
    with pytest.raises(Refused) as refusal:
        curation_create(project=project, rule=rule, options=options, user=None)
    assert str(refusal.value).startswith(sentence)
    assert not CurationStep.objects.exists()


def test_nothing_to_curate(project):
    with pytest.raises(Refused, match=r"^Demo has no prompts yet"):
        curation_create(project=project, rule="exact", options={}, user=None)


def test_a_step_is_run_once_and_undone_once(project):
    prompts_of(project, {"a": "one", "b": "One"})
    step = curation_create(project=project, rule="exact", options={}, user=None)
    with pytest.raises(Conflict, match=r"^The step is queued, so there is nothing to undo"):
        curation_undo(step_id=step.pk)
    assert curation_execute(step_id=step.pk)
    assert not curation_execute(step_id=step.pk)
    undo(step)
    assert not curation_execute(step_id=step.pk)
    with pytest.raises(Conflict, match=r"^The step is undone"):
        curation_undo(step_id=step.pk)


def test_a_step_that_breaks_changes_nothing_and_says_so(project, monkeypatch):
    prompts_of(project, {"a": "one", "b": "One"})
    before = everything()
    step = curation_create(project=project, rule="exact", options={}, user=None)

    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr("labeling.services.curation_verdicts.tasks_withdraw", broken)
    assert curation_execute(step_id=step.pk)
    step.refresh_from_db()
    assert (step.state, step.error) == (
        "failed",
        "Unexpected error; nothing was changed. The worker's log has the details.",
    )
    assert everything() == before


def test_an_undoing_that_breaks_leaves_the_step_done(project, monkeypatch):
    prompts_of(project, {"a": "one", "b": "One"})
    step = run(project, "exact")
    before = everything()

    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("labeling.services.curation_verdicts.tasks_restore", broken)
        undo(step)
    assert step.state == "done"
    assert step.error
    assert everything() == before
    assert undo(step).state == "undone"
