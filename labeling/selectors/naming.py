"""Under which name a person sees another one: reviewers and managers by name, engineers by pseudonym."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from django.conf import settings
from django.contrib.auth.models import AnonymousUser

from labeling.models import Demonstration, Prompt, Ranking
from labeling.pseudonyms import account_key, pseudonym, source_key
from people.access import NAMING, has_role
from people.models import Project, User


@dataclass(frozen=True)
class Naming:
    """How people are called for one reader of one project. `hide` makes a pseudonym, `is_open` says to do without."""

    is_open: bool
    hide: Callable[[str], str]

    def labeler(self, label: Demonstration | Ranking) -> str:
        """Who gave the label; empty for an imported one."""
        if label.labeler is None:
            return ""
        return label.labeler.username if self.is_open else self.hide(account_key(label.labeler.pk))

    def author(self, prompt: Prompt) -> str:
        """Who wrote the prompt, as its source says."""
        return prompt.author if self.is_open or not prompt.author else self.hide(source_key(prompt.author))

    def organisation(self, prompt: Prompt) -> str:
        """For whom the author wrote it, as its source says."""
        name = prompt.organisation
        return name if self.is_open or not name else self.hide(source_key(name))


def naming_for(user: User | AnonymousUser, project: Project) -> Naming:
    """How this user may see the people of the project; the pseudonyms are those of its snapshots."""
    hide = partial(pseudonym, key=settings.PSEUDONYM_KEY, project=project.slug)
    return Naming(has_role(user, project, NAMING), hide)
