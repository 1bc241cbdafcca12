"""Transactions over events and subscriptions: what the webhooks' way writes, set-wise, a few statements a batch."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from sqlalchemy import bindparam, delete

from billing.errors import Conflict, StoreUnavailable
from billing.ports import Answer, Changes, Claims, Decide, Loaded, Reread
from billing_sql.database import SqlDatabase
from billing_sql.dialects.engine import Statements, Transaction
from billing_sql.dialects.prepared import Prepared, Session
from billing_sql.finding import Finding
from billing_sql.saving import Saving
from billing_sql.tables import rereads

ROUNDS = 5
"""How often the locks are taken anew because somebody else gave one of the claims an owner meanwhile."""


class SqlTransactions:
    """Begins units of work."""

    def __init__(self, database: SqlDatabase) -> None:
        """Begin them on `database`."""
        self._database = database
        self._finding = Finding(database.difference)
        self._saving = Saving(database.difference)
        self._finish_reread = database.difference.prepare(_FINISH_REREAD)

    @asynccontextmanager
    async def begin(self) -> AsyncGenerator["SqlUnitOfWork", None]:
        """See `billing.ports.Transactions`."""
        async with self._database.transaction() as transaction:
            yield SqlUnitOfWork(transaction, self._finding, self._saving, self._finish_reread)

    async def update(self, claims: Claims, decide: Decide[Answer], *, patient: bool = False) -> tuple[Changes, Answer]:
        """See `billing.ports.Transactions`.

        Where a round trip costs something, it is first tried in two (three, if a subscription is not held): read
        without locks, decide, and write in one statement that takes the locks and fails if an account has been written
        since. Then it is done with locks. Whoever is patient expects to wait for these, so they are taken first.
        """
        decided = await self._update(claims, decide, patient=patient)
        if decided[0].events:
            self._database.written()
        return decided

    async def _update(self, claims: Claims, decide: Decide[Answer], *, patient: bool) -> tuple[Changes, Answer]:
        if not patient:
            with suppress(Conflict):
                decided = await self._database.statements(
                    lambda statements: self._update_at_a_guess(statements, claims, decide)
                )
                if decided is not None:
                    return decided
        for _ in range(ROUNDS):
            decided = await self._database.transact(
                lambda session: self._update_locked(session, claims, decide), patient=patient
            )
            if decided is not None:
                return decided
        raise StoreUnavailable

    async def _update_at_a_guess(
        self, statements: Statements, claims: Claims, decide: Decide[Answer]
    ) -> tuple[Changes, Answer] | None:
        """Answer `None` if this needs locks."""
        found = await statements.read(lambda session: self._finding.look(session, claims))
        changes, answer = decide(found.loaded)
        writes = self._saving.guarded_writes(changes, found.versions, found.loaded.standings)
        if writes is None:
            return None
        if writes:
            await statements.write(lambda session: self._saving.write_all(session, writes))
        return changes, answer

    async def _update_locked(
        self, session: Session, claims: Claims, decide: Decide[Answer]
    ) -> tuple[Changes, Answer] | None:
        """Answer `None` if the locks were not enough. See `SqlUnitOfWork.load`."""
        loaded = await self._finding.lock_and_look(session, claims)
        if loaded is None:
            return None
        changes, answer = decide(loaded)
        writes = self._saving.writes(changes)
        if writes:
            await self._saving.write_all(session, writes)
        return changes, answer


class SqlUnitOfWork:
    """One transaction."""

    def __init__(self, transaction: Transaction, finding: Finding, saving: Saving, finish_reread: Prepared) -> None:
        """Do what is asked in `transaction`."""
        self._finish_reread = finish_reread
        self._transaction = transaction
        self._finding = finding
        self._saving = saving

    async def load(self, claims: Claims) -> Loaded:
        """See `billing.ports.UnitOfWork`.

        An owner that appeared between the locks and the look is not locked: then all begins again, so that the
        locks are still taken in their order.
        """
        if claims == _NOTHING:
            return _FOUND_NOTHING
        for _ in range(ROUNDS):
            loaded = await self._transaction.run(lambda session: self._finding.lock_and_look(session, claims))
            if loaded is not None:
                return loaded
            await self._transaction.restart()
        raise StoreUnavailable

    async def save(self, changes: Changes) -> None:
        """See `billing.ports.UnitOfWork`. Also a `Conflict`: a subscription that is another account's by now."""
        writes = self._saving.writes(changes)
        if writes:
            await self._transaction.run(lambda session: self._saving.write_all(session, writes))

    async def finish_reread(self, reread: Reread) -> bool:
        """See `billing.ports.UnitOfWork`."""
        parameters = {"subscription": reread.subscription, "lease": reread.lease}
        removed = await self._transaction.run(lambda session: session.execute(self._finish_reread, parameters))
        return len(removed) == 1

    async def commit(self) -> None:
        """See `billing.ports.UnitOfWork`."""
        await self._transaction.commit()


_NOTHING = Claims()
_FOUND_NOTHING = Loaded(known_events=frozenset(), owners={}, standings={}, subscriptions={})
_FINISH_REREAD = (
    delete(rereads)
    .where(rereads.c.subscription_id == bindparam("subscription"), rereads.c.lease == bindparam("lease"))
    .returning(rereads.c.subscription_id)
)
