"""What the labeler's pages show in the browser tests: prompts and answers of a real kind, hostile ones included."""

from __future__ import annotations

from labeling.models import InstructionsRead
from people.models import Project, User
from tests.labeling.work import make_instructions, make_labeler, make_project, make_prompt, make_ranking_task

PENSION = "We are a workshop of eight people. How do we choose a pension plan?"
ANSWERS = (
    "Start from what the plan costs and what it must do. For eight people, three things decide: the fee per "
    "participant, the quality of the funds, and how much work stays with you.\n\nAsk three providers for the "
    "`total expense ratio`, compare the whole cost as a share of assets, and check that low-cost index funds are on "
    "the menu. Then ask who does the paperwork.",
    "The best plan is the one with the best returns. Take the largest provider: it returns 11% every year.",
    "1. List your needs\n2. Compare fees\n3. Look at the investment menu\n4. Ask about service\n\nThen decide "
    "**together with your employees**: they are the ones who live with it.",
    "As a language model I cannot give financial advice.",
    "| Plan | Fee | Work for you |\n|---|---|---|\n| Pooled | 0.4% | little |\n| Own | 0.9% | much |\n\nFor eight "
    "people a pooled plan is usually the better fit.",
)
HOSTILE = (
    "<script>document.title='taken over'</script><img src=x onerror=\"document.title='taken over'\">",
    "[click](javascript:alert(1)) and ![pixel](https://elsewhere.example/p.png)",
    "$\\text{<img src=x onerror=\"document.title='taken over'\">}$ and $\\href{javascript:alert(1)}{x}$",
)
INSTRUCTIONS = (
    "**Helpful first.** Prefer the answer that does what the person asked, then weigh truth and harm.\n\n"
    "- Read every answer to its end before you rate it.\n- Length is no merit of its own.\n- Say *tie* when you "
    "would not mind which of two you got."
)


def everyday() -> tuple[Project, User]:
    """A project with instructions, and Ada who labels in it."""
    project = make_project(description="Questions that people ask an assistant in the course of a day.")
    instructions = make_instructions(project, version=7, text=INSTRUCTIONS)
    ada = make_labeler(project, "ada", password="plumb the depths")
    InstructionsRead.objects.create(instructions=instructions, labeler=ada)
    return project, ada


def pension_task(project: Project, answers: tuple[str, ...] = ANSWERS, **values):
    """A ranking task with real answers to a real question."""
    prompt = make_prompt(project, PENSION, category="Open question")
    return make_ranking_task(project, answers, prompt=prompt, **values)
