"""An account manages its subscription in Stripe's Customer Portal."""

from dataclasses import dataclass

from billing.errors import BillingHistoryDeleted, CustomerMissing, NeverSubscribed
from billing.identifiers import AccountId
from billing.ports import Accounts, Customers, PortalGateway
from billing.standing import decisive


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPortal:
    """Hands out an address of the portal."""

    accounts: Accounts
    customers: Customers
    gateway: PortalGateway

    async def execute(self, account: AccountId) -> str:
        """Answer the address, a bearer credential for some minutes: it must not be logged or cached.

        Raises `NeverSubscribed`: a customer made by an abandoned checkout is no billing history. Raises
        `BillingHistoryDeleted`, `ProviderUnavailable`, `ProviderRefused`, `StoreUnavailable`.
        """
        subscription = decisive(await self.accounts.subscriptions(account))
        if subscription is None:
            raise NeverSubscribed
        try:
            return await self.gateway.open_portal(subscription.customer)
        except CustomerMissing:
            await self.customers.deleted(subscription.customer)
            raise BillingHistoryDeleted from None
