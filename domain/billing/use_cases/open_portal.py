"""An account manages its subscription in Stripe's Customer Portal."""

from collections.abc import Sequence
from dataclasses import dataclass

from billing.errors import BillingHistoryDeleted, CustomerMissing, NeverSubscribed
from billing.identifiers import AccountId, CustomerId
from billing.ports import Accounts, Changes, Claims, Clock, Customers, PortalGateway, Transactions
from billing.standing import decisive
from billing.subscription import Subscription


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPortal:
    """Hands out an address of the portal."""

    accounts: Accounts
    customers: Customers
    transactions: Transactions
    gateway: PortalGateway
    clock: Clock

    async def execute(self, account: AccountId) -> str:
        """Answer the address, a bearer credential for some minutes: it must not be logged or cached.

        Raises `NeverSubscribed`: a customer made by an abandoned checkout is no billing history. Raises
        `BillingHistoryDeleted`, `ProviderUnavailable`, `ProviderRefused`, `StoreUnavailable`.
        """
        held = await self.accounts.subscriptions(account)
        subscription = decisive(held)
        if subscription is None:
            raise NeverSubscribed
        try:
            return await self.gateway.open_portal(subscription.customer)
        except CustomerMissing:
            await self._forget(subscription.customer, held)
            raise BillingHistoryDeleted from None

    async def _forget(self, customer: CustomerId, held: Sequence[Subscription]) -> None:
        """Note that the customer is gone, and read again what we believe of its subscriptions: that is not true."""
        await self.customers.deleted(customer)
        doubtful = {one.id for one in held if one.customer == customer and not one.status.has_ended}
        async with self.transactions.begin() as transaction:
            await transaction.load(Claims())
            await transaction.save(Changes(received_at=self.clock.now(), rereads=doubtful))
            await transaction.commit()
