"""The words of labeling as tables, one noun a file."""

from labeling.models.completion import Completion, CompletionBatch
from labeling.models.importing import Import
from labeling.models.label import Demonstration, Ranking, Rating
from labeling.models.prompt import Prompt, Provenance, Split
from labeling.models.setup import Instructions, ProjectSetup
from labeling.models.snapshot import Snapshot
from labeling.models.task import Assignment, Task, TaskCompletion

__all__ = [
    "Assignment",
    "Completion",
    "CompletionBatch",
    "Demonstration",
    "Import",
    "Instructions",
    "ProjectSetup",
    "Prompt",
    "Provenance",
    "Ranking",
    "Rating",
    "Snapshot",
    "Split",
    "Task",
    "TaskCompletion",
]
