"""Addresses of labeling: pages at the root, the API below /api/v1/."""

from django.urls import URLPattern, URLResolver, include, path

from labeling.api import assignments
from labeling.views import label

data_pages: list[URLPattern | URLResolver] = []
data_api: list[URLPattern | URLResolver] = []

label_pages: list[URLPattern | URLResolver] = [
    path("label/", label.label_home, name="label-home"),
    path("label/a/<uuid:pk>/", label.label_assignment, name="label-assignment"),
    path("label/a/<uuid:pk>/skip/", label.label_skip, name="label-skip"),
    path("label/a/<uuid:pk>/resume/", label.label_resume, name="label-resume"),
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
    path("assignments/<uuid:pk>/submit/", assignments.assignment_submit, name="api-assignment-submit"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    *data_pages,
    *label_pages,
    path("api/v1/", include([*data_api, *assignments_api])),
]
