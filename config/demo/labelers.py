"""Simulated labelers at work: they sign in, claim and submit over the API like anybody else."""

from __future__ import annotations

import random
import secrets
import uuid
from typing import Any

from config.demo.client import Client
from config.demo.progress import Bar
from config.demo.simulated import LABELERS, SimulatedLabeler, ranked, utility


def simulated_labelers_join(manager: Client, project: str) -> dict[SimulatedLabeler, Client]:
    """An account for each simulated labeler, marked as simulated, in the project; and a client for each."""
    clients = {}
    for labeler in LABELERS:
        username, password = f"{project}-simulated-{labeler.name}", secrets.token_urlsafe(16)
        manager.post(
            f"projects/{project}/members/",
            {"username": username, "role": "labeler", "password": password, "is_simulated": True},
        )
        clients[labeler] = Client.sign_in(manager.site, username, password)
    return clients


def simulated_labelers_rank(
    manager: Client, project: str, clients: dict[SimulatedLabeler, Client], bar: Bar, *, seed: int = 0
) -> int:
    """Let them take turns until no ranking is open to any of them; return how many rankings they gave.

    What they value is the likeness to the prompt's demonstration, which the manager's token reads and they never see.
    """
    wanted = manager.get(f"projects/{project}/overview/")["labels_wanted"]["ranking"]
    chance = random.Random(seed)  # noqa: S311 - simulates mistakes, guards nothing
    demonstrations: dict[str, str] = {}
    given, working = 0, dict(clients)
    while working:
        for labeler, client in list(working.items()):
            assignment = client.post(f"projects/{project}/assignments/next/", {"kind": "ranking"})
            if assignment is None:
                del working[labeler]
                continue
            prompt = assignment["task"]["prompt"]["id"]
            if prompt not in demonstrations:
                demonstrations[prompt] = _demonstration(manager, prompt)
            _answer(client, assignment, demonstrations[prompt], labeler, chance)
            given += 1
            bar.update("ranking", given, max(wanted, given))
    return given


def _demonstration(manager: Client, prompt: str) -> str:
    written = manager.get(f"prompts/{prompt}/")["demonstrations"]
    return str(written[0]["text"]) if written else ""


def _answer(
    client: Client, assignment: dict[str, Any], demonstration: str, labeler: SimulatedLabeler, chance: random.Random
) -> None:
    completions = assignment["task"]["completions"]
    utilities = {completion["id"]: utility(completion["text"], demonstration) for completion in completions}
    groups = ranked(utilities, labeler.error_rate, chance)
    client.post(f"assignments/{assignment['id']}/submit/", {"groups": groups}, key=uuid.uuid4().hex)
