"""What beat asks for every few seconds: nothing that a lost message or a killed worker left behind stays there."""

from __future__ import annotations

import logging

from django.conf import settings

from training import launcher
from training.services.runs import runs_end_lost, runs_to_call_again

logger = logging.getLogger(__name__)


def sweep() -> list[int]:
    """End processes and runs whose worker is gone; return the queued runs to call again."""
    if left_over := launcher.orphans(settings.RUNS_DIR):
        logger.warning("Ending %d training processes whose worker is gone.", len(left_over))
        launcher.end(left_over)
    if lost := runs_end_lost():
        logger.warning("Ended %d runs whose worker is gone.", lost)
    return runs_to_call_again()
