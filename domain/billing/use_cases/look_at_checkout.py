"""The person is back from Stripe, the webhook is not there yet: look at the checkout session."""

from dataclasses import dataclass
from datetime import timedelta

from billing.checkout import SLOWEST_PAYMENT, CheckoutSession, SessionState
from billing.identifiers import AccountId, SessionId, SubscriptionId
from billing.ports import Changes, CheckoutAttempts, CheckoutGateway, Claims, Clock, Transactions


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAtCheckout:
    """Finds out what became of an account's open checkout, so that its plan turns true without any webhook."""

    attempts: CheckoutAttempts
    gateway: CheckoutGateway
    transactions: Transactions
    clock: Clock

    async def execute(self, account: AccountId) -> timedelta | None:
        """Ask Stripe for the session; a purchase queues the re-read of what was bought.

        Answers how old the attempt is, so that an old one need not be looked at often; `None` if there is none left.

        The attempt is closed only once the subscription is held, so that no moment is left in which the account
        seems to have neither. Raises `ProviderUnavailable`, `ProviderRefused`, `StoreUnavailable`.
        """
        attempt = await self.attempts.current(account)
        if attempt is None:
            return None
        age = self.clock.now() - attempt.created_at
        if attempt.session is None:
            return age
        session = await self.gateway.session(attempt.session)
        if session is not None and await self._may_still_come(attempt.session, session, age):
            return age
        await self.attempts.remove(attempt.id)
        return None

    async def _may_still_come(self, id_: SessionId, session: CheckoutSession, age: timedelta) -> bool:
        match session.state:
            case SessionState.OPEN:
                return True
            case SessionState.COMPLETE if session.subscription is not None:
                await self._bought(id_, session.subscription)
                return True
            case SessionState.COMPLETE:
                return age < SLOWEST_PAYMENT
            case SessionState.EXPIRED:
                return False

    async def _bought(self, session: SessionId, subscription: SubscriptionId) -> None:
        async with self.transactions.begin() as transaction:
            loaded = await transaction.load(Claims(subscriptions=frozenset({subscription})))
            changes = Changes(received_at=self.clock.now())
            if subscription in loaded.subscriptions:
                changes.sessions_closed.add(session)
            else:
                changes.rereads.add(subscription)
            await transaction.save(changes)
            await transaction.commit()
