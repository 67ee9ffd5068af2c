"""Every page, the admin's too: no rule of axe is broken and nothing runs out of the window, wide and light, and on a
phone in the dark.
"""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.urls import reverse

from tests.browser.conftest import PHONE, WIDE
from tests.test_every_url import TABLE, address
from tests.world import make_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LOOKS = pytest.mark.parametrize(("size", "dark"), [(WIDE, False), (PHONE, True)], ids=["wide-light", "phone-dark"])
# What the labeler alone may see; all else is looked at by the one who may see all.
LABELERS = ("label-assignment", "label-compare", "label-entry", "label-talk", "label-revisions", "label-revision")


@pytest.fixture
def world(settings, tmp_path):
    settings.ARTIFACTS_URL = str(tmp_path / "artifacts")
    settings.RUNS_DIR = tmp_path / "runs"
    return make_world(tmp_path)


def pages(client, world, person, names):
    """The addresses among the names that answer this person with a whole page of HTML."""
    client.force_login(world.people[person])
    for name in names:
        answer = client.get(url := address(name, world))
        if answer.headers.get("Content-Type", "").startswith("text/html") and b"<html" in answer.getvalue():
            yield url


def broken(page, axe, urls):
    """What each page breaks, by address; pages that are well are not in it."""
    found = {}
    for url in urls:
        page.goto(url)
        breaks = axe(page)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth + 1"):
            breaks.append("wider than the window")
        if breaks:
            found[url] = breaks
    return found


@LOOKS
def test_pages(client, open_page, axe, world, size, dark):
    got = [name for name, row in TABLE.items() if row.startswith("GET") and not name.startswith("api-")]
    theirs = list(pages(client, world, "labeler", LABELERS))
    others = list(pages(client, world, "superuser", [name for name in got if name not in LABELERS]))
    assert len(theirs) == 6, theirs
    assert len(others) >= 20, others
    assert broken(open_page("/label/", world.people["labeler"], size=size, dark=dark), axe, theirs) == {}
    assert broken(open_page("/", world.people["superuser"], size=size, dark=dark), axe, others) == {}


@LOOKS
def test_admin(client, open_page, axe, world, size, dark):
    urls = ["/admin/"]
    client.force_login(world.people["superuser"])
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        row = model._default_manager.first()
        ways = [reverse(f"{name}_changelist"), reverse(f"{name}_add")]
        ways += [reverse(f"{name}_{way}", args=[row.pk]) for way in ("change", "history", "delete")] if row else []
        urls += [url for url in ways if client.get(url).status_code == 200]
    assert len(urls) > 2 * len(admin.site._registry), urls
    assert broken(open_page("/admin/", world.people["superuser"], size=size, dark=dark), axe, urls) == {}
