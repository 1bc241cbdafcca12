"""The person is back from Stripe, the webhook is not there yet: look at the checkout session."""

from dataclasses import dataclass

from billing.checkout import SessionState
from billing.identifiers import AccountId, SessionId, SubscriptionId
from billing.ports import Changes, CheckoutAttempts, CheckoutGateway, Claims, Clock, Transactions


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAtCheckout:
    """Finds out what became of an account's open checkout, so that its plan turns true without any webhook."""

    attempts: CheckoutAttempts
    gateway: CheckoutGateway
    transactions: Transactions
    clock: Clock

    async def execute(self, account: AccountId) -> None:
        """Ask Stripe for the session; a purchase queues the re-read of what was bought.

        The attempt is closed only once the subscription is held, so that no moment is left in which the account
        seems to have neither. Raises `ProviderUnavailable`, `ProviderRefused`, `StoreUnavailable`.
        """
        attempt = await self.attempts.current(account)
        if attempt is None or attempt.session is None:
            return
        session = await self.gateway.session(attempt.session)
        if session is None or session.state is SessionState.EXPIRED:
            await self.attempts.remove(attempt.id)
        elif session.state is SessionState.COMPLETE and session.subscription is not None:
            await self._bought(attempt.session, session.subscription)

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
