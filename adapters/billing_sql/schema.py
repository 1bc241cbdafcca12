"""Which schema this version needs. A test compares this with the migrations themselves.

It is written down here so that a service that starts need not load Alembic.
"""

from sqlalchemy import Connection, inspect, text

REVISIONS = ("0001", "0002")
"""All revisions, oldest first."""
HEAD = REVISIONS[-1]


def current_revision(connection: Connection) -> str | None:
    """Answer the database's revision; `None` if it was never migrated."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision
