"""The words of labeling as tables, one noun a file."""

from labeling.models.completion import Completion, CompletionBatch
from labeling.models.curation import CurationStep, PromptMask
from labeling.models.importing import Import
from labeling.models.label import Demonstration, Feedback, Ranking, Rating
from labeling.models.prompt import USE_CASES, Prompt, PromptKind, Provenance, Split
from labeling.models.setup import Instructions, InstructionsRead, ProjectSetup, RatingForm, SkillsBy, SplitBy
from labeling.models.snapshot import Snapshot
from labeling.models.talk import Announcement, Flag, Post
from labeling.models.task import Assignment, DraftRevision, SkipKind, Task, TaskCompletion

__all__ = [
    "USE_CASES",
    "Announcement",
    "Assignment",
    "Completion",
    "CompletionBatch",
    "CurationStep",
    "Demonstration",
    "DraftRevision",
    "Feedback",
    "Flag",
    "Import",
    "Instructions",
    "InstructionsRead",
    "Post",
    "ProjectSetup",
    "Prompt",
    "PromptKind",
    "PromptMask",
    "Provenance",
    "Ranking",
    "Rating",
    "RatingForm",
    "SkillsBy",
    "SkipKind",
    "Snapshot",
    "Split",
    "SplitBy",
    "Task",
    "TaskCompletion",
]
