"""What is special to SQLite: sets of texts travel as JSON, which SQLite takes apart, and queries answer one JSON text.

Such a query is one step of SQLite's machine, whatever the number of rows. That matters in Python: each step gives the
interpreter's lock away, and a busy event loop is slow to give it back. Rows that are written go one by one all the
same: to take JSON apart costs SQLite more than that.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any, Protocol, cast

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    CompoundSelect,
    Select,
    Text,
    bindparam,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.expression import Executable, TableClause

from billing_sql.dialects.difference import Rows, Trouble, Write
from billing_sql.dialects.json_rows import PlainRows, as_json
from billing_sql.dialects.prepared import Prepared, Row, Session

_DIALECT = sqlite.dialect()
_ROWS = msgspec.json.Decoder(list[list[Any]])
_CONFLICTS = frozenset({"UNIQUE constraint failed: events.id", "NOT NULL constraint failed: subscriptions.tier"})
_OF_THE_DATA = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.InterfaceError)


class RepeatingSession(Session, Protocol):
    """A connection that executes a statement for many rows."""

    async def execute_for_each(self, statement: Prepared, rows: Iterable[Sequence[object]]) -> None:
        """Execute a statement once for each row, which has its parameters in their places."""
        ...


@dataclass(frozen=True, slots=True)
class _Write:
    """A statement that writes."""

    prepared: Prepared
    places: Callable[[Row], Sequence[object]] | None
    """Puts a row's values in the places of the parameters; without it there is no row, but sets of texts."""

    @classmethod
    def of(cls, prepared: Prepared) -> "_Write":
        places = [int(place) for name in prepared.names if (place := name.partition(" ")[2])]
        # A parameter that is no value of the row would have to be given for each row.
        assert not places or len(places) == len(prepared.names) > 1, prepared.names  # noqa: S101 - a programmer's slip
        return cls(prepared, itemgetter(*places) if places else None)


class SqliteDifference:
    """SQLite's ways."""

    errors = (sqlite3.Error,)
    locks_rows = False
    allow_sweep = None

    def __init__(self) -> None:
        """Begin without statements."""
        self._writes: dict[Executable, _Write] = {}

    def insert(self, table: TableClause) -> sqlite.Insert:
        """See `Difference`."""
        return sqlite.insert(table)

    def among(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        """See `Difference`."""
        return column.in_(self.members(name))

    def members(self, name: str) -> Select[Any]:
        """See `Difference`."""
        return select(func.json_each(bindparam(name, type_=Text)).table_valued("value").c.value)

    def triples(self, name: str) -> tuple[ColumnElement[str], ColumnElement[str], ColumnElement[str]]:
        """See `Difference`."""
        triple = func.json_each(bindparam(name, type_=Text)).table_valued("value", name=name).c.value
        return _item(triple, 0), _item(triple, 1), _item(triple, 2)

    def selected(self, column: ColumnElement[Any], texts: Select[Any] | CompoundSelect[Any]) -> ColumnElement[bool]:
        """See `Difference`."""
        return column.in_(texts)

    def texts(self, values: Collection[str]) -> object:
        """See `Difference`."""
        return as_json(sorted(values))

    def rows(self, name: str, columns: Sequence[Column[Any]]) -> Rows:
        """See `Difference`. A statement is executed for each row by itself, whose values are its parameters."""
        values: dict[str, ColumnElement[Any]] = {
            column.name: bindparam(f"{name} {place}", type_=column.type) for place, column in enumerate(columns)
        }

        def select_row(*expressions: ColumnElement[Any]) -> Select[Any]:
            # Without a condition SQLite would read ON CONFLICT as a join of the rows selected from.
            return select(*expressions).where(literal_column("1"))

        return Rows(columns=values, select=select_row, bind=PlainRows(name, columns, _DIALECT))

    def prepare(self, statement: Executable) -> Prepared:
        """See `Difference`."""
        return Prepared.of(statement, _DIALECT)

    def prepare_query(self, statement: Select[Any] | CompoundSelect[Any]) -> Prepared:
        """See `Difference`. All rows come as one, of one text: fetching a row is a step, too."""
        rows = statement.subquery()
        packed = self.prepare(select(func.json_group_array(func.json_array(*rows.c))))
        return replace(packed, conversions=self.prepare(statement).conversions, unpack=_unpacked)

    async def write_all(self, session: Session, writes: Sequence[Write]) -> None:
        """See `Difference`."""
        # SQLite's engine hands out no others.
        repeating = cast("RepeatingSession", session)
        for statement, parameters in writes:
            write = self._writes.get(statement)
            if write is None:
                write = self._writes[statement] = _Write.of(self.prepare(statement))
            if write.places is None:
                await session.execute(write.prepared, parameters)
            else:
                (rows,) = cast("Iterable[list[Row]]", parameters.values())
                await repeating.execute_for_each(write.prepared, map(write.places, rows))

    def trouble(self, error: BaseException) -> Trouble:
        """See `Difference`."""
        if str(error) in _CONFLICTS:
            return Trouble.CONFLICT
        return Trouble.DATA if isinstance(error, _OF_THE_DATA) else Trouble.DATABASE


def _item(array: ColumnElement[Any], place: int) -> ColumnElement[Any]:
    return func.json_extract(array, literal_column(f"'$[{place}]'"), type_=Text)


def _unpacked(rows: Iterable[Row]) -> Iterable[Row]:
    [[text]] = rows
    return _ROWS.decode(text)
