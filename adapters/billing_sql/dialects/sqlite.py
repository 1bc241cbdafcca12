"""What is special to SQLite: sets travel as JSON, which SQLite takes apart.

One statement with one row set is one step of SQLite's machine, whatever the number of rows. That matters in Python:
each step gives the interpreter's lock away, and a busy event loop is slow to give it back.
"""

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    CompoundSelect,
    LargeBinary,
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
from billing_sql.dialects.json_rows import JsonRows, as_json, blobs_name
from billing_sql.dialects.prepared import Prepared, Row, Session

_DIALECT = sqlite.dialect()
_ROWS = msgspec.json.Decoder(list[list[Any]])
_CONFLICTS = frozenset({"UNIQUE constraint failed: events.id", "NOT NULL constraint failed: subscriptions.tier"})
_OF_THE_DATA = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.InterfaceError)


class SqliteDifference:
    """SQLite's ways."""

    errors = (sqlite3.Error,)
    locks_rows = False
    allow_sweep = None

    def __init__(self) -> None:
        """Begin without statements."""
        self._prepared: dict[Executable, Prepared] = {}

    def insert(self, table: TableClause) -> sqlite.Insert:
        """See `Difference`."""
        return sqlite.insert(table)

    def among(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        """See `Difference`."""
        return column.in_(self.members(name))

    def members(self, name: str) -> Select[Any]:
        """See `Difference`."""
        return select(func.json_each(bindparam(name, type_=Text)).table_valued("value").c.value)

    def selected(self, column: ColumnElement[Any], texts: Select[Any] | CompoundSelect[Any]) -> ColumnElement[bool]:
        """See `Difference`."""
        return column.in_(texts)

    def texts(self, values: Collection[str]) -> object:
        """See `Difference`."""
        return as_json(sorted(values))

    def rows(self, name: str, columns: Sequence[Column[Any]]) -> Rows:
        """See `Difference`. All blobs of a row set travel as one, next to the JSON, and are cut out of it."""
        one = func.json_each(bindparam(name, type_=Text)).table_valued("value", name=name).c.value
        blobs = bindparam(blobs_name(name), type_=LargeBinary)
        values: dict[str, ColumnElement[Any]] = {}
        for place, column in enumerate(columns):
            if isinstance(column.type, LargeBinary):
                begin, length = _item(one, place), _item(one, len(columns))
                values[column.name] = func.substr(blobs, begin, length, type_=LargeBinary)
            else:
                values[column.name] = func.json_extract(one, literal_column(f"'$[{place}]'"), type_=column.type)

        def select_rows(*expressions: ColumnElement[Any]) -> Select[Any]:
            # Without a condition SQLite would read ON CONFLICT as a join of the rows selected from.
            return select(*expressions).where(one.is_not(None))

        return Rows(columns=values, select=select_rows, bind=JsonRows(name, columns, _DIALECT))

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
        for statement, parameters in writes:
            prepared = self._prepared.get(statement)
            if prepared is None:
                prepared = self._prepared[statement] = self.prepare(statement)
            await session.execute(prepared, parameters)

    def trouble(self, error: BaseException) -> Trouble:
        """See `Difference`."""
        if str(error) in _CONFLICTS:
            return Trouble.CONFLICT
        return Trouble.DATA if isinstance(error, _OF_THE_DATA) else Trouble.DATABASE


def _unpacked(rows: Iterable[Row]) -> Iterable[Row]:
    [[text]] = rows
    return _ROWS.decode(text)


def _item(one: ColumnElement[Any], place: int) -> ColumnElement[Any]:
    return func.json_extract(one, literal_column(f"'$[{place}]'"))
