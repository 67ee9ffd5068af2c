"""Celery: two queues. `default` does the platform's small jobs, `train` launches one training run at a time.

Tasks carry ids only; the database row is the queue and Celery is the alarm clock, so a lost or doubled message is
harmless: every task claims its row by a conditional UPDATE, and a beat sweeps what was missed.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("plumbline")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
