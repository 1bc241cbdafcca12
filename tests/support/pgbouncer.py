"""A PgBouncer in transaction mode, where the program is installed."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

START_SECONDS = 30
SERVERS = 2
"""Connections to PostgreSQL: fewer than there are clients, so that they get each other's."""


class NoPgbouncer(Exception):
    """There is no PgBouncer to test with, and why."""


@contextmanager
def pgbouncer(url: str) -> Generator[str, None, None]:
    """Put a PgBouncer before the database at `url` and answer the URL to use instead; raises `NoPgbouncer`."""
    program = shutil.which("pgbouncer")
    if program is None:
        raise NoPgbouncer("pgbouncer is not installed")
    parts = urlsplit(url)
    name = parts.path.strip("/")
    host = parts.hostname or parse_qs(parts.query).get("host", ["127.0.0.1"])[0]
    password = f"password={parts.password}" if parts.password else ""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as folder:
        settings = Path(folder) / "pgbouncer.ini"
        settings.write_text(
            f"""
[databases]
{name} = host={host} port={parts.port or 5432} user={parts.username} {password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {SERVERS}
server_round_robin = 1
"""
        )
        Path(folder).chmod(0o755)
        process = subprocess.Popen([program, *_as_somebody(host), str(settings)], stderr=subprocess.DEVNULL)
        try:
            _wait_for(port, process)
            yield f"postgresql://{parts.username}@127.0.0.1:{port}/{name}"
        finally:
            process.terminate()
            process.wait(START_SECONDS)


def _as_somebody(socket_folder: str) -> list[str]:
    """It refuses to run as root: then it runs as the owner of PostgreSQL's socket."""
    if os.geteuid() != 0:
        return []
    owner = Path(socket_folder).stat().st_uid if socket_folder.startswith("/") else pwd.getpwnam("nobody").pw_uid
    return ["-u", pwd.getpwuid(owner).pw_name]


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise NoPgbouncer(f"pgbouncer ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise NoPgbouncer("pgbouncer does not answer")
