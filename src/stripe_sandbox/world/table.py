"""The rows of one kind, and how they are put back as they were when an attempt at changing them fails."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from stripe_sandbox.resource import Resource, decode, encode

_MOST_GAPS: Final = 1_000


class _Image(NamedTuple):
    """A row as it was when an attempt first came upon it; without a row there was none."""

    table: "Table"
    row: Resource | None
    body: bytes
    position: int


class Journal:
    """What the rows were before an attempt; rows change in place, so each is copied when it is first read."""

    def __init__(self) -> None:
        self.images: dict[tuple[str, str], _Image] = {}

    def note(self, table: "Table", key: str, row: Resource | None, position: int) -> None:
        if (table.kind, key) not in self.images:
            self.images[table.kind, key] = _Image(table, row, b"" if row is None else encode(row), position)

    def restore(self) -> None:
        for (_, key), image in self.images.items():
            if image.row is None:
                image.table.drop(key)
            else:
                image.row.clear()
                image.row.update(decode(image.body))
                image.table.reinstate(key, image.row, image.position)

    def absorb(self, inner: "Journal") -> None:
        """Take over what an attempt within this one has changed; the older image of a row stands."""
        for name, image in inner.images.items():
            self.images.setdefault(name, image)


class Table(Mapping[str, Resource]):
    """Rows by key, in the order they were first put. A row read while an attempt runs may be changed in place."""

    def __init__(self, kind: str, journals: list[Journal]) -> None:
        self.kind = kind
        self._journals = journals
        self._rows: dict[str, Resource] = {}
        self._positions: dict[str, int] = {}
        self._order: list[tuple[int, str]] = []
        """Ascending; an entry whose position is no longer the key's is a gap."""
        self._next = 0

    def put(self, key: str, row: Resource) -> None:
        """Keep a row under a key, at the end if the key is new."""
        if self._journals:
            self._journals[-1].note(self, key, self._rows.get(key), self._positions.get(key, 0))
        if key not in self._positions:
            self._append(key, self._next)
        self._rows[key] = row

    def position(self, key: str) -> int:
        return self._positions[key]

    def load(self, key: str, row: Resource, position: int) -> None:
        """Put a row where it stood; rows are loaded in the order of their positions."""
        self._append(key, position)
        self._rows[key] = row

    def _append(self, key: str, position: int) -> None:
        self._positions[key] = position
        self._order.append((position, key))
        self._next = position + 1

    def remove(self, key: str) -> None:
        if (row := self._rows.get(key)) is not None and self._journals:
            self._journals[-1].note(self, key, row, self._positions[key])
        self.drop(key)
        if not self._journals and len(self._order) > 2 * len(self._rows) + _MOST_GAPS:
            self._order = [entry for entry in self._order if self._stands(entry)]

    def drop(self, key: str) -> None:
        """Forget a row, and that it ever was."""
        self._rows.pop(key, None)
        self._positions.pop(key, None)

    def reinstate(self, key: str, row: Resource, position: int) -> None:
        """Put a row back to where it was, though it may have been removed or replaced since."""
        if self._positions.get(key) == position:
            self._rows[key] = row
            return
        self._rows[key] = row
        self._positions[key] = position
        self._rows = dict(sorted(self._rows.items(), key=lambda pair: self._positions[pair[0]]))

    def _stands(self, entry: tuple[int, str]) -> bool:
        return self._positions.get(entry[1]) == entry[0]

    def _read(self, key: str) -> Resource:
        row = self._rows[key]
        if self._journals:
            self._journals[-1].note(self, key, row, self._positions[key])
        return row

    def where(self, wanted: Callable[[Resource], bool]) -> list[Resource]:
        """The rows that are wanted, oldest first. The others are looked at only: the test must not change them."""
        return [self._read(key) for key, row in list(self._rows.items()) if wanted(row)]

    def newest_first(self, *, before: str | None = None) -> Iterator[Resource]:
        """Rows older than `before`, or all, from the newest on."""
        for index in range(self._index(before, len(self._order)) - 1, -1, -1):
            if self._stands(self._order[index]):
                yield self._read(self._order[index][1])

    def oldest_first(self, *, after: str | None = None) -> Iterator[Resource]:
        """Rows newer than `after`, or all, from the oldest on."""
        for index in range(self._index(after, -1) + 1, len(self._order)):
            if self._stands(self._order[index]):
                yield self._read(self._order[index][1])

    def _index(self, key: str | None, default: int) -> int:
        return default if key is None else bisect_left(self._order, (self._positions[key], key))

    def __getitem__(self, key: str) -> Resource:
        return self._read(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def __len__(self) -> int:
        return len(self._rows)
