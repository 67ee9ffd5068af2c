"""Words from right to left in a project, and whether a page lets them reorder the words around them."""

from __future__ import annotations

from django.db.models import CharField, Value
from django.db.models.functions import Concat
from playwright.sync_api import Page

from labeling.models import (
    Announcement,
    Assignment,
    Completion,
    Demonstration,
    Feedback,
    Flag,
    Import,
    Instructions,
    Post,
    Prompt,
    RatingForm,
)
from people.models import Project
from training.models import Checkpoint, Run


def in_hebrew(project: Project) -> None:
    """Put words from right to left wherever people may write, and into texts a turn of direction without an end."""
    text, name = "שלום \u202e 12 abc", "פרויקט 3"
    Project.objects.filter(pk=project.pk).update(name=name, description=text)
    Run.objects.update(name=Concat(Value(name), "pk", output_field=CharField()))
    Checkpoint.objects.update(name=name)
    Import.objects.update(file_name=name, unused=[name, name], unused_count=12)
    RatingForm.objects.update(fields=[{"name": "usable", "label": name, "type": "flag", "help": name}])
    Prompt.objects.update(messages=[{"role": "user", "content": text}], author=name, source=name, category=name)
    for model in (Announcement, Completion, Demonstration, Feedback, Instructions, Post):
        model.objects.update(text=text)
    Flag.objects.update(note=text)
    Instructions.objects.update(change_note=name, training_priorities=text, examples=text)
    Assignment.objects.filter(state="submitted").update(skip_reason=name)


# A text from right to left that is followed in its paragraph by words of ours, which then stand in another order than
# they are written in. Bidi isolation (CSS Writing Modes 3, unicode-bidi) or an end of the block keeps them apart.
_REORDERED = r"""() => {
  const apart = (element) => {
    const style = getComputedStyle(element);
    return style.display !== "inline" || style.unicodeBidi.includes("isolate")
      || style.unicodeBidi === "plaintext";
  };
  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = texts.nextNode()); ) {
    const holder = node.parentElement;
    if (!/[\u0590-\u05ff]/.test(node.data) || holder.closest("script, style, textarea, select")) continue;
    let box = holder;
    while (!apart(box)) box = box.parentElement;
    const after = document.createRange();
    after.setStartAfter(node);
    after.setEnd(box, box.childNodes.length);
    const said = after.cloneContents();
    said.querySelectorAll("div, p, ul, ol, dl, table, section, h2, h3, summary, svg").forEach((one) => one.remove());
    const [, rest = ""] = node.data.match(/\u202e 12 abc(.*)|פרויקט 3\d*([^\p{L}\d]+\d.*)/su)?.filter(Boolean) ?? [];
    const ours = (rest + said.textContent).trim();
    if (/[\p{L}\p{N}]/u.test(ours)) found.push(`“${node.data.trim()}” before “${ours}”`);
  }
  return [...new Set(found)];
}"""


def reordered(page: Page) -> list[str]:
    """The texts of the page after which words of ours stand in another order than they are written in."""
    found: list[str] = page.evaluate(_REORDERED)
    return found
