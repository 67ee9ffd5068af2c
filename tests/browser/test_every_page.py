"""Every page, the admin's too: no rule of axe is broken, nothing runs out of the window, and people's words from right
to left do not reorder ours, wide and light, and on a phone in the dark.
"""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.urls import reverse

from tests.browser.conftest import PHONE, WIDE
from tests.browser.right_to_left import in_hebrew, reordered
from tests.test_every_url import TABLE, address
from tests.world import make_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LOOKS = pytest.mark.parametrize(("size", "dark"), [(WIDE, False), (PHONE, True)], ids=["wide-light", "phone-dark"])
# What the labeler alone may see; all else is looked at by the one who may see all.
LABELERS = ("label-assignment", "label-compare", "label-entry", "label-talk", "label-revisions", "label-revision")
MORE_FOR_LABELERS = ("label-home", "label-history", "label-instructions")  # show more to those who label


@pytest.fixture
def world(settings, tmp_path):
    settings.ARTIFACTS_URL = str(tmp_path / "artifacts")
    settings.RUNS_DIR = tmp_path / "runs"
    world = make_world(tmp_path)
    in_hebrew(world.project)
    return world


def pages(client, world, person, names):
    """The addresses among the names that answer this person with a whole page of HTML."""
    client.force_login(world.people[person])
    for name in names:
        answer = client.get(url := address(name, world))
        is_html = answer.headers.get("Content-Type", "").startswith("text/html")
        if answer.status_code == 200 and is_html and b"<html" in answer.getvalue():
            yield url


def broken(page, axe, urls):
    """What each page breaks, by address; pages that are well are not in it."""
    found = {}
    for url in urls:
        answer = page.goto(url)
        breaks = [*axe(page), *reordered(page)]
        if answer.status != 200 or not page.url.endswith(url):
            breaks.append(f"{answer.status} at {page.url}")
        if page.evaluate("document.documentElement.scrollWidth > innerWidth + 1"):
            breaks.append("wider than the window")
        if breaks:
            found[url] = breaks
    return found


@LOOKS
def test_pages(client, open_page, axe, world, size, dark):
    got = [name for name, row in TABLE.items() if row.startswith("GET") and not name.startswith("api-")]
    theirs = list(pages(client, world, "labeler", (*LABELERS, *MORE_FOR_LABELERS)))
    others = list(pages(client, world, "superuser", [name for name in got if name not in LABELERS]))
    assert len(theirs) == 9, theirs
    assert len(others) >= 20, others
    assert broken(open_page("/label/", world.people["labeler"], size=size, dark=dark), axe, theirs) == {}
    assert broken(open_page("/", world.people["superuser"], size=size, dark=dark), axe, others) == {}


@LOOKS
@pytest.mark.timeout(600)  # over a hundred pages
def test_admin(client, open_page, axe, world, size, dark):
    client.force_login(world.people["superuser"])
    needed, allowed = ["/admin/"], []
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        needed.append(reverse(f"{name}_changelist"))
        allowed.append(reverse(f"{name}_add"))
        row = model._default_manager.first()
        assert row is not None, f"the world has no {model.__name__}"
        needed += [reverse(f"{name}_{way}", args=[row.pk]) for way in ("change", "history")]
        allowed.append(reverse(f"{name}_delete", args=[row.pk]))
    urls = needed + [url for url in allowed if client.get(url).status_code == 200]
    assert broken(open_page("/admin/", world.people["superuser"], size=size, dark=dark), axe, urls) == {}
