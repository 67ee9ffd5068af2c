"""Rating, strengths, all bad, doubts, folding and comparing on the ranking page, as a person does it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from labeling.forms import INSTRUCTGPT_FIELDS, INSTRUCTGPT_PROMPT_FLAGS
from labeling.models import Assignment, ProjectSetup, Ranking, RatingForm
from labeling.services.claims import assignment_claim_next
from tests.browser.conftest import PHONE
from tests.browser.label_data import everyday, pension_task

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

THREE = ("The first answer.", "The second answer.", "The third answer.")


@pytest.fixture
def world():
    return everyday()


@pytest.fixture
def desk(open_page, world):
    """`desk(answers)`: the ranking page of these answers."""
    project, ada = world

    def start(answers=THREE, path="", **options) -> Page:
        pension_task(project, answers)
        assignment = assignment_claim_next(labeler=ada, project=project)
        page = open_page(f"/label/a/{assignment.pk}/{path}", ada, **options)
        if not path:
            expect(page.locator(".tile")).to_have_count(len(answers))
        return page

    return start


def use_instructgpt_form(project) -> None:
    RatingForm.objects.create(
        project=project,
        version=1,
        fields=[field.as_json() for field in INSTRUCTGPT_FIELDS],
        prompt_fields=[field.as_json() for field in INSTRUCTGPT_PROMPT_FLAGS],
    )


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_every_answer_is_rated_with_the_form_and_then_ranked_by_keys_alone(desk, world):
    project, _ = world
    use_instructgpt_form(project)
    page = desk()
    press(page, "6", "j", "2", "j", "5")
    page.keyboard.press("f")  # to the fields of answer C
    expect(page.locator("#answer-C input[type=radio]").first).to_be_focused()
    page.locator("#answer-C").get_by_label("Hallucination: answer C").focus()
    press(page, "Space", "j")  # past the last answer: on to ranking
    expect(page.locator("[data-step=rank]")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#answer-A")).to_be_focused()
    press(page, "1", "j", "3", "j", "2")
    page.get_by_label("Ambiguous: the prompt").check()
    expect(page.locator("#left")).to_have_text("All ranked")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/label/")
    a, b, c = Assignment.objects.get().shown_order
    ranking = Ranking.objects.get()
    assert ranking.groups == [[a], [c], [b]]
    assert (ranking.form_version, ranking.prompt_values) == (1, {"ambiguous": True})
    given = {str(r.completion_id): (r.overall, r.values) for r in ranking.ratings.all()}
    assert given == {a: (6, {}), b: (2, {}), c: (5, {"hallucination": True})}


def test_what_the_form_requires_is_waited_for(desk, world):
    use_instructgpt_form(world[0])
    page = desk()
    press(page, "Shift+Digit3", "j", "Shift+Digit2", "j", "Shift+Digit1")
    expect(page.locator("#left")).to_have_text("3 of 3 left to rate")
    expect(page.locator("#submit")).to_be_disabled()
    press(page, "4", "k", "4", "k", "1")
    expect(page.locator("#submit")).to_be_enabled()


def test_k_walks_back_from_ranking_to_rating(desk):
    page = desk()
    press(page, "r", "k")
    expect(page.locator("[data-step=rate]")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#answer-C")).to_be_focused()


def test_strength_stays_with_its_two_ranks(desk, world):
    ProjectSetup.objects.filter(project=world[0]).update(strength_levels=3)
    page = desk()
    press(page, "r", "2", "j", "1", "j", "3")  # B, A, C
    expect(page.locator("#left")).to_have_text("2 left to say how much better")
    press(page, "k", "s", "s")  # B over A: clearly
    expect(page.locator("#said")).to_have_text("B over A: clearly better.")
    page.get_by_label("A over C").select_option("much better")
    expect(page.locator("#submit")).to_be_enabled()
    press(page, "t")  # nothing above B
    press(page, "j", "2")  # C ties with A: nobody said how much better B is than the two
    expect(page.locator("#left")).to_have_text("1 left to say how much better")
    press(page, "3")
    expect(page.locator("#submit")).to_be_enabled()
    expect(page.locator("#saved")).to_contain_text("Saved")
    page.reload()
    expect(page.get_by_label("A over C")).to_have_value("3")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/label/")
    assert Ranking.objects.get().strengths == [2, 3]
    page.goto(f"/label/history/{Assignment.objects.get().pk}/")
    expect(page.get_by_text("Between the ranks:")).to_have_text(
        "Between the ranks: B clearly better than A; A much better than C."
    )


@pytest.mark.parametrize("form", ["default", "instructgpt"])
def test_on_a_phone_the_rank_has_its_name_and_nothing_is_over_it(desk, world, form):
    if form == "instructgpt":
        use_instructgpt_form(world[0])
    page = desk(size=PHONE, has_touch=True, is_mobile=True)
    card = page.locator("#answer-A")
    name = card.locator(".place > span")
    expect(name).to_be_visible()
    assert name.inner_text().startswith("Rank")
    place, select = card.locator(".place").bounding_box(), card.locator(".place select").bounding_box()
    label = name.bounding_box()
    assert label["width"] > 20  # not clipped to a point
    assert label["x"] + label["width"] <= select["x"]
    fields = card.locator(".judge > .fields").bounding_box()
    assert fields["y"] + fields["height"] <= place["y"]  # what stands beside a field is of that field
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_all_bad_needs_no_order(desk):
    page = desk()
    page.keyboard.press("x")
    expect(page.locator("#left")).to_have_text("All bad: tied, unless you rank them")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/label/")
    ranking = Ranking.objects.get()
    assert (ranking.all_bad, len(ranking.groups), len(ranking.groups[0])) == (True, 1, 3)


def test_where_ties_are_not_wanted_a_second_answer_at_a_rank_moves_the_others_down(desk, world):
    ProjectSetup.objects.filter(project=world[0]).update(allow_ties=False)
    page = desk()
    press(page, "r", "1", "j", "1", "j", "1")
    order = [page.locator(f'.row[data-rank="{rank}"] .letter').inner_text() for rank in (1, 2, 3)]
    assert order == ["C", "B", "A"]
    page.keyboard.press("t")
    expect(page.locator("#said")).to_have_text("This project asks for an order without ties.")


def test_the_shown_order_is_asked_about_once(desk):
    page = desk()
    press(page, "r", "1", "j", "2", "j", "3", "Control+Enter")
    asked = page.get_by_role("dialog", name="Is that what you mean?")
    expect(asked).to_contain_text("exactly the order in which the answers were shown")
    asked.get_by_role("button", name="Look again").click()
    assert not Ranking.objects.exists()
    expect(page.locator("#submit")).to_be_enabled()
    page.locator("#answer-C").click(position={"x": 300, "y": 10})
    press(page, "1", "Control+Enter")  # now A and C tie: nothing to ask
    page.wait_for_url("**/label/")
    a, b, c = Assignment.objects.get().shown_order
    assert [sorted(group) for group in Ranking.objects.get().groups] == [sorted([a, c]), [b]]


def test_the_shown_order_is_asked_about_without_script_too(desk):
    page = desk(java_script_enabled=False, path="?")
    for letter, rank in zip("ABC", "123", strict=True):
        page.get_by_label(f"Rank of answer {letter}").select_option(rank)
    page.get_by_role("button", name="Submit", exact=True).or_(page.locator("#submit")).first.click()
    expect(page.get_by_role("alert").first).to_contain_text("exactly the order in which the answers were shown")
    page.get_by_role("button", name="It is what I mean: submit").click()
    assert Ranking.objects.get().groups == [[i] for i in Assignment.objects.get().shown_order]


def test_a_long_answer_folds_and_unfolds(desk):
    page = desk(("word " * 900, "short", "shorter"))
    long = page.locator(".answer.long")
    assert long.count() == 1
    folded = long.bounding_box()["height"]
    page.get_by_text("Show all 900 words").click()
    assert long.bounding_box()["height"] > folded + 300
    long.focus()
    page.keyboard.press("e")
    expect(page.get_by_text("Show all 900 words")).to_be_visible()
    assert long.bounding_box()["height"] == folded


def test_two_answers_are_compared_word_by_word(desk):
    page = desk(("The fee is 0.4 percent of it.", "The fee is 0.9 percent of it.", "No idea."))
    texts = dict(zip("ABC", [card.inner_text() for card in page.locator(".answer .body").all()], strict=True))
    left, right = sorted(letter for letter, text in texts.items() if "fee" in text)
    page.locator(f"#answer-{left}").focus()
    page.keyboard.press("d")
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".difference")).to_be_visible()
    dialog.get_by_label("The other answer").select_option(right)
    expect(dialog.locator(".difference del")).to_have_count(1)
    out, into = ("0.4", "0.9") if "0.4" in texts[left] else ("0.9", "0.4")
    expect(dialog.locator(".difference del")).to_have_text(out)
    expect(dialog.locator(".difference ins")).to_have_text(into)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_mathematics_right_to_left_text_and_emoji_are_shown_as_they_are(desk):
    page = desk(
        ("Euler: $e^{i\\pi} = -1$", "العربية تُكتب من اليمين إلى اليسار", "👩‍🚀 zero\u200bwidth and \u202eoverride")
    )
    assert page.locator(".answer math").count() == 1
    box = page.locator(".answer math").bounding_box()
    assert box["width"] > 20
    arabic = page.locator(".answer .body", has_text="العربية")
    assert arabic.evaluate("element => getComputedStyle(element).direction") == "rtl"
    expect(page.locator(".answers")).to_contain_text("👩‍🚀 zero\u200bwidth")
