"""An account buys: one customer and one open checkout session at Stripe, however often and wherever it is cut off."""

from dataclasses import dataclass
from datetime import timedelta

from billing.accounts import Customer
from billing.checkout import (
    SESSION_LIFETIME,
    SLOWEST_PAYMENT,
    Addresses,
    CheckoutAttempt,
    CheckoutSession,
    SessionState,
)
from billing.errors import (
    AlreadySubscribed,
    CheckoutInProgress,
    CustomerMissing,
    KeySpent,
    ProviderRefused,
    ProviderUnavailable,
    SessionNotOpen,
)
from billing.identifiers import AccountId, AttemptId, CustomerId, SessionId, SubscriptionId
from billing.plans import Catalogue, Tier
from billing.ports import (
    Accounts,
    Changes,
    CheckoutAttempts,
    CheckoutGateway,
    Claims,
    Clock,
    CustomerGateway,
    Customers,
    Secrets,
    SubscriptionGateway,
    Transactions,
)

ROUNDS = 8
"""How often a checkout that is overtaken by others of its account begins again before it gives up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartCheckout:
    """Hands out the address of the account's one open checkout session."""

    accounts: Accounts
    customers: Customers
    attempts: CheckoutAttempts
    transactions: Transactions
    customer_gateway: CustomerGateway
    checkout_gateway: CheckoutGateway
    subscription_gateway: SubscriptionGateway
    catalogue: Catalogue
    addresses: Addresses
    clock: Clock
    secrets: Secrets

    async def execute(self, account: AccountId, tier_slug: str) -> str:
        """Answer the address where the tier is paid for.

        Raises `UnknownTier`, `TierNotSoldOnline`, `AlreadySubscribed`, `CheckoutInProgress`,
        `ProviderUnavailable`, `ProviderRefused`, `StoreUnavailable`.
        """
        tier = Tier.parse(tier_slug)
        self.catalogue.price_sold(tier)
        for _ in range(ROUNDS):
            url = await self._try(account, tier)
            if url is not None:
                return url
        raise CheckoutInProgress

    async def _try(self, account: AccountId, tier: Tier) -> str | None:
        """Go one round; `None` means that something moved, and the next round will see how things are now."""
        held = await self.accounts.subscriptions(account)
        if any(subscription.is_live for subscription in held):
            raise AlreadySubscribed
        known = frozenset(subscription.id for subscription in held)
        attempt = await self.attempts.current(account)
        is_ours = False
        if attempt is None:
            draft = await self._draft(account, tier)
            attempt = await self.attempts.reserve(draft)
            is_ours = attempt == draft
        try:
            session = await self._session_of(attempt, is_ours=is_ours)
        except CustomerMissing:
            await self.customers.deleted(attempt.customer)
            return None
        except KeySpent:
            # Its address was never handed out, so nobody can pay with what may exist under that key.
            session = None
        except ProviderRefused:
            # What was refused must not be repeated once the operator has mended its cause.
            if attempt.session is None:
                await self.attempts.remove(attempt.id)
            raise
        if session is None:
            await self.attempts.remove(attempt.id)
            return None
        return await self._use(attempt, session, wanted=tier, known=known)

    async def _use(
        self,
        attempt: CheckoutAttempt,
        session: CheckoutSession,
        *,
        wanted: Tier,
        known: frozenset[SubscriptionId],
    ) -> str | None:
        match session.state:
            case SessionState.OPEN if session.url is not None and self._fits(attempt, wanted):
                # Only an address whose session is noted may be handed out: what is not noted cannot be expired.
                return session.url if await self.attempts.opened(attempt.id, session.id) else None
            case SessionState.OPEN:
                await self._expire(attempt, session.id)
                return None
            case SessionState.COMPLETE if session.subscription is not None and session.subscription not in known:
                await self._ask_for_reread(session.subscription)
                raise AlreadySubscribed
            case SessionState.COMPLETE if session.subscription is None and self._age(attempt) < SLOWEST_PAYMENT:
                # A bank debit on its way, perhaps.
                raise AlreadySubscribed
            case SessionState.COMPLETE | SessionState.EXPIRED:
                await self.attempts.remove(attempt.id)
                return None

    def _age(self, attempt: CheckoutAttempt) -> timedelta:
        return self.clock.now() - attempt.created_at

    def _fits(self, attempt: CheckoutAttempt, wanted: Tier) -> bool:
        """Whether the open session sells what is wanted, as it would be sold now."""
        return (
            attempt.tier is wanted
            and attempt.price == self.catalogue.price_sold(wanted)
            and attempt.addresses == self.addresses
        )

    async def _draft(self, account: AccountId, tier: Tier) -> CheckoutAttempt:
        customer = await self._customer(account)
        now = self.clock.now().replace(microsecond=0)
        return CheckoutAttempt(
            id=AttemptId(self.secrets.new_id("try")),
            account=account,
            customer=customer,
            tier=tier,
            price=self.catalogue.price_sold(tier),
            addresses=self.addresses,
            created_at=now,
            expires_at=now + SESSION_LIFETIME,
        )

    async def _customer(self, account: AccountId) -> CustomerId:
        """Answer the account's customer, made now if need be; raises `AlreadySubscribed` if it pays already."""
        customer = await self.customers.reserve(account)
        if customer.id is None:
            return await self._create(customer)
        live = await self.subscription_gateway.live_subscriptions(customer.id)
        if live:
            # Bought in another way, or its webhook is still on the way.
            await self._ask_for_reread(*(snapshot.subscription for snapshot in live))
            raise AlreadySubscribed
        return customer.id

    async def _create(self, customer: Customer) -> CustomerId:
        try:
            id_ = await self.customer_gateway.create_customer(customer)
        except KeySpent:
            await self.customers.abandon(customer)
            raise ProviderUnavailable from None
        await self.customers.created(customer, id_)
        return id_

    async def _session_of(self, attempt: CheckoutAttempt, *, is_ours: bool) -> CheckoutSession | None:
        """Answer how the attempt's session is now; `None` if the attempt can be forgotten.

        An attempt without a session was cut off, or is being opened by another request this very moment: its
        address was never handed out. Repeating the request answers the same session, but as it was when it was
        opened, so somebody else's is looked up once more.
        """
        if attempt.session is not None:
            return await self.checkout_gateway.session(attempt.session)
        if self._age(attempt) > SESSION_LIFETIME / 2 or not self._fits(attempt, attempt.tier):
            return None
        session = await self.checkout_gateway.create_session(attempt)
        return session if is_ours else await self.checkout_gateway.session(session.id)

    async def _expire(self, attempt: CheckoutAttempt, session: SessionId) -> None:
        try:
            await self.checkout_gateway.expire_session(session)
        except SessionNotOpen:
            return
        await self.attempts.remove(attempt.id)

    async def _ask_for_reread(self, *subscriptions: SubscriptionId) -> None:
        async with self.transactions.begin() as transaction:
            await transaction.load(Claims())
            await transaction.save(Changes(received_at=self.clock.now(), rereads=set(subscriptions)))
            await transaction.commit()
