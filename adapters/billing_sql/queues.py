"""What waits: re-reads and failed events."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Connection,
    Insert,
    and_,
    bindparam,
    case,
    func,
    literal,
    literal_column,
    or_,
    select,
    union_all,
    update,
)

from billing.identifiers import SubscriptionId
from billing.ports import FailedEvent, Reread
from billing.subscription import Status
from billing_sql.database import SqlDatabase
from billing_sql.dialects.difference import Difference
from billing_sql.rows import columns_of
from billing_sql.tables import events, failed_events, rereads, subscriptions

_TIME = rereads.c.due_at.type
_NOW = bindparam("now", type_=_TIME)
_LESS_THAN_A_SECOND = timedelta(microseconds=999_999)
# Any lease at all; a comparison is what every index can be asked.
_EVER = literal_column("0", BigInteger)
_DUE = (
    select(rereads.c.subscription_id, rereads.c.attempts, func.coalesce(subscriptions.c.version, 0))
    .outerjoin_from(rereads, subscriptions, subscriptions.c.id == rereads.c.subscription_id)
    .where(rereads.c.due_at <= _NOW, or_(rereads.c.leased_until.is_(None), rereads.c.leased_until <= _NOW))
    .order_by(rereads.c.due_at, rereads.c.subscription_id)
    .limit(bindparam("most"))
    # What another claimant is about to lease is left to it.
    .with_for_update(of=rereads, skip_locked=True)
)
# Two questions, so that an index answers each: many rows may wait, but few are leased.
_FREE_FIRST = select(func.min(rereads.c.due_at).label("at")).where(rereads.c.leased_until.is_(None))
_LEASED_FIRST = select(
    func.min(
        case(
            (and_(rereads.c.leased_until > _NOW, rereads.c.leased_until > rereads.c.due_at), rereads.c.leased_until),
            else_=rereads.c.due_at,
        )
    ).label("at")
).where(rereads.c.leased_until > _EVER)
_NEXT_DUE = select(func.min(union_all(_FREE_FIRST, _LEASED_FIRST).subquery().c.at, type_=_TIME))
_PUT_BACK = (
    update(rereads)
    .where(rereads.c.subscription_id == bindparam("subscription"), rereads.c.lease == bindparam("held"))
    .values(due_at=bindparam("due", type_=_TIME), attempts=bindparam("tries"), lease=None, leased_until=None)
)


class SqlRereadQueue:
    """The queue of re-reads."""

    def __init__(self, database: SqlDatabase) -> None:
        """Keep it in `database`."""
        self._database = database
        self._claim = _Claiming(database.difference)
        self._queue_overdue = _queue_overdue(database.difference)
        self._allow_sweep = database.difference.allow_sweep

    async def claim(self, *, limit: int, now: datetime, leased_until: datetime, lease: str) -> Sequence[Reread]:
        """See `billing.ports.RereadQueue`."""
        due_at = await self.next_due(now=now)
        if due_at is None or due_at > now:
            # Most looks find nothing, and need no transaction.
            return []
        return await self._database.write(
            lambda connection: self._claim(connection, limit=limit, now=now, leased_until=leased_until, lease=lease)
        )

    async def queue_overdue(self, *, ended_before: datetime, now: datetime) -> int:
        """See `billing.ports.RereadQueue`."""
        # Periods end with a whole second, so nothing lies between a time and the next whole second.
        parameters = {"before": ended_before + _LESS_THAN_A_SECOND, "now": now}

        def sweep(connection: Connection) -> int:
            # No index is kept for this: it is rare, and each event would pay for it.
            if self._allow_sweep is not None:
                connection.execute(self._allow_sweep)
            return connection.execute(self._queue_overdue, parameters).rowcount

        return await self._database.write(sweep)

    async def next_due(self, *, now: datetime) -> datetime | None:
        """See `billing.ports.RereadQueue`."""
        return await self._database.read(lambda connection: connection.execute(_NEXT_DUE, {"now": now}).scalar_one())

    async def put_back(self, reread: Reread, *, due_at: datetime, attempts: int) -> None:
        """See `billing.ports.RereadQueue`."""
        parameters = {
            "subscription": reread.subscription,
            "held": reread.lease,
            "due": due_at,
            "tries": attempts,
        }
        await self._database.write(lambda connection: connection.execute(_PUT_BACK, parameters).rowcount)


def _queue_overdue(difference: Difference) -> Insert:
    """In the order of ids, and nothing that waits already, so that this does not wait in a circle with others."""
    names = ["subscription_id", "due_at", "attempts"]
    waiting = select(rereads.c.subscription_id).where(rereads.c.subscription_id == subscriptions.c.id).exists()
    overdue = (
        select(subscriptions.c.id, _NOW, literal(0))
        .where(
            subscriptions.c.status.in_([status for status in Status if status.grants_access]),
            subscriptions.c.period_end < bindparam("before", type_=subscriptions.c.period_end.type),
            ~waiting,
        )
        .order_by(subscriptions.c.id)
    )
    insert = difference.insert(rereads).from_select(names, overdue)
    return insert.on_conflict_do_nothing(index_elements=["subscription_id"])


class _Claiming:
    """Leases what is due."""

    def __init__(self, difference: Difference) -> None:
        self._texts = difference.texts
        self._lease = (
            update(rereads)
            .where(difference.among(rereads.c.subscription_id, "claimed"))
            .values(lease=bindparam("name"), leased_until=bindparam("until", type_=_TIME))
        )

    def __call__(
        self, connection: Connection, *, limit: int, now: datetime, leased_until: datetime, lease: str
    ) -> list[Reread]:
        due = connection.execute(_DUE, {"now": now, "most": limit}).all()
        if due:
            claimed = self._texts([id_ for id_, _, _ in due])
            connection.execute(self._lease, {"claimed": claimed, "name": lease, "until": leased_until})
        return [
            Reread(subscription=SubscriptionId(id_), attempts=attempts, version=version, lease=lease)
            for id_, attempts, version in due
        ]


class SqlFailedEvents:
    """Verified events that could not be processed."""

    def __init__(self, database: SqlDatabase) -> None:
        """Keep them in `database`."""
        self._database = database
        self._keep = _keep(database.difference)

    async def keep(self, failed: FailedEvent, *, at: datetime) -> None:
        """See `billing.ports.FailedEvents`. What has been processed meanwhile is not kept."""
        row = {
            "event": _storable(failed.id),
            "type": _storable(failed.type),
            "created": failed.created,
            "reason": _storable(failed.reason),
            "payload": failed.payload,
            "at": at,
        }
        await self._database.write(lambda connection: connection.execute(self._keep, row).rowcount)


def _keep(difference: Difference) -> Insert:
    names = ["id", "type", "created", "reason", "payload", "attempts", "first_seen", "last_seen"]
    id_, type_, created, reason, payload, _, first_seen, _ = columns_of(failed_events, *names)
    at = bindparam("at", type_=first_seen.type)
    values = (
        bindparam("event", type_=id_.type),
        *(bindparam(column.name, type_=column.type) for column in (type_, created, reason, payload)),
        literal(1),
        at,
        at,
    )
    processed = select(events.c.id).where(events.c.id == bindparam("event", type_=id_.type)).exists()
    insert = difference.insert(failed_events).from_select(names, select(*values).where(~processed))
    new = insert.excluded
    again = {
        "type": new.type,
        "created": new.created,
        "reason": new.reason,
        "payload": new.payload,
        "attempts": failed_events.c.attempts + 1,
        "last_seen": new.last_seen,
    }
    return insert.on_conflict_do_update(index_elements=["id"], set_=again)


def _storable(text: str) -> str:
    """Replace what no database takes: this is where an event is kept because of just that."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
