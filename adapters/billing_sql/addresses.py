"""Where the database is: URLs of settings, and what they mean to the drivers."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from billing_sql.errors import DatabaseUnusable

_SQLITE = frozenset({"sqlite", "sqlite+aiosqlite", "sqlite+pysqlite"})
_POSTGRES = frozenset({"postgres", "postgresql", "postgresql+asyncpg"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteAddress:
    """A file."""

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresAddress:
    """One database on one or several hosts."""

    urls: tuple[str, ...]
    """One URL in libpq's form for each host, in the order in which they are tried. They may hold a password."""


Address = SqliteAddress | PostgresAddress


def parse_address(url: str) -> Address:
    """Read a database's URL; raises `DatabaseUnusable`, without repeating what may be a password.

    `sqlite:///file.db` is relative to the working directory, `sqlite:////var/file.db` is not. PostgreSQL's URLs are
    libpq's: `postgresql://user:password@host1:5432,host2:5432/name?target_session_attrs=read-write&sslmode=require`.
    """
    scheme, separator, rest = url.partition("://")
    if separator and scheme in _SQLITE:
        return _sqlite(rest)
    if separator and scheme in _POSTGRES:
        return _postgres(f"postgresql://{rest}")
    raise DatabaseUnusable("the database's URL must begin with sqlite:/// or postgresql://")


def _sqlite(rest: str) -> SqliteAddress:
    host, slash, path = rest.partition("/")
    if host or not slash or path in ("", ":memory:") or "?" in path:
        raise DatabaseUnusable(
            "a SQLite URL names a file: sqlite:///billing.db or sqlite:////var/lib/billing.db; "
            "a database in memory would be lost with the process"
        )
    return SqliteAddress(path=Path(path))


def _postgres(url: str) -> PostgresAddress:
    """Give each host a URL of its own: they are tried one after another, each with the full time to connect."""
    parts = urlsplit(url)
    credentials, at, hosts = parts.netloc.rpartition("@")
    if not parts.path.strip("/"):
        raise DatabaseUnusable("a PostgreSQL URL names a database: postgresql://user:password@host:5432/name")
    query = dict(parse_qsl(parts.query))
    several = hosts.split(",")
    for host in several:
        # Only to have them checked: this raises ValueError for a port that is none.
        _ = urlsplit(f"postgresql://{host}").port
    if len(several) > 1:
        # Of several hosts only one takes writes, and it is not always the same one.
        query.setdefault("target_session_attrs", "read-write")
    options = f"?{urlencode(query)}" if query else ""
    return PostgresAddress(urls=tuple(f"postgresql://{credentials}{at}{host}{parts.path}{options}" for host in several))
