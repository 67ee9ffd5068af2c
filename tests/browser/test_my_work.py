"""My work in a real browser: from the instructions to the next task, a correction, a question and its answer."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from labeling.models import Assignment, Demonstration, InstructionsRead, Post, Task
from labeling.services.claims import assignment_claim_next
from labeling.services.corrections import label_correct
from labeling.services.demonstrations import demonstration_submit
from labeling.services.feedback import feedback_give
from labeling.services.instructions import instructions_add
from labeling.services.posts import answer_give, question_ask
from labeling.services.rankings import ranking_submit
from people.models import Role
from tests.browser.conftest import PHONE, WIDE
from tests.browser.label_data import HOSTILE, everyday, pension_task
from tests.labeling.work import make_demonstration_task, make_labeler, make_prompt

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def write(project, ada, text="Water it daily.", prompt="How do I keep basil alive?"):
    """Ada's submitted demonstration; its assignment."""
    make_demonstration_task(project, prompt=make_prompt(project, prompt), priority=9)
    assignment = assignment_claim_next(labeler=ada, project=project, kind="demonstration")
    demonstration_submit(assignment_id=assignment.pk, labeler=ada, key="k", text=text)
    return assignment


def test_changed_instructions_are_read_before_the_next_task(open_page):
    project, ada = everyday()
    make_demonstration_task(project)
    instructions_add(project=project, text="**Helpful first.** Then everything else.", change_note="Shorter")
    page = open_page("/label/", ada)
    page.get_by_role("button", name="Write answers").click()
    expect(page.get_by_role("heading", name="What changed since version 7, which you read")).to_be_visible()
    expect(page.locator("ins").first).to_be_visible()
    page.get_by_role("button", name="I have read it, go on to the task").press("Enter")
    expect(page.get_by_label("Your answer")).to_be_visible()
    assert sorted(InstructionsRead.objects.values_list("instructions__version", flat=True)) == [7, 8]
    assert Assignment.objects.get().instructions_version == 8


def test_finding_and_correcting_an_answer(open_page):
    project, ada = everyday()
    write(project, ada)
    write(project, ada, "It is round.", "What is a wheel?")
    page = open_page("/label/", ada)
    page.get_by_role("link", name="My labels").click()
    expect(page.locator(".entry")).to_have_count(2)
    page.get_by_label("Text").fill("BASIL")
    page.get_by_label("Text").press("Enter")
    expect(page.locator(".entry")).to_have_count(1)
    page.locator(".entry").click()
    page.get_by_role("link", name="Correct it").click()
    page.wait_for_load_state()  # a click on a link returns before the next page's scripts have come
    expect(page.get_by_label("Your answer")).to_have_value("Water it daily.")
    page.get_by_label("Your answer").fill("Water it weekly.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="Your answer")).to_be_visible()
    expect(page.locator(".label-text")).to_have_text("Water it weekly.")
    page.get_by_text("Before it was corrected (1)").click()
    expect(page.get_by_text("Water it daily.")).to_be_visible()
    texts = Demonstration.objects.order_by("created_at").values_list("text", flat=True)
    assert list(texts) == ["Water it daily.", "It is round.", "Water it weekly."]


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_a_project_with_every_kind_of_work_is_readable(open_page, size):
    project, ada = everyday()
    for kind in ("demonstration", "comparison", "evaluation", "ranking"):
        for _ in range(2):
            Task.objects.create(project=project, prompt=make_prompt(project), kind=kind)
    assignment_claim_next(labeler=ada, project=project, kind="ranking")
    page = open_page("/label/", ada, size=size)
    expect(page.locator(".work-choices .btn")).to_have_count(5)
    assert page.locator(".queue .about").bounding_box()["width"] >= 250
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


def test_older_labels_come_on_demand(open_page):
    project, ada = everyday()
    for number in range(23):
        write(project, ada, prompt=f"Question {number}")
    page = open_page("/label/history/", ada)
    expect(page.locator(".entry")).to_have_count(20)
    page.get_by_role("link", name="Older").press("Enter")
    expect(page.locator(".entry")).to_have_count(23)
    expect(page.get_by_role("link", name="Older")).to_have_count(0)


def test_a_question_in_the_workplace_and_its_answer(open_page):
    project, ada = everyday()
    mia = make_labeler(project, "mia", role=Role.MANAGER)
    make_demonstration_task(project, prompt=make_prompt(project, "Which soap is best?"))
    page = open_page("/label/", ada)
    page.get_by_role("button", name="Write answers").click()
    page.wait_for_load_state()  # opened before its script is there, the box shows a link to the questions instead
    page.get_by_label("Your answer").fill("Half an answer")
    page.get_by_text("Ask the team about this task").click()
    page.get_by_label("Ask the reviewers and managers").fill("May I name a brand?")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator(".post")).to_contain_text("May I name a brand?")
    expect(page.get_by_label("Ask the reviewers and managers")).to_have_value("")
    expect(page.get_by_label("Your answer")).to_have_value("Half an answer")

    desk = open_page("/review/", mia)
    desk.get_by_role("link", name="Questions and announcements").click()
    desk.get_by_role("link", name="May I name a brand?").click()
    desk.get_by_label("Answer ada").fill("Name a kind, not a brand.")
    desk.get_by_label("Show it to everyone who labels this task").check()
    desk.get_by_role("button", name="Answer", exact=True).click()
    expect(desk.locator(".post")).to_have_count(2)
    assert Post.objects.get(author=mia).to_all

    page.goto("/label/")
    page.get_by_role("link", name="Answer about “Which soap is best?”").click()
    expect(page.locator(".post").nth(1)).to_contain_text("Name a kind, not a brand.")
    page.goto("/label/")
    expect(page.get_by_text("New for you", exact=False)).to_have_count(0)


def test_the_key_to_submit_sends_the_form_that_one_is_in(open_page):
    project, ada = everyday()
    make_demonstration_task(project, prompt=make_prompt(project, "Which soap is best?"), priority=9)
    page = open_page("/label/", ada)
    page.get_by_role("button", name="Write answers").click()
    page.wait_for_load_state()
    page.get_by_label("Your answer").fill("Half an answer")
    page.get_by_text("Ask the team about this task").click()
    page.get_by_label("Ask the reviewers and managers").fill("May I name a brand?")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".post")).to_contain_text("May I name a brand?")
    assert (Post.objects.get().text, Demonstration.objects.count()) == ("May I name a brand?", 0)
    page.get_by_text("Skip", exact=True).click()
    page.get_by_label("Outside my expertise").check()
    here = page.url
    page.keyboard.press("Control+Enter")
    page.wait_for_url(lambda url: url != here)
    skipped = Assignment.objects.get(task__prompt=Post.objects.get().task.prompt)
    assert (skipped.state, skipped.skip_kind) == ("skipped", "expertise")
    assert Demonstration.objects.count() == 0


def test_a_reviewer_grades_and_the_labeler_sees_it(open_page):
    project, ada = everyday()
    mia = make_labeler(project, "mia", role=Role.REVIEWER)
    write(project, ada)
    desk = open_page("/review/everyday/", mia)
    desk.locator(".entry").click()
    desk.get_by_role("radio", name="6").check(force=True)
    desk.get_by_label("What ada should know").fill("Say *why*.")
    desk.get_by_role("button", name="Send feedback").click()
    expect(desk.get_by_role("status").first).to_contain_text("ada will see it")
    page = open_page("/label/", ada)
    page.get_by_role("link", name="6 of 7 on “How do I keep basil alive?”").click()
    expect(page.locator(".said-list li")).to_contain_text("Say why.")


def test_hostile_text_is_shown_and_never_run(open_page):
    project, ada = everyday()
    mia = make_labeler(project, "mia", role=Role.MANAGER)
    for text in HOSTILE:
        assignment = write(project, ada, text, text)
        question_ask(assignment=assignment, labeler=ada, text=text)
        answer_give(task=assignment.task, author=mia, asker=ada, text=text)
        feedback_give(assignment_id=assignment.pk, reviewer=mia, text=text)
    own = ["/label/", "/label/history/", f"/label/history/{assignment.pk}/", f"/label/a/{assignment.pk}/talk/"]
    page = open_page(own[0], ada)
    for path in own:
        page.goto(path)
        assert page.title().endswith("Plumbline")
        assert page.locator(".prose script, .prose img").count() == 0
    team = ["/review/everyday/", f"/review/everyday/{assignment.pk}/", f"/talk/everyday/{assignment.task_id}/"]
    page = open_page(team[0], mia)
    for path in team:
        page.goto(path)
        assert page.title().endswith("Plumbline")


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_page_breaks_a_rule(open_page, axe, size, dark):
    project, ada = everyday()
    mia = make_labeler(project, "mia", role=Role.MANAGER)
    written = write(project, ada)
    label_correct(assignment_id=written.pk, labeler=ada, key="c", text="Water it **weekly**.")
    feedback_give(assignment_id=written.pk, reviewer=mia, grade=6, text="Clear.")
    question_ask(assignment=written, labeler=ada, text="Why?")
    answer_give(task=written.task, author=mia, asker=ada, text="So.", to_all=True)
    pension_task(project)
    ranked = assignment_claim_next(labeler=ada, project=project, kind="ranking")
    one, *others = ranked.shown_order
    ranking_submit(
        assignment_id=ranked.pk, labeler=ada, key="k", groups=[[one], others], ratings={one: 7}, note="B to E tie."
    )
    question_ask(assignment=ranked, labeler=ada, text="And this?")
    instructions_add(project=project, text="**Helpful first.** Then harm.", examples="As *here*.")
    page = open_page("/label/", ada, size=size, dark=dark)
    for path in (
        "/label/",
        "/label/history/?q=basil",
        "/label/history/?q=nothing+of+it",
        f"/label/history/{written.pk}/",
        f"/label/history/{ranked.pk}/",
        f"/label/a/{written.pk}/talk/",
        "/label/everyday/instructions/?next=ranking",
    ):
        page.goto(path)
        assert axe(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], path
    page = open_page("/review/everyday/", mia, size=size, dark=dark)
    for path in (
        "/review/everyday/",
        f"/review/everyday/{written.pk}/",
        f"/review/everyday/{ranked.pk}/",
        "/talk/everyday/",
        f"/talk/everyday/{ranked.task_id}/",
    ):
        page.goto(path)
        assert axe(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], path


def test_tasks_side_by_side_fit_a_phone(open_page):
    project, ada = everyday()
    for number in range(2):
        prompt = make_prompt(project, f"What is a wheel, and who was the first of all to have number {number}?")
        make_demonstration_task(project, prompt=prompt)
        assignment_claim_next(labeler=ada, project=project, another=True)
    page = open_page("/label/", ada, size=PHONE)
    expect(page.locator(".go-on")).to_have_count(2)
    rights = page.locator(".go-on").evaluate_all("(all) => all.map((one) => one.getBoundingClientRect().right)")
    assert max(rights) <= PHONE["width"]
