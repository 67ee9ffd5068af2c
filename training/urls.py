"""Addresses of training: pages at the root, the API below /api/v1/."""

from django.urls import URLPattern, URLResolver, path, register_converter

from training.api import artifacts as artifacts_api
from training.api import runs as runs_api
from training.views import artifacts, runs


class DigestConverter:
    """A SHA-256 in an address."""

    regex = "[0-9a-f]{64}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(DigestConverter, "digest")

urlpatterns: list[URLPattern | URLResolver] = [
    path("runs/", runs.run_list, name="run-list"),
    path("runs/new/", runs.run_new, name="run-new"),
    path("runs/<int:run_id>/", runs.run_detail, name="run-detail"),
    path("runs/<int:run_id>/live/", runs.run_live, name="run-live"),
    path("runs/<int:run_id>/stop/", runs.run_stop, name="run-stop"),
    path("runs/<int:run_id>/resume/", runs.run_go_on, name="run-resume"),
    path("runs/<int:run_id>/log/", runs.run_log, name="run-log"),
    path("models/", artifacts.model_list, name="model-list"),
    path("models/<digest:digest>/", artifacts.model_detail, name="model-detail"),
    path("models/<digest:digest>/files/<path:name>", artifacts.model_file, name="model-file"),
    path("snapshots/<digest:digest>/", artifacts.snapshot_detail, name="snapshot-detail"),
    path("snapshots/<digest:digest>/files/<path:name>", artifacts.snapshot_file, name="snapshot-file"),
    path("api/v1/runs/", runs_api.RunList.as_view(), name="api-runs"),
    path("api/v1/runs/<int:run_id>/", runs_api.RunDetail.as_view(), name="api-run"),
    path("api/v1/runs/<int:run_id>/cancel/", runs_api.RunCancel.as_view(), name="api-run-cancel"),
    path("api/v1/runs/<int:run_id>/resume/", runs_api.RunResume.as_view(), name="api-run-resume"),
    path("api/v1/runs/<int:run_id>/metrics/", runs_api.RunMetrics.as_view(), name="api-run-metrics"),
    path("api/v1/checkpoints/", artifacts_api.CheckpointList.as_view(), name="api-checkpoints"),
    path("api/v1/checkpoints/<digest:digest>/", artifacts_api.CheckpointDetail.as_view(), name="api-checkpoint"),
    path("api/v1/training/snapshots/", artifacts_api.SnapshotList.as_view(), name="api-training-snapshots"),
    path("api/v1/training/settings/<slug:kind>/", artifacts_api.SettingsDetail.as_view(), name="api-run-settings"),
]
