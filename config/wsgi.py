"""The web process. torch is never imported here.

gunicorn loads this once and forks its workers from it (`--preload`). What is loaded by then never becomes garbage, so
it is taken out of the collector's sight: a full collection that walks through all of Django stops every thread of a
worker for as long as several requests take, and copies the pages that the workers share.
"""

import gc
import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()
get_resolver().url_patterns  # noqa: B018 - loads every view, before the fork
gc.collect()
gc.freeze()
