"""What a transaction ends with: its changes are written, one statement for each table that is concerned."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, bindparam, case, delete, func, literal_column, select, update
from sqlalchemy.sql.expression import Delete, Insert, Update

from billing.identifiers import AccountId
from billing.ports import Changes, DecidedEvent
from billing.standing import Standing
from billing_sql.dialects.difference import Difference, Rows, Write
from billing_sql.rows import STANDING, SUBSCRIPTION, columns_of, standing_row, subscription_row
from billing_sql.tables import (
    accounts,
    alerts,
    checkout_attempts,
    customers,
    events,
    failed_events,
    rereads,
    subscriptions,
)


class Saving:
    """Writes changes, one statement for each table that is concerned."""

    def __init__(self, difference: Difference) -> None:
        """Prepare the statements."""
        self.write_all = difference.write_all
        self._texts = difference.texts
        self._events = _Insert.events(difference)
        self._locks_rows = difference.locks_rows
        self._guard = difference.rows("guarded", [*columns_of(accounts, "id", "version"), *STANDING])
        self._guarded_events = _Insert.events(difference, _moved(self._guard)) if difference.locks_rows else None
        self._subscriptions = _Insert.subscriptions(difference)
        self._standings = _Insert.standings(difference)
        self._rereads = _Insert.rereads(difference)
        self._customers = _Insert.customers(difference)
        self._alerts = _Insert.alerts(difference)
        self._forget_failures = delete(failed_events).where(difference.among(failed_events.c.id, "done"))
        self._close_sessions = delete(checkout_attempts).where(
            difference.among(checkout_attempts.c.session_id, "closed")
        )
        self._drop_attempts = delete(checkout_attempts).where(difference.among(checkout_attempts.c.customer_id, "gone"))
        self._touch_accounts = (
            update(accounts).where(difference.among(accounts.c.id, "touched")).values(version=accounts.c.version + 1)
        )
        self._delete_customers = (
            update(customers).where(difference.among(customers.c.customer_id, "gone")).values(is_deleted=True)
        )

    def writes(self, changes: Changes) -> list[Write]:
        """Answer what to execute. The events come first: if one is there already, nothing else need be done."""
        # Where rows cannot be locked, nobody reads subscriptions without a lock, and nobody asks for a version.
        touched = _accounts_of(changes) - changes.standings.keys() if self._locks_rows else set[AccountId]()
        standings = [(id_, *standing_row(one)) for id_, one in sorted(changes.standings.items())]
        return [
            *_bound((self._events, _event_rows(changes))),
            *_bound((self._standings, standings)),
            *self._chosen((self._touch_accounts, "touched", touched)),
            *self._others(changes),
        ]

    def guarded_writes(
        self, changes: Changes, versions: Mapping[AccountId, int], standings: Mapping[AccountId, Standing]
    ) -> list[Write] | None:
        """Answer what to execute without having locked anything; `None` if that cannot be.

        It is one statement, which takes the locks itself. It is a `Conflict`, and writes nothing, unless every account
        concerned still has its version. A standing that does not change is written as it was read.
        """
        if changes.customers or changes.customers_deleted or changes.sessions_closed:
            # What these rows depend on is written without moving an account's version.
            return None
        concerned = sorted(_accounts_of(changes))
        if not concerned:
            return self.writes(changes)
        if not changes.events or not versions.keys() >= set(concerned) or self._guarded_events is None:
            return None
        written = {**standings, **changes.standings}
        guard = self._guard.bind([(id_, versions[id_], *standing_row(written[id_])) for id_ in concerned])
        rows = self._guarded_events.rows.bind(_event_rows(changes))
        statement = self._guarded_events.statement
        return [(statement, {**rows, **guard, "expected": len(concerned)}), *self._others(changes)]

    def _others(self, changes: Changes) -> list[Write]:
        """Write what is neither an event nor on an account's row."""
        held = [subscription_row(one) for _, one in sorted(changes.subscriptions.items())]
        often = [
            *_bound((self._subscriptions, held)),
            *self._chosen(
                (self._forget_failures, "done", {event.delivery.id for event in changes.events}),
                (self._close_sessions, "closed", changes.sessions_closed),
            ),
        ]
        if changes.rereads or changes.customers or changes.customers_deleted or changes.alerts:
            # With most events there is nothing of these; to find that out for each of them takes its time.
            often += self._seldom(changes)
        return often

    def _seldom(self, changes: Changes) -> list[Write]:
        at = changes.received_at
        counted = Counter(changes.alerts)
        gone = changes.customers_deleted
        return [
            *_bound(
                (self._rereads, [(id_, at, 0) for id_ in sorted(changes.rereads)]),
                (self._customers, [(id_, owner, id_ in gone) for id_, owner in sorted(changes.customers.items())]),
                (
                    self._alerts,
                    [(alert.value, about, at, at, count) for (alert, about), count in sorted(counted.items())],
                ),
            ),
            *self._chosen((self._delete_customers, "gone", gone), (self._drop_attempts, "gone", gone)),
        ]

    def _chosen(self, *wanted: tuple[Update | Delete, str, set[Any]]) -> Iterable[Write]:
        """Write to the rows that are named by these texts."""
        return ((statement, {name: self._texts(values)}) for statement, name, values in wanted if values)


def _bound(*wanted: "tuple[_Insert, list[tuple[object, ...]]]") -> Iterable[Write]:
    return ((insert.statement, insert.rows.bind(rows)) for insert, rows in wanted if rows)


def _accounts_of(changes: Changes) -> set[AccountId]:
    """Answer whose subscriptions or standings are written."""
    return {*changes.standings, *(held.account for held in changes.subscriptions.values())}


def _moved(guard: Rows) -> CTE:
    """Write the standings of the accounts that still have the version they had, which locks them.

    In the order of the ids' code points: so the rows are sorted, and PostgreSQL goes from each of them to its account.
    It may go the other way round while it thinks that there are no accounts, or one; should that end in a deadlock, one
    of the two is a `Conflict`.
    """
    new = guard.columns
    return _written(guard).where(accounts.c.version == new["version"]).returning(accounts.c.id).cte("moved")


def _written(rows: Rows) -> Update:
    """Write the standings on the accounts' rows."""
    new = rows.columns
    standing = {column.name: new[column.name] for column in STANDING}
    # No parameter: each of them would have to be given for each row.
    version = accounts.c.version + literal_column("1")
    return update(accounts).where(accounts.c.id == new["id"]).values({**standing, "version": version})


def _event_rows(changes: Changes) -> list[tuple[object, ...]]:
    decided = sorted(changes.events, key=lambda event: event.delivery.id)
    return [_event_row(event, changes.received_at) for event in decided]


def _event_row(event: DecidedEvent, at: datetime) -> tuple[object, ...]:
    delivery = event.delivery
    return (
        delivery.id,
        delivery.type,
        delivery.created,
        at,
        event.outcome.value,
        event.account,
        event.subscription,
        delivery.payload,
    )


class _Insert:
    """A statement that writes a set of rows."""

    def __init__(self, statement: Insert | Update, rows: Rows) -> None:
        self.statement = statement
        self.rows = rows

    @classmethod
    def events(cls, difference: Difference, moved: CTE | None = None) -> "_Insert":
        """Insert; an id that is there already is an error.

        So is it that fewer accounts have moved than `expected`: that divides by zero. Other errors would show the row,
        with its payload, in PostgreSQL's log.
        """
        names = ["id", "type", "created", "received_at", "outcome", "account_id", "subscription_id", "payload"]
        rows = difference.rows("event", columns_of(events, *names))
        columns = dict(rows.columns)
        if moved is not None:
            all_have_moved = select(func.count()).select_from(moved).scalar_subquery() == bindparam("expected")
            from_first_letter = literal_column("1").op("/")(case((all_have_moved, 1), else_=0))
            columns["outcome"] = func.substr(columns["outcome"], from_first_letter)
        return cls(difference.insert(events).from_select(names, rows.select(*columns.values())), rows)

    @classmethod
    def subscriptions(cls, difference: Difference) -> "_Insert":
        """Insert or replace.

        One that is another account's by now is a race that this transaction has lost: setting its tier to NULL, which
        it may not be, makes that an error. The account itself is left alone: it is in an index, and refers to a row.
        """
        names = [column.name for column in SUBSCRIPTION]
        rows = difference.rows("held", SUBSCRIPTION)
        insert = difference.insert(subscriptions).from_select(names, rows.select(*rows.columns.values()))
        new = insert.excluded
        tier = case((subscriptions.c.account_id == new.account_id, new.tier), else_=None)
        changed = {name: new[name] for name in names if name not in ("id", "account_id")} | {"tier": tier}
        return cls(insert.on_conflict_do_update(index_elements=["id"], set_=changed), rows)

    @classmethod
    def standings(cls, difference: Difference) -> "_Insert":
        """Write the standings on the accounts' rows."""
        rows = difference.rows("standing", [accounts.c.id, *STANDING])
        return cls(_written(rows), rows)

    @classmethod
    def rereads(cls, difference: Difference) -> "_Insert":
        """Queue; what was due before keeps its place in the line, and its lease."""
        names = ["subscription_id", "due_at", "attempts"]
        rows = difference.rows("reread", columns_of(rereads, *names))
        insert = difference.insert(rereads).from_select(names, rows.select(*rows.columns.values()))
        due_at = case((rereads.c.due_at < insert.excluded.due_at, rereads.c.due_at), else_=insert.excluded.due_at)
        return cls(insert.on_conflict_do_update(index_elements=["subscription_id"], set_={"due_at": due_at}), rows)

    @classmethod
    def customers(cls, difference: Difference) -> "_Insert":
        """Attach each as its account's next generation, unless it is attached already."""
        rows = difference.rows("attached", columns_of(customers, "customer_id", "account_id", "is_deleted"))
        new = rows.columns
        theirs, same = customers.alias("theirs"), customers.alias("same")
        newest = select(func.coalesce(func.max(theirs.c.generation), literal_column("0"))).where(
            theirs.c.account_id == accounts.c.id
        )
        place = func.row_number().over(partition_by=accounts.c.id, order_by=new["customer_id"])
        attached = rows.select(
            accounts.c.id,
            newest.scalar_subquery() + place,
            new["customer_id"],
            accounts.c.email,
            accounts.c.name,
            new["is_deleted"],
        ).where(
            accounts.c.id == new["account_id"],
            ~select(same.c.customer_id).where(same.c.customer_id == new["customer_id"]).exists(),
        )
        names = ["account_id", "generation", "customer_id", "email", "name", "is_deleted"]
        insert = difference.insert(customers).from_select(names, attached)
        return cls(insert.on_conflict_do_nothing(index_elements=["customer_id"]), rows)

    @classmethod
    def alerts(cls, difference: Difference) -> "_Insert":
        """Count."""
        names = ["kind", "subject", "first_seen", "last_seen", "count"]
        rows = difference.rows("alert", columns_of(alerts, *names))
        insert = difference.insert(alerts).from_select(names, rows.select(*rows.columns.values()))
        new = insert.excluded
        more = {"last_seen": new.last_seen, "count": alerts.c.count + new.count}
        return cls(insert.on_conflict_do_update(index_elements=["kind", "subject"], set_=more), rows)
