"""Ranking in a real browser: by keys alone, by drag, by click, on a phone; what is sent is what was seen."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from labeling.models import Assignment, Ranking
from labeling.services.claims import assignment_claim_next
from tests.browser.conftest import PHONE, WIDE
from tests.browser.label_data import ANSWERS, HOSTILE, everyday, pension_task
from tests.labeling.work import make_ranking_task

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def desk(open_page):
    """A project, Ada, and the ranking page of its five answers."""
    project, ada = everyday()
    pension_task(project)

    def start(**options) -> Page:
        page = open_page("/label/", ada, **options)
        page.get_by_role("button", name="Rank answers").click()
        expect(page.locator(".tile")).to_have_count(5)
        return page

    return start


def shown() -> list[str]:
    """The completion ids A, B, C, … as the page shows them."""
    return Assignment.objects.get().shown_order


def row(page: Page, rank: int):
    return page.locator(f'.row[data-rank="{rank}"]')


def letters(page: Page, rank: int) -> str:
    return "".join(row(page, rank).locator(".tile .letter").all_inner_texts())


def board(page: Page) -> list[str]:
    """The letters of each rank 1 … 5, then of the tray."""
    return [letters(page, rank) for rank in (1, 2, 3, 4, 5, 0)]


def drag(page: Page, letter: str, rank: int, part: float = 0.5) -> None:
    """Drag a letter to a row; `part` is how far down in the row it is dropped."""
    tile = page.locator(".tile", has=page.get_by_text(letter, exact=True)).bounding_box()
    goal = row(page, rank).bounding_box()
    page.mouse.move(tile["x"] + tile["width"] / 2, tile["y"] + tile["height"] / 2)
    page.mouse.down()
    page.mouse.move(goal["x"] + goal["width"] - 40, goal["y"] + goal["height"] * part, steps=6)
    page.mouse.up()


def test_sign_in_and_rank_with_the_keyboard_alone(open_page):
    project, _ = everyday()
    pension_task(project)
    page = open_page("/login/?next=/label/")
    page.get_by_label("User name").fill("ada")
    page.get_by_label("Password").fill("plumb the depths")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Rank answers").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#submit")).to_be_disabled()
    # A rated 6 at the top; B at 3; C at 2; D tied with C; E two ranks down, then last by steps.
    for key in ("6", "Shift+Digit1", "j", "Shift+Digit3", "ArrowDown", "5", "Shift+Digit2", "j", "Shift+Digit3", "t"):
        page.keyboard.press(key)
    assert board(page) == ["A", "CD", "B", "", "", "E"]
    expect(page.locator("#left")).to_have_text("1 of 5 left to rank")
    expect(page.locator("#submit")).to_be_disabled()
    page.keyboard.press("j")
    page.keyboard.press("Shift+Digit3")
    expect(page.locator("#said")).to_have_text("Answer E at rank 3, tied with B. All ranked.")
    page.keyboard.press("Shift+ArrowDown")
    assert board(page) == ["A", "CD", "B", "E", "", ""]
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/label/")
    a, b, c, d, e = shown()
    ranking = Ranking.objects.get()
    assert [sorted(group) for group in ranking.groups] == [[a], sorted([c, d]), [b], [e]]
    assert {str(r.completion_id): r.overall for r in ranking.ratings.all()} == {a: 6, c: 5}
    assert (ranking.labeler.username, ranking.provenance, ranking.instructions_version) == ("ada", "human", 7)


def test_rank_by_drag_with_a_tie_and_a_place_between(desk):
    page = desk()
    drag(page, "B", 1)
    drag(page, "A", 2)
    drag(page, "E", 2)
    drag(page, "C", 3)
    assert board(page) == ["B", "AE", "C", "", "", "D"]
    drag(page, "D", 2, part=0.05)  # on the line above row 2: a rank of its own
    assert board(page) == ["B", "D", "AE", "C", "", ""]
    drag(page, "C", 0)
    assert board(page) == ["B", "D", "AE", "", "", "C"]
    expect(page.locator("#submit")).to_be_disabled()
    drag(page, "C", 3, part=0.95)
    assert board(page) == ["B", "D", "AE", "C", "", ""]
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url("**/label/")
    a, b, c, d, e = shown()
    assert [sorted(group) for group in Ranking.objects.get().groups] == [[b], [d], sorted([a, e]), [c]]


def test_rank_by_clicking_an_answer_and_then_a_rank(desk):
    page = desk()
    for letter, rank in zip("ABCDE", (5, 4, 3, 2, 1), strict=True):
        page.locator(f"#answer-{letter}").click(position={"x": 200, "y": 10})
        page.get_by_role("button", name=f"Place answer {letter} at rank {rank}").click()
    assert board(page) == ["E", "D", "C", "B", "A", ""]


def test_untie_and_take_back(desk):
    page = desk()
    for key in ("Shift+Digit1", "j", "Shift+Digit1", "j", "Shift+Digit2"):
        page.keyboard.press(key)
    assert board(page) == ["AB", "C", "", "", "", "DE"]
    page.keyboard.press("k")
    page.keyboard.press("u")
    assert board(page) == ["A", "B", "C", "", "", "DE"]
    page.keyboard.press("0")
    assert board(page) == ["A", "", "C", "", "", "BDE"]
    page.keyboard.press("4")
    expect(page.locator("#answer-B input:checked")).to_have_value("4")
    page.keyboard.press("4")
    expect(page.locator("#answer-B input:checked")).to_have_count(0)


def test_the_list_of_keys_opens_and_closes(desk):
    page = desk()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Shift+Digit1")  # no key acts behind the dialog
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    assert board(page) == ["", "", "", "", "", "ABCDE"]


@pytest.mark.parametrize("size", [WIDE, {"width": 1280, "height": 600}, PHONE], ids=["wide", "low", "phone"])
@pytest.mark.parametrize("count", [2, 9])
def test_skipping_is_within_reach_however_many_answers_there_are(open_page, size, count):
    project, ada = everyday()
    make_ranking_task(project, tuple(f"Answer {n}" for n in range(count)), priority=9)
    assignment = assignment_claim_next(labeler=ada, project=project)
    page = open_page(f"/label/a/{assignment.pk}/", ada, size=size)
    page.get_by_text("Skip", exact=True).click()
    expect(page.get_by_label("The task is unclear")).to_be_focused()
    expect(page.locator(".skip-task form")).to_be_in_viewport(ratio=1)
    page.get_by_role("button", name="Or leave it for now").click()
    page.wait_for_url("**/label/")
    assert Assignment.objects.get().state == "expired"


def test_typing_a_note_ranks_nothing_and_is_kept(desk):
    page = desk()
    page.get_by_text("Add a note").click()
    page.get_by_label("Note on this ranking").press_sequentially("jkt 123 X?")
    assert board(page) == ["", "", "", "", "", "ABCDE"]
    page.locator("#answer-A select").focus()
    for letter in "ABCDE":
        page.get_by_label(f"Rank of answer {letter}").select_option("1")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("dialog", name="Is that what you mean?")).to_contain_text("All answers are tied.")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/label/")
    ranking = Ranking.objects.get()
    assert ranking.note == "jkt 123 X?"
    assert [sorted(group) for group in ranking.groups] == [sorted(shown())]


def test_the_board_comes_back_after_a_reload(desk):
    page = desk()
    for key in ("3", "Shift+Digit2", "j", "Shift+Digit2"):
        page.keyboard.press(key)
    expect(page.locator("#saved")).to_contain_text("Saved")
    page.reload()
    assert board(page) == ["", "AB", "", "", "", "CDE"]
    expect(page.locator("#answer-A input:checked")).to_have_value("3")


def test_on_a_phone_a_tap_ranks_and_no_page_is_wider_than_the_screen(desk):
    page = desk(size=PHONE, has_touch=True, is_mobile=True)
    for letter, rank in zip("ABCDE", (2, 1, 2, 3, 3), strict=True):
        page.locator(".tile", has=page.get_by_text(letter, exact=True)).tap()
        page.locator(f'.row[data-rank="{rank}"] .place-here').tap()
    assert board(page) == ["B", "AC", "DE", "", "", ""]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="Submit").tap()
    page.wait_for_url("**/label/")
    a, b, c, d, e = shown()
    assert [sorted(group) for group in Ranking.objects.get().groups] == [[b], sorted([a, c]), sorted([d, e])]


def test_without_script_the_form_itself_ranks(desk, open_page):
    page = desk(java_script_enabled=True)
    url = page.url
    plain = open_page(url, Assignment.objects.get().labeler, java_script_enabled=False)
    plain.get_by_role("button", name="Submit").click()
    expect(plain.get_by_role("alert").first).to_have_text("5 of 5 answers are not ranked yet; place every answer.")
    for letter, rank in zip("ABCDE", "12245", strict=True):
        plain.get_by_label(f"Rank of answer {letter}").select_option(rank)
    plain.get_by_role("button", name="Submit").click()
    a, b, c, d, e = shown()
    assert [sorted(group) for group in Ranking.objects.get().groups] == [[a], sorted([b, c]), [d], [e]]


def test_a_double_click_gives_one_ranking_and_the_next_task(open_page):
    project, ada = everyday()
    pension_task(project, priority=1)
    make_ranking_task(project)
    page = open_page("/label/", ada)
    page.get_by_role("button", name="Rank answers").click()
    first = page.url
    for letter, rank in zip("ABCDE", "54321", strict=True):
        page.get_by_label(f"Rank of answer {letter}").select_option(rank)
    page.get_by_role("button", name="Submit").dblclick()
    expect(page.locator(".tile")).to_have_count(3)
    assert page.url != first
    assert Ranking.objects.count() == 1
    page.go_back()
    page.goto(first)
    expect(page.get_by_role("heading", name="Your ranking")).to_be_visible()


def test_hostile_answers_are_text(open_page):
    project, ada = everyday()
    pension_task(project, HOSTILE)
    page = open_page("/label/", ada)
    page.get_by_role("button", name="Rank answers").click()
    expect(page.locator(".tile")).to_have_count(3)
    assert page.title() == "Rank answers · Plumbline"
    assert page.locator(".answer script, .answer img, .answer a[href^=javascript]").count() == 0
    expect(page.locator(".answers")).to_contain_text("<script>document.title='taken over'</script>")


def test_model_names_never_reach_the_page(desk):
    page = desk()
    assert "secret-model" not in page.content()
    assert ANSWERS[1] in page.locator(".answers").inner_text()
