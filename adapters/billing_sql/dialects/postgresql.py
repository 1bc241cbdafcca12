"""What is special to PostgreSQL: sets travel as arrays, and all writes of a transaction are one statement."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, Text, any_, bindparam, column, func, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.expression import TableClause

from billing_sql.dialects.difference import Parameters, Rows, Trouble, Write

_UNIQUE_VIOLATION, _NOT_NULL_VIOLATION = "23505", "23502"
_CLASSES_OF_THE_DATA = ("22", "23")
"""Data exceptions and integrity violations. All other classes are about the database, or about how it is used.

Source: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""


class PostgresDifference:
    """PostgreSQL's ways."""

    def __init__(self) -> None:
        """Begin without combined statements."""
        self._combined: dict[tuple[int, ...], Any] = {}

    def insert(self, table: TableClause) -> postgresql.Insert:
        """See `Difference`."""
        return postgresql.insert(table)

    def among(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        """See `Difference`."""
        return column == any_(_array(name))

    def members(self, name: str) -> Select[Any]:
        """See `Difference`."""
        return select(func.unnest(_array(name), type_=Text))

    def texts(self, values: Collection[str]) -> object:
        """See `Difference`."""
        return sorted(values)

    def rows(self, name: str, columns: Sequence[Column[Any]]) -> Rows:
        """See `Difference`."""
        names = [f"{name}_{one.name}" for one in columns]
        arrays = [bindparam(key, type_=ARRAY(one.type)) for key, one in zip(names, columns, strict=True)]
        source = func.unnest(*arrays).table_valued(*(column(one.name, one.type) for one in columns), name=name)
        source = source.render_derived()

        def bind(rows: Sequence[tuple[object, ...]]) -> Parameters:
            return {key: list(values) for key, values in zip(names, zip(*rows, strict=True), strict=True)}

        return Rows(columns={one.name: source.c[one.name] for one in columns}, select=select, bind=bind)

    def write_all(self, connection: Connection, writes: Sequence[Write]) -> None:
        """See `Difference`. PostgreSQL runs the main statement, then those in WITH that nobody reads from.

        Source: https://www.postgresql.org/docs/current/queries-with.html#QUERIES-WITH-MODIFYING
        """
        key = tuple(id(statement) for statement, _ in writes)
        combined = self._combined.get(key)
        if combined is None:
            first, *others = (statement for statement, _ in writes)
            parts = [other.cte(f"part_{number}") for number, other in enumerate(others, start=1)]
            # The statements are kept, so that no other one can come to have the same identity.
            combined = self._combined[key] = first.add_cte(*parts) if parts else first
        connection.execute(combined, {name: value for _, values in writes for name, value in values.items()})

    def trouble(self, error: DBAPIError) -> Trouble:
        """See `Difference`."""
        state = getattr(error.orig, "sqlstate", None)
        table = getattr(error.driver_exception, "table_name", None)
        if (state, table) in ((_UNIQUE_VIOLATION, "events"), (_NOT_NULL_VIOLATION, "subscriptions")):
            return Trouble.CONFLICT
        return Trouble.DATA if str(state)[:2] in _CLASSES_OF_THE_DATA else Trouble.DATABASE


def _array(name: str) -> ColumnElement[Any]:
    return bindparam(name, type_=ARRAY(Text))
