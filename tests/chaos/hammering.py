"""One labeler with a hammer: claims, submits, skips, leaves and lets leases run out on few tasks, as fast as it goes.

Run as `python -m tests.chaos.hammering USERNAME SEED STEPS` it is a process of its own on the database of
DATABASE_URL, and prints its counts as JSON.
"""

from __future__ import annotations

import json
import random
import sys
import uuid
from collections import Counter
from datetime import timedelta


def hammer(username: str, seed: int, steps: int) -> Counter[str]:
    """What was done, counted. Raises whatever is no refusal, a deadlock above all."""
    from django.utils import timezone

    from labeling.models import Assignment, Task
    from labeling.services.assignments import assignment_release, assignment_resume, leases_expire
    from labeling.services.claims import assignment_claim_next
    from labeling.services.demonstrations import demonstration_submit
    from labeling.services.rankings import ranking_submit
    from labeling.services.skips import assignment_skip
    from people.models import Project, User
    from people.refusals import Refused

    draw, done = random.Random(seed), Counter[str]()
    me = User.objects.get(username=username)
    away: list[Assignment] = []  # leases that ended while their labeler was elsewhere; the answers come late

    def submit(assignment: Assignment) -> None:
        common = {"assignment_id": assignment.pk, "labeler": me, "key": uuid.uuid4().hex}
        if assignment.task.kind == Task.Kind.DEMONSTRATION:
            demonstration_submit(**common, text=f"By {username}.")
        else:
            order = draw.sample(assignment.shown_order, len(assignment.shown_order))
            ranking_submit(**common, groups=[[one] for one in order], ratings={order[0]: 7})

    def let_run_out(assignment: Assignment) -> None:
        past = timezone.now() - timedelta(seconds=1)
        Assignment.objects.filter(pk=assignment.pk, state="leased").update(lease_expires_at=past)
        leases_expire()

    for _ in range(steps):
        project = Project.objects.select_related("setup").get(slug="everyday")
        try:
            if away and draw.random() < 0.3:
                submit(away.pop(0))
                done["late"] += 1
            mine = assignment_claim_next(labeler=me, project=project, another=draw.random() < 0.3)
            if mine is None:
                done["nothing open"] += 1
                leases_expire()
                continue
            done["claimed"] += 1
            step = draw.choice(("submit", "submit", "submit", "skip", "release", "run out", "away"))
            if step == "submit":
                submit(mine)
            elif step == "skip":
                assignment_skip(assignment_id=mine.pk, labeler=me, kind="unclear")
                if draw.random() < 0.5:
                    assignment_resume(assignment_id=mine.pk, labeler=me)
            elif step == "release":
                assignment_release(assignment_id=mine.pk, labeler=me)
            else:
                let_run_out(mine)
                if step == "away":
                    away.append(mine)
            done[step] += 1
        except Refused:
            done["refused"] += 1
    return done


if __name__ == "__main__":
    import django

    django.setup()
    print(json.dumps(hammer(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
