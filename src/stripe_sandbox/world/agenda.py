"""What is due when, so that time passing costs nothing while nothing is due."""

import heapq
from typing import Final, NamedTuple

WORLD_CLOCK: Final = ""


class Entry(NamedTuple):
    at: int
    kind: str
    key: str


class Agenda:
    """A heap of due moments for each clock. Entries may be out of date: who pops one looks again."""

    def __init__(self) -> None:
        self._heaps: dict[str, list[Entry]] = {}
        self._planned: dict[tuple[str, str], int] = {}

    def add(self, entry: Entry, *, clock: str | None = None) -> None:
        if self._planned.get((entry.kind, entry.key)) == entry.at:
            return
        self._planned[entry.kind, entry.key] = entry.at
        heapq.heappush(self._heaps.setdefault(clock or WORLD_CLOCK, []), entry)

    def pop_due(self, until: int, *, clock: str | None = None) -> Entry | None:
        heap = self._heaps.get(clock or WORLD_CLOCK)
        if not heap or heap[0].at > until:
            return None
        entry = heapq.heappop(heap)
        if self._planned.get((entry.kind, entry.key)) == entry.at:
            del self._planned[entry.kind, entry.key]
        return entry

    def clear(self) -> None:
        self._heaps.clear()
        self._planned.clear()
