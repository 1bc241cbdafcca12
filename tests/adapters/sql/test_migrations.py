"""Migrations, up and down, alone and together, and what is said of a schema that is not this version's."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Inspector, func, inspect, select, text

from billing_sql import SchemaAhead, SchemaBehind, SqlDatabase, schema
from billing_sql.migrate import BASE, SCRIPTS, migrate
from billing_sql.tables import accounts, metadata
from support.sql import Open, blocked

pytestmark = pytest.mark.anyio


def differences(connection: Connection) -> list[object]:
    """Answer how the schema differs from the tables."""
    return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata))


def described(connection: Connection) -> dict[str, object]:
    """Answer all tables but Alembic's own, with what `differences` leaves out: primary keys, checks and defaults."""
    inspector = inspect(connection)
    return {name: described_table(inspector, name) for name in table_names(connection) - {"alembic_version"}}


def described_table(inspector: Inspector, name: str) -> dict[str, object]:
    """Answer one table, in whatever order its parts were made."""
    parts: Iterable[Mapping[str, Any]] = chain(
        ({**column, "type": str(column["type"])} for column in inspector.get_columns(name)),
        inspector.get_check_constraints(name),
        inspector.get_foreign_keys(name),
        inspector.get_unique_constraints(name),
        inspector.get_indexes(name),
    )
    return {"primary key": inspector.get_pk_constraint(name), **{str(part["name"]): part for part in parts}}


def table_names(connection: Connection) -> set[str]:
    """Answer the names of all tables."""
    return set(inspect(connection).get_table_names())


async def set_revision(database: SqlDatabase, revision: str) -> None:
    """Pretend that the database is at a revision."""
    statement = text("UPDATE alembic_version SET version_num = :revision")
    await database.write(lambda connection: connection.execute(statement, {"revision": revision}).rowcount)


def test_the_revisions_are_those_of_the_scripts() -> None:
    """The list of revisions that the service checks against is that of the migrations, oldest first."""
    scripts = [script.revision for script in ScriptDirectory(str(SCRIPTS)).walk_revisions()]
    assert list(schema.REVISIONS) == scripts[::-1]


async def test_the_migrated_schema_is_that_of_the_tables(url: str, open_database: Open) -> None:
    """After all migrations there is no difference between the database and the tables of the code."""
    database = await open_database(url)
    assert await database.read(differences) == []


async def test_the_migrated_schema_has_the_keys_of_the_tables(url: str, open_database: Open) -> None:
    """Tables that are migrated have the keys, checks and defaults of tables that are made as the code has them."""
    database = await open_database(url)
    migrated = await database.read(described)
    await migrate(url, to=BASE)
    await database.write(metadata.create_all)
    assert await database.read(described) == migrated


async def test_down_and_up_again(url: str, open_database: Open) -> None:
    """Every migration can be taken back, down to nothing, and made again."""
    assert await migrate(url, to=BASE) == BASE
    database = await open_database(url)
    assert await database.read(table_names) == {"alembic_version"}
    assert await database.schema_state() == (None, schema.HEAD)
    assert await SqlDatabase.migrate(url) == schema.HEAD
    assert await database.read(differences) == []


async def test_ten_replicas_migrate_once(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Of ten migrations started together one does the work, and all end well."""
    await migrate(url, to=BASE)
    with caplog.at_level(logging.INFO, logger="alembic.runtime.migration"):
        revisions = await asyncio.gather(*(migrate(url) for _ in range(10)))
    assert revisions == [schema.HEAD] * 10
    done = [record for record in caplog.records if record.getMessage().startswith("Running upgrade")]
    assert len(done) == len(schema.REVISIONS)


async def test_a_migration_that_waits_for_a_table_lets_others_read(
    postgres_url: str, open_database: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be run while replicas serve, and one of them, or a person, has a transaction open."""
    monkeypatch.setattr("billing_sql.migrate.PAUSE_SECONDS", 0.2)
    await migrate(postgres_url, to=schema.REVISIONS[0])
    database = await open_database(postgres_url)
    count = select(func.count()).select_from(accounts)
    question = database.difference.prepare_query(count)
    async with database.transaction() as held:
        await held.run(lambda session: session.execute(question, {}))
        migrating = asyncio.create_task(migrate(postgres_url))
        await blocked(database)
        # More than once, so that it meets a migration that waits.
        for _ in range(20):
            async with asyncio.timeout(30):
                await database.read(lambda connection: connection.execute(count).scalar_one())
            await asyncio.sleep(0.1)
        assert not migrating.done()
    assert await migrating == schema.HEAD


async def test_migrating_again_changes_nothing(url: str, open_database: Open) -> None:
    """A migration of a database that is current keeps what is in it."""
    database = await open_database(url)
    await database.write(lambda connection: connection.execute(text("INSERT INTO alerts VALUES ('a', 'b', 1, 1, 1)")))
    await migrate(url)
    assert await database.read(lambda connection: connection.scalar(text("SELECT count(*) FROM alerts"))) == 1


async def test_a_current_schema_is_accepted(url: str, open_database: Open) -> None:
    """A database at this version's schema passes the check."""
    database = await open_database(url)
    await database.check_schema()
    assert await database.schema_state() == (schema.HEAD, schema.HEAD)


async def test_no_schema_is_behind(url: str, open_database: Open) -> None:
    """A database without a schema is refused, with what to run."""
    await migrate(url, to=BASE)
    database = await open_database(url)
    with pytest.raises(SchemaBehind, match="billing migrate") as behind:
        await database.check_schema()
    assert behind.value.current is None


async def test_an_older_schema_is_behind(url: str, open_database: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database at an older revision is refused, with what to run."""
    monkeypatch.setattr(schema, "REVISIONS", (*schema.REVISIONS, "9999"))
    monkeypatch.setattr(schema, "HEAD", "9999")
    database = await open_database(url)
    with pytest.raises(SchemaBehind, match="needs 9999: run `billing migrate`"):
        await database.check_schema()


async def test_an_unknown_schema_is_ahead(url: str, open_database: Open) -> None:
    """A database that a newer version has migrated is neither served from nor migrated."""
    database = await open_database(url)
    await set_revision(database, "from the future")
    with pytest.raises(SchemaAhead, match="from the future"):
        await database.check_schema()
    with pytest.raises(SchemaAhead):
        await migrate(url)
