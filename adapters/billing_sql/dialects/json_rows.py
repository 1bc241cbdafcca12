"""Rows of values, and how they travel: one by one, or as one JSON text which the database takes apart."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import msgspec
from sqlalchemy import Column, LargeBinary, Text
from sqlalchemy.engine import Dialect

from billing_sql.dialects.prepared import Parameters


def blobs_name(name: str) -> str:
    """Answer how the parameter with the blobs is called, next to that with the rows."""
    return f"{name}_blobs"


def as_json(values: object) -> str:
    """Write JSON that both databases read; raises `ValueError` for text that neither stores."""
    text = msgspec.json.encode(values).decode()
    if "\\u0000" in text:
        # SQLite would end the text there; PostgreSQL refuses it too.
        raise ValueError("a text contains a NUL")
    return text


class RowValues:
    """Turns rows of Python values into rows as a driver takes them."""

    def __init__(self, columns: Sequence[Column[Any]], dialect: Dialect) -> None:
        """Write rows of these columns."""
        self._processors = [
            (place, process)
            for place, column in enumerate(columns)
            if (process := column.type.dialect_impl(dialect).bind_processor(dialect)) is not None
            and not isinstance(column.type, LargeBinary)
        ]

    def __call__(self, rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
        """Answer the rows, converted."""
        values = [list(row) for row in rows]
        for place, process in self._processors:
            for row in values:
                value = row[place]
                if value is not None:
                    row[place] = process(value)
        return values


class JsonRows:
    """Turns rows into one JSON text; their blobs travel as one, next to it.

    Encoding one text costs a fraction of what asyncpg spends on as many values one by one.
    """

    def __init__(self, name: str, columns: Sequence[Column[Any]], dialect: Dialect) -> None:
        """Write rows of these columns; one of them may be a blob."""
        self._name = name
        self._values = RowValues(columns, dialect)
        self._blob = next((at for at, column in enumerate(columns) if isinstance(column.type, LargeBinary)), None)

    def __call__(self, rows: Sequence[tuple[Any, ...]]) -> Parameters:
        """Answer the parameters. A row is an array, in the columns' order; the length of a blob stands at its end."""
        values = self._values(rows)
        if self._blob is None:
            return {self._name: as_json(values)}
        blobs: list[bytes] = [row[self._blob] for row in rows]
        begins = accumulate((len(blob) for blob in blobs), initial=1)
        for row, blob, begin in zip(values, blobs, begins, strict=False):
            row[self._blob] = begin
            row.append(len(blob))
        return {self._name: as_json(values), blobs_name(self._name): b"".join(blobs)}


class PlainRows:
    """Leaves rows as they are: they are executed one by one."""

    def __init__(self, name: str, columns: Sequence[Column[Any]], dialect: Dialect) -> None:
        """Write rows of these columns."""
        self._name = name
        self._values = RowValues(columns, dialect)
        self._texts = [place for place, column in enumerate(columns) if isinstance(column.type, Text)]

    def __call__(self, rows: Sequence[tuple[Any, ...]]) -> Parameters:
        """Answer the rows as the one parameter; raises `ValueError` for a text with a NUL, as PostgreSQL does."""
        values = self._values(rows)
        for row in values:
            for place in self._texts:
                text = row[place]
                if text is not None and "\0" in text:
                    raise ValueError("a text contains a NUL")
        return {self._name: values}
