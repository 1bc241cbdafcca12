"""What statements need to know of a database."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol

from sqlalchemy import Column, ColumnElement, CompoundSelect, Delete, Insert, Select, Update
from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert
from sqlalchemy.sql.expression import Executable, TableClause

from billing_sql.dialects.prepared import Parameters, Prepared, Session

Write = tuple[Insert | Update | Delete, Parameters]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A set of rows that travels to the database as parameters of one statement, all at once or one after another.

    Its text is prepared once, whatever the number of rows, and no database's limit on parameters is ever met.
    """

    columns: Mapping[str, ColumnElement[Any]]
    select: Callable[..., Select[Any]]
    """Selects expressions from the rows, in their order; or from the one row, where each is executed by itself."""
    bind: Callable[[Sequence[tuple[Any, ...]]], Parameters]
    """Answers the parameters that carry these rows, for a `Prepared`; their values are in the columns' order."""


class Trouble(Enum):
    """What an error of the database means."""

    CONFLICT = auto()
    """Another transaction was first: it inserted the same event, or took the same subscription."""
    DATA = auto()
    """What was to be written cannot be: the caller's fault, and trying again will not help."""
    DATABASE = auto()
    """The database's fault, not the caller's."""
    CONTENTION = auto()
    """Another transaction held what was to be locked, for longer than was waited for."""


class Difference(Protocol):
    """How one database differs from the other."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """The errors that the driver raises."""
        ...

    @property
    def locks_rows(self) -> bool:
        """Whether rows can be locked; else a transaction that writes is the only one that does."""
        ...

    @property
    def allow_sweep(self) -> Executable | None:
        """What a transaction executes before it reads a whole table, if anything."""
        ...

    def insert(self, table: TableClause) -> PostgresInsert | SqliteInsert:
        """Begin an insert that may say `on_conflict_do_...`."""
        ...

    def among(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        """Whether a column is one of the texts in the parameter `name`, made by `texts`."""
        ...

    def members(self, name: str) -> Select[Any]:
        """Select the texts in the parameter `name`, made by `texts`."""
        ...

    def triples(self, name: str) -> tuple[ColumnElement[str], ColumnElement[str], ColumnElement[str]]:
        """Answer the texts, or nulls, of the triples in the parameter `name`, made by `json_rows.as_json`."""
        ...

    def selected(self, column: ColumnElement[Any], texts: Select[Any] | CompoundSelect[Any]) -> ColumnElement[bool]:
        """Whether a column is one of the texts that a query answers."""
        ...

    def texts(self, values: Collection[str]) -> object:
        """Answer the parameter that carries these texts."""
        ...

    def rows(self, name: str, columns: Sequence[Column[Any]]) -> Rows:
        """Describe rows of these columns' types; `name` tells them from others in one statement."""
        ...

    def prepare(self, statement: Executable) -> Prepared:
        """Compile a statement."""
        ...

    def prepare_query(self, statement: Select[Any] | CompoundSelect[Any]) -> Prepared:
        """Compile a query that is to answer many rows."""
        ...

    async def write_all(self, session: Session, writes: Sequence[Write]) -> None:
        """Execute all writes, in as few round trips as can be. The first one is executed first."""
        ...

    def trouble(self, error: BaseException) -> Trouble:
        """Tell what an error of the driver's means."""
        ...
