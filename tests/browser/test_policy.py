"""The content security policy in a real browser: every kind of page works under it, injected script does not run."""

import pytest
from django.urls import reverse

from people.models import Project, User

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def root():
    Project.objects.create(slug="alpha", name="Alpha")
    return User.objects.create_superuser("root", password="long-enough-7")


@pytest.mark.parametrize("name", ["home", "login", "label-home", "run-list", "model-list", "data-home"])
def test_our_pages_need_no_more_than_the_policy_gives(open_page, root, name):
    page = open_page(reverse(name), None if name == "login" else root)
    page.wait_for_load_state("networkidle")
    assert page.locator("h1").count() == 1


@pytest.mark.parametrize(
    "path", ["/admin/", "/admin/people/project/", "/admin/people/project/add/", "/admin/training/run/add/"]
)
def test_the_admin_works_under_its_policy(open_page, root, path):
    page = open_page(path, root)
    page.wait_for_load_state("networkidle")
    assert page.evaluate("typeof Alpine") == "object"
    assert page.evaluate("document.fonts.ready.then(() => [...document.fonts].every((f) => f.status !== 'error'))")


def test_the_documentation_of_the_api_works_under_its_policy(open_page, root):
    page = open_page("/api/v1/docs/", root)
    page.wait_for_selector(".opblock-summary")


def test_a_script_that_got_into_a_page_does_not_run(open_page, browser, live_server, root):
    page = browser.new_page(base_url=live_server.url)
    stopped = []
    page.on("console", lambda message: stopped.append(message.text))
    page.goto("/login/")
    page.evaluate(
        """() => {
          document.body.insertAdjacentHTML("beforeend", '<img src="x:" onerror="window.ran = true">');
          const script = document.createElement("script");
          script.textContent = "window.ran = true";
          document.body.append(script);
          document.body.insertAdjacentHTML("beforeend", '<img src="https://evil.example/seen.png">');
        }"""
    )
    for _ in range(100):
        page.wait_for_timeout(50)  # which lets the page run on and its messages come in
        if sum("Content Security Policy" in text for text in stopped) >= 3:
            break
    assert sum("Content Security Policy" in text for text in stopped) >= 3
    assert page.evaluate("window.ran") is None
    page.close()
