"""Addresses of labeling: pages at the root, the API below /api/v1/."""

from django.urls import URLPattern, URLResolver, include, path

from labeling.api import (
    assignments,
    curation,
    feedback,
    flags,
    forms,
    history,
    imports,
    labels,
    posts,
    prompts,
    reading,
    setup,
    snapshots,
    tasks,
)
from labeling.views import compare, data, instructions, my_work, review, talk, workplace, writing
from labeling.views import curation as curation_pages

data_pages: list[URLPattern | URLResolver] = [
    path("data/", data.data_home, name="data-home"),
    path("data/<slug:slug>/", data.data_project, name="data-project"),
    path("data/<slug:slug>/live/", data.data_live, name="data-live"),
    path("data/<slug:slug>/upload/", data.data_upload, name="data-upload"),
    path("data/<slug:slug>/freeze/", data.data_freeze, name="data-freeze"),
    path("data/<slug:slug>/curation/", curation_pages.curation_project, name="curation"),
    path("data/<slug:slug>/curation/live/", curation_pages.curation_live, name="curation-live"),
    path("data/<slug:slug>/curation/run/", curation_pages.curation_run, name="curation-run"),
    path("data/<slug:slug>/curation/<int:pk>/", curation_pages.curation_step, name="curation-step"),
    path("data/<slug:slug>/curation/<int:pk>/undo/", curation_pages.curation_undo_step, name="curation-undo"),
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
    path("projects/<slug:slug>/curation/", curation.CurationView.as_view(), name="api-curation"),
    path("projects/<slug:slug>/curation/funnel/", curation.CurationFunnelView.as_view(), name="api-curation-funnel"),
    path("curation/<int:pk>/", curation.CurationStepView.as_view(), name="api-curation-step"),
    path("curation/<int:pk>/undo/", curation.CurationUndoView.as_view(), name="api-curation-undo"),
    path("curation/<int:pk>/dropped/", curation.CurationDroppedView.as_view(), name="api-curation-dropped"),
    path("curation/<int:pk>/masks/", curation.CurationMasksView.as_view(), name="api-curation-masks"),
    path("projects/<slug:slug>/snapshots/", snapshots.SnapshotsView.as_view(), name="api-snapshots"),
    path("snapshots/<int:pk>/", snapshots.SnapshotView.as_view(), name="api-snapshot"),
    path(
        "projects/<slug:slug>/completion-batches/",
        snapshots.CompletionBatchesView.as_view(),
        name="api-completion-batches",
    ),
]

label_pages: list[URLPattern | URLResolver] = [
    path("label/", my_work.label_home, name="label-home"),
    path("label/next/", my_work.label_next_anywhere, name="label-next-anywhere"),
    path("label/history/", my_work.label_history, name="label-history"),
    path("label/history/<uuid:pk>/", my_work.label_entry, name="label-entry"),
    path("label/preview/", writing.label_preview, name="label-preview"),
    path("label/a/<uuid:pk>/", workplace.label_assignment, name="label-assignment"),
    path("label/a/<uuid:pk>/compare/", compare.label_compare, name="label-compare"),
    path("label/a/<uuid:pk>/skip/", workplace.label_skip, name="label-skip"),
    path("label/a/<uuid:pk>/release/", workplace.label_release, name="label-release"),
    path("label/a/<uuid:pk>/resume/", workplace.label_resume, name="label-resume"),
    path("label/a/<uuid:pk>/talk/", talk.label_talk, name="label-talk"),
    path("label/a/<uuid:pk>/revisions/", writing.label_revisions, name="label-revisions"),
    path("label/a/<uuid:pk>/revisions/<int:number>/", writing.label_revision, name="label-revision"),
    path("label/<slug:slug>/next/", my_work.label_next, name="label-next"),
    path("label/<slug:slug>/instructions/", instructions.label_instructions, name="label-instructions"),
    path("label/<slug:slug>/instructions/read/", instructions.label_instructions_read, name="label-instructions-read"),
]
review_pages: list[URLPattern | URLResolver] = [
    path("review/", review.review_home, name="review-home"),
    path("review/<slug:slug>/", review.review_list, name="review-list"),
    path("review/<slug:slug>/<uuid:pk>/", review.review_label, name="review-label"),
    path("talk/<slug:slug>/", talk.talk_project, name="talk-project"),
    path("talk/<slug:slug>/<int:pk>/", talk.talk_task, name="talk-task"),
    path("talk/<slug:slug>/announce/", talk.talk_announce, name="talk-announce"),
    path("talk/<slug:slug>/announce/<int:pk>/end/", talk.talk_announcement_end, name="talk-announcement-end"),
]
assignments_api: list[URLPattern | URLResolver] = [
    path("projects/<slug:slug>/assignments/next/", assignments.assignments_next, name="api-assignments-next"),
    path("assignments/<uuid:pk>/submit/", labels.assignment_submit, name="api-assignment-submit"),
    path("assignments/<uuid:pk>/", assignments.assignment_detail, name="api-assignment"),
    path("assignments/<uuid:pk>/draft/", assignments.assignment_draft, name="api-assignment-draft"),
    path("assignments/<uuid:pk>/heartbeat/", assignments.assignment_heartbeat_view, name="api-assignment-heartbeat"),
    path("assignments/<uuid:pk>/resume/", assignments.assignment_resume_view, name="api-assignment-resume"),
    path("assignments/<uuid:pk>/skip/", assignments.assignment_skip_view, name="api-assignment-skip"),
    path("assignments/<uuid:pk>/release/", assignments.assignment_release_view, name="api-assignment-release"),
    path("assignments/<uuid:pk>/continue/", labels.assignment_continue, name="api-assignment-continue"),
    path("assignments/<uuid:pk>/flag/", flags.assignment_flag, name="api-assignment-flag"),
    path("assignments/next/", assignments.assignments_next_anywhere, name="api-next-anywhere"),
    path("projects/<slug:slug>/flags/", flags.FlagsView.as_view(), name="api-flags"),
    path("projects/<slug:slug>/skips/", flags.SkipsView.as_view(), name="api-skips"),
    path("flags/<int:pk>/settle/", flags.flag_settle_view, name="api-flag-settle"),
    path("projects/<slug:slug>/tasks/", tasks.tasks_view, name="api-tasks"),
    path("tasks/<int:pk>/", tasks.TaskView.as_view(), name="api-task"),
    path("tasks/<int:pk>/offers/", tasks.OffersView.as_view(), name="api-offers"),
    path("offers/<uuid:pk>/", tasks.offer_view, name="api-offer"),
    path("prompts/<uuid:pk>/completions/", tasks.prompt_answers, name="api-prompt-completions"),
]

my_work_api: list[URLPattern | URLResolver] = [
    path("progress/", history.progress, name="api-progress"),
    path("history/", history.history, name="api-history"),
    path("assignments/<uuid:pk>/label/", history.assignment_label, name="api-assignment-label"),
    path("assignments/<uuid:pk>/correct/", history.assignment_correct, name="api-assignment-correct"),
    path("assignments/<uuid:pk>/revisions/", history.assignment_revisions, name="api-assignment-revisions"),
    path("assignments/<uuid:pk>/feedback/", feedback.FeedbackView.as_view(), name="api-assignment-feedback"),
    path("feedback/unread/", feedback.UnreadFeedbackView.as_view(), name="api-feedback-unread"),
    path("projects/<slug:slug>/labels/", feedback.ReviewView.as_view(), name="api-review"),
    path("assignments/<uuid:pk>/posts/", posts.AssignmentPostsView.as_view(), name="api-assignment-posts"),
    path("answers/unread/", posts.UnreadAnswersView.as_view(), name="api-answers-unread"),
    path("tasks/<int:pk>/posts/", posts.TaskPostsView.as_view(), name="api-task-posts"),
    path("tasks/<int:pk>/settle/", posts.TaskSettleView.as_view(), name="api-task-settle"),
    path("projects/<slug:slug>/questions/", posts.QuestionsView.as_view(), name="api-questions"),
    path("projects/<slug:slug>/announcements/", posts.AnnouncementsView.as_view(), name="api-announcements"),
    path("announcements/<int:pk>/", posts.AnnouncementView.as_view(), name="api-announcement"),
    path("projects/<slug:slug>/instructions/read/", reading.ReadingView.as_view(), name="api-reading"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", include([*assignments_api, *my_work_api, *data_api])),  # what is asked most comes first
    *data_pages,
    *label_pages,
    *review_pages,
]
