"""What a checkout keeps: the reservation of the account's one session, and its customers."""

from dataclasses import replace

from billing.accounts import Customer
from billing.checkout import CheckoutAttempt
from billing.errors import AccountNotFound, AlreadySubscribed
from billing.identifiers import AccountId, AttemptId, CustomerId, SessionId
from billing_memory.store import CustomerRow, MemoryStore
from billing_memory.transactions import mark_deleted


class MemoryCheckoutAttempts:
    """The reservations, at most one per account."""

    def __init__(self, store: MemoryStore) -> None:
        """Keep them in `store`."""
        self._store = store

    async def current(self, account: AccountId) -> CheckoutAttempt | None:
        """See `billing.ports.CheckoutAttempts`."""
        return (await self._store.read()).attempts.get(account)

    async def reserve(self, attempt: CheckoutAttempt) -> CheckoutAttempt:
        """See `billing.ports.CheckoutAttempts`."""
        async with self._store.write() as tables:
            if any(held.is_live for held in tables.subscriptions_of(attempt.account)):
                raise AlreadySubscribed
            return tables.attempts.setdefault(attempt.account, attempt)

    async def opened(self, attempt: AttemptId, session: SessionId) -> bool:
        """See `billing.ports.CheckoutAttempts`."""
        async with self._store.write() as tables:
            for account, held in tables.attempts.items():
                if held.id == attempt:
                    tables.attempts[account] = replace(held, session=session)
                    return True
            return False

    async def remove(self, attempt: AttemptId) -> None:
        """See `billing.ports.CheckoutAttempts`."""
        async with self._store.write() as tables:
            for account in [account for account, held in tables.attempts.items() if held.id == attempt]:
                del tables.attempts[account]


class MemoryCustomers:
    """The customers that stand for accounts."""

    def __init__(self, store: MemoryStore) -> None:
        """Keep them in `store`."""
        self._store = store

    async def reserve(self, account: AccountId) -> Customer:
        """See `billing.ports.Customers`."""
        async with self._store.write() as tables:
            owner = tables.accounts.get(account)
            if owner is None:
                raise AccountNotFound(account=account)
            theirs = [row for (holder, _), row in tables.customers.items() if holder == account and not row.is_deleted]
            if theirs:
                return max((row.customer for row in theirs), key=lambda customer: customer.generation)
            generation = tables.next_generation(account)
            customer = Customer(account=account, generation=generation, email=owner.email, name=owner.name, id=None)
            tables.customers[account, generation] = CustomerRow(customer=customer)
            return customer

    async def created(self, customer: Customer, id_: CustomerId) -> None:
        """See `billing.ports.Customers`."""
        async with self._store.write() as tables:
            place = (customer.account, customer.generation)
            row = tables.customers.get(place)
            if row is None or row.customer.id is not None:
                return
            if id_ in tables.customers_by_id:
                # An event attached it first, as another generation: the reservation stands for nothing now.
                del tables.customers[place]
                return
            tables.customers[place] = replace(row, customer=replace(row.customer, id=id_))
            tables.customers_by_id[id_] = place

    async def abandon(self, customer: Customer) -> None:
        """See `billing.ports.Customers`. Its row stays, as a deleted one: an answer that comes late finds its owner."""
        async with self._store.write() as tables:
            place = (customer.account, customer.generation)
            row = tables.customers.get(place)
            if row is not None and row.customer.id is None:
                tables.customers[place] = replace(row, is_deleted=True)

    async def deleted(self, id_: CustomerId) -> None:
        """See `billing.ports.Customers`."""
        async with self._store.write() as tables:
            mark_deleted(tables, id_)
