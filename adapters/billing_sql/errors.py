"""What a database can be that this service will not work with, in words for the operator."""


class DatabaseUnusable(Exception):
    """The address of the database, or what is there, cannot be used. Trying again will not help."""


class SchemaMismatch(Exception):
    """The database's schema is not the one that this version needs."""

    def __init__(self, message: str, *, current: str | None, needed: str) -> None:
        """Keep the revisions found (`None`: no schema at all) and needed."""
        self.current = current
        self.needed = needed
        super().__init__(message)


class SchemaBehind(SchemaMismatch):
    """The schema is older than this version, or there is none."""

    def __init__(self, *, current: str | None, needed: str) -> None:
        """Say what to run."""
        found = f"is at {current}" if current else "does not exist yet"
        super().__init__(
            f"the database's schema {found}, this version needs {needed}: run `billing migrate`",
            current=current,
            needed=needed,
        )


class SchemaAhead(SchemaMismatch):
    """The schema is newer than this version, or another program's."""

    def __init__(self, *, current: str | None, needed: str) -> None:
        """Say that this version must not touch it."""
        super().__init__(
            f"the database's schema is at {current}, which this version does not know (it needs {needed}): "
            "run the version that migrated it, or a newer one",
            current=current,
            needed=needed,
        )
