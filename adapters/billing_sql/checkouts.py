"""What a checkout keeps: the reservation of the account's one session, and its customers."""

from sqlalchemy import Connection, bindparam, delete, func, insert, or_, select, update

from billing.accounts import Customer
from billing.checkout import CheckoutAttempt
from billing.errors import AccountNotFound, AlreadySubscribed
from billing.identifiers import AccountId, AttemptId, CustomerId, SessionId
from billing.subscription import Status
from billing_sql.database import SqlDatabase
from billing_sql.rows import ATTEMPT, CUSTOMER, attempt_of, attempt_row, customer_of
from billing_sql.tables import accounts, checkout_attempts, customers, subscriptions

_LOCK = (
    select(accounts.c.email, accounts.c.name)
    .where(accounts.c.id == bindparam("account"))
    .with_for_update(key_share=True)
)
"""The lock that `SqlUnitOfWork.load` takes: whoever holds it sees and writes alone what is the account's."""
_CURRENT = select(*ATTEMPT).where(checkout_attempts.c.account_id == bindparam("account"))
_LIVE = (
    select(subscriptions.c.id)
    .where(
        subscriptions.c.account_id == bindparam("account"),
        subscriptions.c.status.in_([status for status in Status if status.is_live]),
        # One only heard of is none, see `Subscription.is_live`.
        or_(subscriptions.c.status != Status.UNKNOWN, subscriptions.c.as_of.is_not(None)),
    )
    .limit(1)
)
_OPENED = (
    update(checkout_attempts)
    .where(checkout_attempts.c.id == bindparam("attempt"))
    .values(session_id=bindparam("session"))
)
_REMOVE = delete(checkout_attempts).where(checkout_attempts.c.id == bindparam("attempt"))

_NEWEST = (
    select(*CUSTOMER)
    .where(customers.c.account_id == bindparam("account"), customers.c.is_deleted.is_(False))
    .order_by(customers.c.generation.desc())
    .limit(1)
)
_GENERATION = select(func.coalesce(func.max(customers.c.generation), 0)).where(
    customers.c.account_id == bindparam("account")
)
_RESERVED = (
    customers.c.account_id == bindparam("account"),
    customers.c.generation == bindparam("number"),
    customers.c.customer_id.is_(None),
)
_ATTACHED = select(customers.c.customer_id).where(customers.c.customer_id == bindparam("customer"))
_CREATED = update(customers).where(*_RESERVED).values(customer_id=bindparam("customer"))
_DROP_RESERVED = delete(customers).where(*_RESERVED)
_ABANDON = update(customers).where(*_RESERVED).values(is_deleted=True)
_LOCK_OWNER = (
    select(accounts.c.id)
    .where(accounts.c.id.in_(select(customers.c.account_id).where(customers.c.customer_id == bindparam("customer"))))
    .with_for_update(key_share=True)
)
_DELETED = update(customers).where(customers.c.customer_id == bindparam("customer")).values(is_deleted=True)
_DROP_ATTEMPT = delete(checkout_attempts).where(checkout_attempts.c.customer_id == bindparam("customer"))


class SqlCheckoutAttempts:
    """The reservations, at most one per account."""

    def __init__(self, database: SqlDatabase) -> None:
        """Keep them in `database`."""
        self._database = database
        self._insert = database.difference.insert(checkout_attempts).on_conflict_do_nothing(
            index_elements=["account_id"]
        )

    async def current(self, account: AccountId) -> CheckoutAttempt | None:
        """See `billing.ports.CheckoutAttempts`."""
        row = await self._database.read(
            lambda connection: connection.execute(_CURRENT, {"account": account}).one_or_none()
        )
        return None if row is None else attempt_of(row)

    async def reserve(self, attempt: CheckoutAttempt) -> CheckoutAttempt:
        """See `billing.ports.CheckoutAttempts`; also raises `AccountNotFound`."""
        row = {column.name: value for column, value in zip(ATTEMPT, attempt_row(attempt), strict=True)}
        account = {"account": attempt.account}

        def reserve(connection: Connection) -> CheckoutAttempt | None:
            if connection.execute(_LOCK, account).one_or_none() is None:
                raise AccountNotFound(account=attempt.account)
            if connection.execute(_LIVE, account).one_or_none() is not None:
                raise AlreadySubscribed
            connection.execute(self._insert, row)
            held = connection.execute(_CURRENT, account).one_or_none()
            return None if held is None else attempt_of(held)

        held = await self._database.write(reserve)
        if held is None:
            # It was there when this one was to be inserted, and removed before it could be read.
            return await self.reserve(attempt)
        return held

    async def opened(self, attempt: AttemptId, session: SessionId) -> bool:
        """See `billing.ports.CheckoutAttempts`."""
        parameters = {"attempt": attempt, "session": session}
        return await self._database.write(lambda connection: connection.execute(_OPENED, parameters).rowcount == 1)

    async def remove(self, attempt: AttemptId) -> None:
        """See `billing.ports.CheckoutAttempts`."""
        await self._database.write(lambda connection: connection.execute(_REMOVE, {"attempt": attempt}).rowcount)


class SqlCustomers:
    """The customers that stand for accounts."""

    def __init__(self, database: SqlDatabase) -> None:
        """Keep them in `database`."""
        self._database = database

    async def reserve(self, account: AccountId) -> Customer:
        """See `billing.ports.Customers`. The account's lock makes racing calls answer the same row."""
        return await self._database.write(lambda connection: _reserve_customer(connection, account))

    async def created(self, customer: Customer, id_: CustomerId) -> None:
        """See `billing.ports.Customers`."""
        await self._database.write(lambda connection: _note_created(connection, customer, id_))

    async def abandon(self, customer: Customer) -> None:
        """See `billing.ports.Customers`. Its row stays, as a deleted one: an answer that comes late finds its owner."""
        place = {"account": customer.account, "number": customer.generation}
        await self._database.write(lambda connection: connection.execute(_ABANDON, place).rowcount)

    async def deleted(self, id_: CustomerId) -> None:
        """See `billing.ports.Customers`. Under the account's lock, as whatever else is written of it."""

        def delete_(connection: Connection) -> None:
            for statement in (_LOCK_OWNER, _DELETED, _DROP_ATTEMPT):
                connection.execute(statement, {"customer": id_})

        await self._database.write(delete_)


def _reserve_customer(connection: Connection, account: AccountId) -> Customer:
    owner = connection.execute(_LOCK, {"account": account}).one_or_none()
    if owner is None:
        raise AccountNotFound(account=account)
    newest = connection.execute(_NEWEST, {"account": account}).one_or_none()
    if newest is not None:
        return customer_of(newest)
    generation = connection.execute(_GENERATION, {"account": account}).scalar_one() + 1
    row = {
        "account_id": account,
        "generation": generation,
        "customer_id": None,
        "email": owner.email,
        "name": owner.name,
        "is_deleted": False,
    }
    connection.execute(insert(customers), row)
    return Customer(account=account, generation=generation, email=owner.email, name=owner.name, id=None)


def _note_created(connection: Connection, customer: Customer, id_: CustomerId) -> None:
    connection.execute(_LOCK, {"account": customer.account})
    place = {"account": customer.account, "number": customer.generation}
    if connection.execute(_ATTACHED, {"customer": id_}).one_or_none() is None:
        connection.execute(_CREATED, {**place, "customer": id_})
    else:
        # Noted before; or an event attached it first, as another generation, and this row stands for nothing now.
        connection.execute(_DROP_RESERVED, place)
