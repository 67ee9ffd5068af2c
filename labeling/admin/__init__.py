"""The admin of labeling: what a project manager sets up, and everything that the platform did, to look at."""

from labeling.admin import forms, instructions, jobs, labels, prompts, setup, talk, work

__all__ = ["forms", "instructions", "jobs", "labels", "prompts", "setup", "talk", "work"]
