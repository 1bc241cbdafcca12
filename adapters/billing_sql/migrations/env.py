"""Alembic's environment: the connection is handed in by `billing_sql.migrate`, with its transaction begun."""

from alembic import context

from billing_sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    # SQLite cannot alter much in place: Alembic then copies the table.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
