"""Addresses of labeling: pages at the root, the API below /api/v1/."""

from django.urls import URLPattern, URLResolver, include, path

from labeling.api import assignments, flags, forms, imports, labels, prompts, setup, snapshots, tasks
from labeling.views import data, label, workplace

data_pages: list[URLPattern | URLResolver] = [
    path("data/", data.data_home, name="data-home"),
    path("data/<slug:slug>/", data.data_project, name="data-project"),
    path("data/<slug:slug>/live/", data.data_live, name="data-live"),
    path("data/<slug:slug>/upload/", data.data_upload, name="data-upload"),
    path("data/<slug:slug>/freeze/", data.data_freeze, name="data-freeze"),
]
data_api: list[URLPattern | URLResolver] = [
    path("projects/<slug:slug>/setup/", setup.SetupView.as_view(), name="api-setup"),
    path("projects/<slug:slug>/instructions/", setup.InstructionsView.as_view(), name="api-instructions"),
    path("projects/<slug:slug>/forms/", forms.FormsView.as_view(), name="api-forms"),
    path("projects/<slug:slug>/forms/<int:version>/", forms.FormView.as_view(), name="api-form"),
    path("projects/<slug:slug>/overview/", prompts.OverviewView.as_view(), name="api-overview"),
    path("projects/<slug:slug>/prompts/", prompts.PromptsView.as_view(), name="api-prompts"),
    path("prompts/<uuid:pk>/", prompts.PromptView.as_view(), name="api-prompt"),
    path("projects/<slug:slug>/imports/", imports.ImportsView.as_view(), name="api-imports"),
    path("imports/<int:pk>/", imports.ImportView.as_view(), name="api-import"),
    path("projects/<slug:slug>/snapshots/", snapshots.SnapshotsView.as_view(), name="api-snapshots"),
    path("snapshots/<int:pk>/", snapshots.SnapshotView.as_view(), name="api-snapshot"),
    path(
        "projects/<slug:slug>/completion-batches/",
        snapshots.CompletionBatchesView.as_view(),
        name="api-completion-batches",
    ),
]

label_pages: list[URLPattern | URLResolver] = [
    path("label/", label.label_home, name="label-home"),
    path("label/a/<uuid:pk>/", workplace.label_assignment, name="label-assignment"),
    path("label/a/<uuid:pk>/skip/", workplace.label_skip, name="label-skip"),
    path("label/a/<uuid:pk>/resume/", workplace.label_resume, name="label-resume"),
    path("label/<slug:slug>/next/", label.label_next, name="label-next"),
    path("label/<slug:slug>/instructions/", label.label_instructions, name="label-instructions"),
]
assignments_api: list[URLPattern | URLResolver] = [
    path("projects/<slug:slug>/assignments/next/", assignments.assignments_next, name="api-assignments-next"),
    path("assignments/<uuid:pk>/", assignments.assignment_detail, name="api-assignment"),
    path("assignments/<uuid:pk>/draft/", assignments.assignment_draft, name="api-assignment-draft"),
    path("assignments/<uuid:pk>/heartbeat/", assignments.assignment_heartbeat_view, name="api-assignment-heartbeat"),
    path("assignments/<uuid:pk>/resume/", assignments.assignment_resume_view, name="api-assignment-resume"),
    path("assignments/<uuid:pk>/skip/", assignments.assignment_skip_view, name="api-assignment-skip"),
    path("assignments/<uuid:pk>/release/", assignments.assignment_release_view, name="api-assignment-release"),
    path("assignments/<uuid:pk>/submit/", labels.assignment_submit, name="api-assignment-submit"),
    path("assignments/<uuid:pk>/continue/", labels.assignment_continue, name="api-assignment-continue"),
    path("assignments/<uuid:pk>/flag/", flags.assignment_flag, name="api-assignment-flag"),
    path("assignments/next/", assignments.assignments_next_anywhere, name="api-next-anywhere"),
    path("projects/<slug:slug>/flags/", flags.FlagsView.as_view(), name="api-flags"),
    path("projects/<slug:slug>/skips/", flags.SkipsView.as_view(), name="api-skips"),
    path("flags/<int:pk>/settle/", flags.flag_settle_view, name="api-flag-settle"),
    path("tasks/<int:pk>/", tasks.TaskView.as_view(), name="api-task"),
    path("tasks/<int:pk>/offers/", tasks.OffersView.as_view(), name="api-offers"),
    path("offers/<uuid:pk>/", tasks.offer_view, name="api-offer"),
    path("prompts/<uuid:pk>/completions/", tasks.prompt_answers, name="api-prompt-completions"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    *data_pages,
    *label_pages,
    path("api/v1/", include([*data_api, *assignments_api])),
]
