"""The world: every object, the clock, and the events that its changes emit."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from stripe_sandbox.api.errors import ApiError, no_such
from stripe_sandbox.config import SandboxConfig
from stripe_sandbox.resource import Resource, snapshot
from stripe_sandbox.world.agenda import Agenda
from stripe_sandbox.world.clock import Clock
from stripe_sandbox.world.ids import Ids
from stripe_sandbox.world.store import Store
from stripe_sandbox.world.table import Table

EVENT: Final = "event"
_META: Final = "meta"


@dataclass(frozen=True, slots=True)
class Origin:
    """The API request behind a change, which its events name."""

    request_id: str | None = None
    idempotency_key: str | None = None


class World:
    """State and its rules' common ground; the rules themselves are functions in `billing`."""

    def __init__(self, config: SandboxConfig, clock: Clock | None = None) -> None:
        self.config = config
        self.store = Store(config.database)
        self.clock = clock or Clock()
        self.ids = Ids()
        self.agenda = Agenda()
        self.origin = Origin()
        self.listeners: list[Callable[[Resource], None]] = []
        self.on_put: Callable[[Resource], None] = _nothing
        self.ties = False
        self._untold: list[Resource] = []
        """Events that no listener has heard of yet: what they tell of may be taken back."""
        self._attempts = 0
        self._moment: int | None = None
        self._tie: int | None = None
        try:
            self._load_clock()
            self._begin_ids()
        except BaseException:
            self.store.abandon()
            raise

    # Time

    def _load_clock(self) -> None:
        if (row := self.store.table(_META).get("clock")) is not None:
            self.clock.offset_seconds = int(row["offset_seconds"])

    def _begin_ids(self) -> None:
        """Ids are repeatable under a seed, and yet new in a world that was begun by an earlier run of the program."""
        row = self.store.table(_META).get("runs")
        runs = 0 if row is None else int(row["count"])
        self.ids = Ids(self.config.random_seed, run=runs)
        if self.config.database is not None:
            self.store.put(_META, "runs", {"count": runs + 1})

    def advance(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self.store.put(_META, "clock", {"offset_seconds": self.clock.offset_seconds})

    def reset(self) -> None:
        """An empty world, at the real time, whose ids begin anew."""
        self.store.clear()
        self.agenda.clear()
        self.clock.offset_seconds = 0
        self._begin_ids()

    def now(self, test_clock: str | None = None) -> int:
        """The time a thing happens at: that of the step being played back, of its test clock, or of the world."""
        if self._moment is not None:
            return self._moment
        if test_clock is not None and (row := self.rows("test_helpers.test_clock").get(test_clock)):
            return int(row["frozen_time"])
        return self.clock.now()

    @contextmanager
    def at(self, moment: int) -> Generator[None]:
        """Let what happens inside happen at a moment that a clock has jumped over."""
        self._moment, before = moment, self._moment
        try:
            yield
        finally:
            self._moment = before

    @contextmanager
    def caused_by(self, origin: Origin) -> Generator[None]:
        self.origin, before = origin, self.origin
        try:
            yield
        finally:
            self.origin = before

    # Objects

    def rows(self, kind: str) -> Table:
        return self.store.table(kind)

    def find(self, kind: str, key: str | None) -> Resource | None:
        return None if key is None else self.rows(kind).get(key)

    def get(self, kind: str, key: str, *, param: str = "id") -> Resource:
        """The object, or Stripe's `resource_missing`: 404 for the one addressed, 400 for one named in a parameter."""
        if (row := self.rows(kind).get(key)) is None:
            raise no_such(kind, key, param=param)
        return row

    def put(self, resource: Resource) -> None:
        self.store.put(str(resource["object"]), str(resource["id"]), resource)
        self.on_put(resource)

    def private(self, resource_id: str) -> dict[str, Any]:
        """What Stripe knows of an object and does not show; `keep` it after a change."""
        return self.store.table("private").get(resource_id, {})

    def keep(self, resource_id: str, **facts: Any) -> None:
        self.store.put("private", resource_id, {**self.private(resource_id), **facts})

    def commit(self) -> None:
        self.store.commit()

    @contextmanager
    def attempt(self) -> Generator[None]:
        """Let all that is done inside stand, or none of it: an exception puts rows and clock back and goes on.

        Nobody is told of an event before the outermost attempt has come to its end, and nothing is written before
        the `commit` after it. Read the rows that are changed inside, and await nothing. An `ApiError` that says
        `changes_stand` takes nothing back.
        """
        told, offset, tie = len(self._untold), self.clock.offset_seconds, self._tie
        self._attempts += 1
        try:
            with self.store.attempt() as restore:
                try:
                    yield
                except BaseException as error:
                    if not (isinstance(error, ApiError) and error.changes_stand):
                        restore()
                        del self._untold[told:]
                        self.clock.offset_seconds, self._tie = offset, tie
                    raise
        finally:
            self._attempts -= 1
            if not self._attempts:
                self._tell()

    # Events

    def emit(self, event_type: str, resource: Resource, *, before: Resource | None = None) -> Resource:
        """Record that something happened and tell the listeners; `before` makes `previous_attributes`.

        Also saves the resource: an object that changed without saying so would be a bug.
        """
        self.put(resource)
        return self.emit_snapshot(event_type, resource, before=before)

    def emit_snapshot(
        self,
        event_type: str,
        resource: Resource,
        *,
        before: Resource | None = None,
        created: int | None = None,
        previous: Resource | None = None,
    ) -> Resource:
        """Record an event without saving the resource; a hand-made one may bring its time and its past."""
        event_id = self.ids.long("evt")
        record: Resource = {
            "id": event_id,
            "type": event_type,
            "created": self._event_time(resource) if created is None else created,
            "api_version": self.config.api_version,
            "request": {"id": self.origin.request_id, "idempotency_key": self.origin.idempotency_key},
            "object": snapshot(resource),
            "previous": previous if before is None else _changed(before, resource),
            "deliveries": {},
        }
        self.store.put(EVENT, event_id, record)
        self._untold.append(record)
        if not self._attempts:
            self._tell()
        return record

    def _tell(self) -> None:
        records, self._untold = self._untold, []
        for record in records:
            for listener in self.listeners:
                listener(record)

    def _event_time(self, resource: Resource) -> int:
        if not self.ties:
            self._tie = None
            return self.now(self.test_clock_of(resource))
        if self._tie is None:
            self._tie = self.now(self.test_clock_of(resource))
        return self._tie

    def test_clock_of(self, resource: Resource) -> str | None:
        clock = resource.get("test_clock")
        if clock is None and (customer := self.find("customer", _plain(resource.get("customer")))) is not None:
            clock = customer.get("test_clock")
        return _plain(clock)


def _nothing(resource: Resource) -> None:
    del resource


def _plain(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _changed(before: Resource, after: Resource) -> Resource:
    return {key: value for key, value in before.items() if after.get(key) != value} | {
        key: None for key in after if key not in before
    }
