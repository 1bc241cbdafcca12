"""What is special to PostgreSQL: all writes of a transaction are one statement.

Sets of texts travel as arrays, rows as JSON: the driver looks at every element of an array, to see whether it is one.
"""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    CompoundSelect,
    Integer,
    LargeBinary,
    Select,
    Text,
    any_,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.engine import Dialect, make_url
from sqlalchemy.sql.expression import Executable, TableClause
from sqlalchemy.types import TypeEngine

from billing_sql.dialects.difference import Rows, Trouble, Write
from billing_sql.dialects.json_rows import JsonRows, blobs_name
from billing_sql.dialects.prepared import Prepared, Session

_DIALECT: Dialect = make_url("postgresql+asyncpg://").get_dialect()()
_UNIQUE_VIOLATION, _NOT_NULL_VIOLATION = "23505", "23502"
_DIVISION_BY_ZERO, _DEADLOCK = "22012", "40P01"
LOCK_NOT_AVAILABLE = "55P03"
_CONFLICTS = frozenset(
    {
        (_UNIQUE_VIOLATION, "events"),
        (_DIVISION_BY_ZERO, None),
        (_NOT_NULL_VIOLATION, "subscriptions"),
        (_DEADLOCK, None),
    }
)
"""See `billing_sql.saving` for those that are made on purpose. A deadlock is ended by the server: the other one goes
on, and this one may try again."""
_CLASSES_OF_THE_DATA = ("22", "23")
"""Data exceptions and integrity violations. All other classes are about the database, or about how it is used.

Source: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""


class PostgresDifference:
    """PostgreSQL's ways."""

    locks_rows = True
    allow_sweep = text("SET LOCAL enable_seqscan = on")

    def __init__(self, asyncpg: Any) -> None:
        """Work with this driver."""
        self.errors: tuple[type[Exception], ...] = (
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,
        )
        self._combined: dict[tuple[Executable, ...], Prepared] = {}

    def insert(self, table: TableClause) -> postgresql.Insert:
        """See `Difference`."""
        return postgresql.insert(table)

    def among(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        """See `Difference`."""
        return column == any_(_array(name))

    def members(self, name: str) -> Select[Any]:
        """See `Difference`."""
        return select(func.unnest(_array(name), type_=Text))

    def triples(self, name: str) -> tuple[ColumnElement[str], ColumnElement[str], ColumnElement[str]]:
        """See `Difference`."""
        triple = _elements(name)
        return _item(triple, 0, Text()), _item(triple, 1, Text()), _item(triple, 2, Text())

    def selected(self, column: ColumnElement[Any], texts: Select[Any] | CompoundSelect[Any]) -> ColumnElement[bool]:
        """See `Difference`. An array, so that an index is gone through once for all of them, in its order."""
        return column == any_(func.array(texts.scalar_subquery(), type_=ARRAY(Text)))

    def texts(self, values: Collection[str]) -> object:
        """See `Difference`."""
        return sorted(values)

    def rows(self, name: str, columns: Sequence[Column[Any]]) -> Rows:
        """See `Difference`."""
        one = _elements(name)
        blobs = bindparam(blobs_name(name), type_=LargeBinary)
        values: dict[str, ColumnElement[Any]] = {}
        for place, column in enumerate(columns):
            if isinstance(column.type, LargeBinary):
                begin, length = _item(one, place, Integer()), _item(one, len(columns), Integer())
                values[column.name] = func.substr(blobs, begin, length, type_=LargeBinary)
            else:
                values[column.name] = _item(one, place, column.type)
        return Rows(columns=values, select=select, bind=JsonRows(name, columns, _DIALECT))

    def prepare(self, statement: Executable) -> Prepared:
        """See `Difference`."""
        return Prepared.of(statement, _DIALECT)

    def prepare_query(self, statement: Select[Any] | CompoundSelect[Any]) -> Prepared:
        """See `Difference`."""
        return self.prepare(statement)

    async def write_all(self, session: Session, writes: Sequence[Write]) -> None:
        """See `Difference`. PostgreSQL runs the main statement, then those in WITH that nobody reads from.

        Source: https://www.postgresql.org/docs/current/queries-with.html#QUERIES-WITH-MODIFYING
        """
        statements = tuple(statement for statement, _ in writes)
        prepared = self._combined.get(statements)
        if prepared is None:
            first, *others = statements
            parts = [other.cte(f"part_{number}") for number, other in enumerate(others, start=1)]
            prepared = self._combined[statements] = self.prepare(first.add_cte(*parts) if parts else first)
        await session.execute(prepared, {name: value for _, values in writes for name, value in values.items()})

    def trouble(self, error: BaseException) -> Trouble:
        """See `Difference`."""
        state = str(getattr(error, "sqlstate", None))
        table = getattr(error, "table_name", None)
        if (state, table) in _CONFLICTS:
            return Trouble.CONFLICT
        if state == LOCK_NOT_AVAILABLE:
            return Trouble.CONTENTION
        # What asyncpg cannot even send is a `ValueError`, too.
        is_of_the_data = state[:2] in _CLASSES_OF_THE_DATA or isinstance(error, ValueError)
        return Trouble.DATA if is_of_the_data else Trouble.DATABASE


def _array(name: str) -> ColumnElement[Any]:
    return bindparam(name, type_=ARRAY(Text))


def _elements(name: str) -> ColumnElement[Any]:
    """Take the JSON array in the parameter `name` apart."""
    array = cast(bindparam(name, type_=Text), JSONB)
    one: ColumnElement[Any] = func.jsonb_array_elements(array).table_valued("value", name=name).c.value
    return one


def _item(one: ColumnElement[Any], place: int, type_: TypeEngine[Any]) -> ColumnElement[Any]:
    return cast(one.op("->>")(literal_column(str(place), Integer)), type_)
