"""Addresses of labeling: pages at the root, the API below /api/v1/."""

from django.urls import URLPattern, URLResolver, include, path

data_pages: list[URLPattern | URLResolver] = []
data_api: list[URLPattern | URLResolver] = []

urlpatterns: list[URLPattern | URLResolver] = [
    *data_pages,
    path("api/v1/", include(data_api)),
]
