"""Statements that are compiled once and then run on the driver itself.

What SQLAlchemy does anew for each execution (look the statement up, set up a context and a result, switch greenlets)
costs several times what the driver's own work does. Where every microsecond counts, on the way of webhooks and status
reads, the same Core statements run this way.
"""

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

from sqlalchemy import CompoundSelect, Select
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ClauseElement, Executable

Answer = TypeVar("Answer")
Parameters = Mapping[str, object]
Row = Sequence[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A statement in the database's own words."""

    sql: str
    names: tuple[str, ...]
    """The parameters, in the order of their places."""
    constants: Parameters
    """The values of those that the statement brings along."""
    conversions: tuple[tuple[int, Callable[[Any], Any]], ...]
    """Which columns of the answer are converted, and how."""
    unpack: Callable[[Iterable[Row]], Iterable[Row]] | None = None
    """Takes rows apart that the database has packed into one."""

    @classmethod
    def of(cls, statement: Executable, dialect: Dialect) -> "Prepared":
        """Compile a statement. Its parameters must be given as the driver takes them; they are not converted."""
        compiled = cast("SQLCompiler", cast("ClauseElement", statement).compile(dialect=dialect))
        columns = statement.selected_columns if isinstance(statement, Select | CompoundSelect) else ()
        reads = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
        return cls(
            sql=str(compiled),
            names=tuple(compiled.positiontup or ()),
            constants={name: value for name, value in compiled.params.items() if value is not None},
            conversions=tuple((place, read) for place, read in enumerate(reads) if read is not None),
        )

    def arguments(self, parameters: Parameters) -> list[object]:
        """Put the parameters in their places."""
        return [parameters[name] if name in parameters else self.constants[name] for name in self.names]

    def converted(self, rows: Iterable[Row]) -> list[Row]:
        """Turn what the driver answered into the domain's values."""
        answer: list[Row] = []
        for row in rows if self.unpack is None else self.unpack(rows):
            values = list(row)
            for place, convert in self.conversions:
                value = values[place]
                if value is not None:
                    values[place] = convert(value)
            answer.append(values)
        return answer


class Session(Protocol):
    """One connection of the driver's."""

    async def execute(self, statement: Prepared, parameters: Parameters) -> list[Row]:
        """Execute a statement and answer all rows."""
        ...


Step = Callable[[Session], Coroutine[Any, Any, Answer]]
"""A part of a transaction."""
