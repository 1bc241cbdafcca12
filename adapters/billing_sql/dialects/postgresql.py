"""What is special to PostgreSQL: sets travel as arrays, and all writes of a transaction are one statement."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, Text, any_, bindparam, column, func, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Dialect, make_url
from sqlalchemy.sql.expression import Executable, TableClause

from billing_sql.dialects.difference import Rows, Trouble, Write
from billing_sql.dialects.prepared import Parameters, Prepared, Session

_DIALECT: Dialect = make_url("postgresql+asyncpg://").get_dialect()()
_UNIQUE_VIOLATION, _NOT_NULL_VIOLATION = "23505", "23502"
_CLASSES_OF_THE_DATA = ("22", "23")
"""Data exceptions and integrity violations. All other classes are about the database, or about how it is used.

Source: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""


class PostgresDifference:
    """PostgreSQL's ways."""

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

    def texts(self, values: Collection[str]) -> object:
        """See `Difference`."""
        return sorted(values)

    def rows(self, name: str, columns: Sequence[Column[Any]]) -> Rows:
        """See `Difference`."""
        names = [f"{name}_{one.name}" for one in columns]
        arrays = [bindparam(key, type_=ARRAY(one.type)) for key, one in zip(names, columns, strict=True)]
        source = func.unnest(*arrays).table_valued(*(column(one.name, one.type) for one in columns), name=name)
        source = source.render_derived()

        return Rows(
            columns={one.name: source.c[one.name] for one in columns}, select=select, bind=_Binder(names, columns)
        )

    def prepare(self, statement: Executable) -> Prepared:
        """See `Difference`."""
        return Prepared.of(statement, _DIALECT)

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
        if (state, table) in ((_UNIQUE_VIOLATION, "events"), (_NOT_NULL_VIOLATION, "subscriptions")):
            return Trouble.CONFLICT
        # What asyncpg cannot even send is a `ValueError`, too.
        is_of_the_data = state[:2] in _CLASSES_OF_THE_DATA or isinstance(error, ValueError)
        return Trouble.DATA if is_of_the_data else Trouble.DATABASE


class _Binder:
    """Turns rows of Python values into the arrays of one row set, one for each column."""

    def __init__(self, names: Sequence[str], columns: Sequence[Column[Any]]) -> None:
        self._names = names
        self._processors = [one.type.dialect_impl(_DIALECT).bind_processor(_DIALECT) for one in columns]

    def __call__(self, rows: Sequence[tuple[Any, ...]]) -> Parameters:
        return {
            name: list(values) if process is None else [process(value) for value in values]
            for name, process, values in zip(self._names, self._processors, zip(*rows, strict=True), strict=True)
        }


def _array(name: str) -> ColumnElement[Any]:
    return bindparam(name, type_=ARRAY(Text))
