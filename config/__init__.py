"""Settings, URLs, Celery and the embedded servers: the only room that sees both halves."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
