"""What the database's URL means."""

from pathlib import Path

import pytest

from billing_sql import DatabaseUnusable
from billing_sql.addresses import PostgresAddress, SqliteAddress, parse_address

FILES = {
    "sqlite:///billing.db": Path("billing.db"),
    "sqlite:///data/billing.db": Path("data/billing.db"),
    "sqlite:////var/lib/billing.db": Path("/var/lib/billing.db"),
    "sqlite+aiosqlite:///billing.db": Path("billing.db"),
    "sqlite+pysqlite:////var/lib/billing.db": Path("/var/lib/billing.db"),
}

SERVERS = {
    "postgresql://u:p@host/billing": ("postgresql://u:p@host/billing",),
    "postgres://u:p@host:5433/billing": ("postgresql://u:p@host:5433/billing",),
    "postgresql+asyncpg://host/billing": ("postgresql://host/billing",),
    "postgresql:///billing?host=/run/postgresql": ("postgresql:///billing?host=%2Frun%2Fpostgresql",),
    "postgresql://host/billing?sslmode=verify-full": ("postgresql://host/billing?sslmode=verify-full",),
    "postgresql://u:p%40%2F@[::1]:5432/billing": ("postgresql://u:p%40%2F@[::1]:5432/billing",),
    "postgresql://u:p@one:5432,two:5433/billing": (
        "postgresql://u:p@one:5432/billing?target_session_attrs=read-write",
        "postgresql://u:p@two:5433/billing?target_session_attrs=read-write",
    ),
    "postgresql://one,two/billing?target_session_attrs=any": (
        "postgresql://one/billing?target_session_attrs=any",
        "postgresql://two/billing?target_session_attrs=any",
    ),
}

REFUSED = [
    "",
    "billing.db",
    "sqlite:",
    "sqlite://",
    "sqlite:///",
    "sqlite:///:memory:",
    "sqlite://host/billing.db",
    "sqlite:///billing.db?mode=memory",
    "mysql://u:sesame@host/billing",
    "postgresql://u:sesame@host",
    "postgresql://u:sesame@host/",
]


@pytest.mark.parametrize(("url", "path"), FILES.items())
def test_a_sqlite_url_names_a_file(url: str, path: Path) -> None:
    """Every spelling of a SQLite URL means a file, relative with three slashes and absolute with four."""
    assert parse_address(url) == SqliteAddress(path=path)


@pytest.mark.parametrize(("url", "urls"), SERVERS.items())
def test_a_postgresql_url_names_one_or_several_hosts(url: str, urls: tuple[str, ...]) -> None:
    """Every spelling of a PostgreSQL URL keeps its options, and several hosts are asked for the one that writes."""
    assert parse_address(url) == PostgresAddress(urls=urls)


@pytest.mark.parametrize("url", REFUSED)
def test_another_url_is_refused_without_telling_its_password(url: str) -> None:
    """What cannot be used is refused with a sentence that does not repeat the URL."""
    with pytest.raises(DatabaseUnusable) as refused:
        parse_address(url)
    assert "sesame" not in str(refused.value)
