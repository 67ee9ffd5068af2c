"""The admin of labeling: what a project manager sets up, and everything that the platform did, to look at."""

from labeling.admin import instructions, jobs, labels, prompts, setup, work

__all__ = ["instructions", "jobs", "labels", "prompts", "setup", "work"]
