"""Real PostgreSQL and Valkey for the tests, over real sockets, in a directory of their own.

Loaded as an early plugin, since Django's settings read the addresses. Set DATABASE_URL and REDIS_URL to use other
servers. Each of several test processes (`-n`) has servers of its own: they share no lock, cache or queue.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from config.embedded import start_postgres, start_valkey

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright's loop runs in the test's own thread

STARTED = "PLUMBLINE_TEST_SERVERS"  # what the process that starts the others set for itself

for name in os.environ.pop(STARTED, "").split():
    del os.environ[name]

if "PLUMBLINE_VAR" not in os.environ:
    given = set(os.environ)
    folder = Path(tempfile.mkdtemp(prefix="plumbline-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # registered first, so it runs after the servers stop
    os.environ["PLUMBLINE_VAR"] = str(folder)
    os.environ["BASE_MODEL"] = "tiny"
    os.environ["SIGN_IN_RATE"] = "100000/min"
    if "DATABASE_URL" not in os.environ:
        os.environ["DATABASE_URL"] = start_postgres(folder)
    if "REDIS_URL" not in os.environ:
        os.environ["REDIS_URL"] = start_valkey(folder)
    os.environ[STARTED] = " ".join({"PLUMBLINE_VAR", "DATABASE_URL", "REDIS_URL"} - given)
