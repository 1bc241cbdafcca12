"""A Stripe in memory, scripted: it does what the ports say Stripe does, and fails or waits when told to.

Idempotency keys work as Stripe's: the first answer under a key is stored and repeated as it was, whatever became of
the object since; the same key with other parameters is refused; errors are not stored.
Source: https://docs.stripe.com/api/idempotent_requests
"""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Generic, TypeVar

from billing.accounts import Customer
from billing.checkout import CheckoutAttempt, CheckoutSession, SessionState
from billing.errors import CustomerMissing, KeySpent, ProviderRefused, ProviderUnavailable, SessionNotOpen
from billing.identifiers import AccountId, CustomerId, PriceId, SessionId, SubscriptionId
from billing.ports import Clock
from billing.subscription import Snapshot, Status

PERIOD = timedelta(days=30)
"""How long a period is that a paid session begins."""

Answer = TypeVar("Answer")


class Call(StrEnum):
    """The calls of the gateways."""

    CREATE_CUSTOMER = "create_customer"
    CREATE_SESSION = "create_session"
    SESSION = "session"
    EXPIRE_SESSION = "expire_session"
    OPEN_PORTAL = "open_portal"
    SUBSCRIPTION = "subscription"
    LIVE_SUBSCRIPTIONS = "live_subscriptions"


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeCustomer:
    """A customer as Stripe has it."""

    id: CustomerId
    account: AccountId
    """Its metadata's `account_id`."""
    email: str
    name: str | None
    is_deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeSession:
    """A checkout session as Stripe has it: the attempt is its parameters."""

    session: CheckoutSession
    attempt: CheckoutAttempt


@dataclass(slots=True)
class Gate:
    """Where an answer waits on its way back: Stripe has done its part, and nobody here knows of it yet."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a call has come here."""
    _opened: asyncio.Event = field(default_factory=asyncio.Event)

    def release(self) -> None:
        """Let the answer, and all later ones, pass."""
        self._opened.set()

    async def pass_through(self) -> None:
        """Wait here until released: what a gateway does with an answer."""
        self.reached.set()
        await self._opened.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trouble:
    error: ProviderUnavailable | ProviderRefused | KeySpent
    is_done: bool
    """Whether Stripe did what was asked before the answer was lost."""


class _Answers(Generic[Answer]):
    """The first answer under each idempotency key, with the parameters it was asked for."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[object, Answer]] = {}

    def find(self, key: str, parameters: object) -> Answer | None:
        if key not in self._kept:
            return None
        first, answer = self._kept[key]
        if first != parameters:
            raise KeySpent
        return answer

    def keep(self, key: str, parameters: object, answer: Answer) -> None:
        self._kept[key] = (parameters, answer)


class MemoryStripe:
    """All of the gateways' ports over one small Stripe. Look at its dictionaries for what Stripe has."""

    def __init__(self, clock: Clock) -> None:
        """Begin empty, at the time of `clock`."""
        self.customers: dict[CustomerId, StripeCustomer] = {}
        self.sessions: dict[SessionId, StripeSession] = {}
        self.subscriptions: dict[SubscriptionId, Snapshot] = {}
        self.calls: Counter[Call] = Counter()
        """How often each call was made, failed ones and repetitions too."""
        self._clock = clock
        self._customer_answers = _Answers[CustomerId]()
        self._session_answers = _Answers[CheckoutSession]()
        self._troubles: dict[Call | None, deque[_Trouble]] = {}
        self._gates: dict[Call, Gate] = {}
        self._made = 0

    # The script

    def fail_next(
        self,
        error: ProviderUnavailable | ProviderRefused | KeySpent,
        *,
        call: Call | None = None,
        times: int = 1,
        after_the_change: bool = False,
    ) -> None:
        """Make the next calls raise: of one kind, or of any.

        With `after_the_change`, Stripe does what it was asked to do, and its answer is lost on the way back.
        """
        trouble = _Trouble(error=error, is_done=after_the_change)
        self._troubles.setdefault(call, deque()).extend([trouble] * times)

    def recover(self) -> None:
        """Forget all troubles that were to come."""
        self._troubles.clear()

    def hold(self, call: Call) -> Gate:
        """Keep the answers to a kind of call from now on, until the gate is released."""
        gate = self._gates[call] = Gate()
        return gate

    def put_subscription(self, snapshot: Snapshot) -> None:
        """Let Stripe's subscription be this from now on."""
        self.subscriptions[snapshot.subscription] = snapshot

    def pay(self, session: SessionId) -> Snapshot:
        """Let a person pay an open session; answer the active subscription that it made."""
        held = self._current(session)
        if held.session.state is not SessionState.OPEN:
            raise ValueError(f"{session} is {held.session.state}: nobody can pay it")
        snapshot = Snapshot(
            subscription=SubscriptionId(self._new_id("sub")),
            customer=held.attempt.customer,
            status=Status.ACTIVE,
            prices=(held.attempt.price,),
            period_end=self._clock.now().replace(microsecond=0) + PERIOD,
            cancel_at_period_end=False,
            started_at=self._clock.now().replace(microsecond=0),
            account=held.attempt.account,
        )
        self.put_subscription(snapshot)
        self._turn(held, SessionState.COMPLETE, subscription=snapshot.subscription)
        return snapshot

    def expire(self, session: SessionId) -> None:
        """Let an open session expire."""
        self._turn(self._current(session), SessionState.EXPIRED)

    def delete_customer(self, customer: CustomerId) -> None:
        """Delete a customer; Stripe cancels all of its subscriptions at once."""
        self.customers[customer] = replace(self.customers[customer], is_deleted=True)
        for id_, snapshot in self.subscriptions.items():
            if snapshot.customer == customer and not snapshot.status.has_ended:
                self.subscriptions[id_] = replace(snapshot, status=Status.CANCELED, cancel_at_period_end=False)

    def open_sessions(self, account: AccountId) -> list[SessionId]:
        """Answer the sessions with which an account could pay now."""
        held = [self._current(id_) for id_ in self.sessions]
        return [
            one.session.id for one in held if one.attempt.account == account and one.session.state is SessionState.OPEN
        ]

    # The gateways

    async def create_customer(self, customer: Customer) -> CustomerId:
        """See `billing.ports.CustomerGateway`."""
        trouble = await self._ask(Call.CREATE_CUSTOMER)
        parameters = (customer.account, customer.email, customer.name)
        id_ = self._customer_answers.find(customer.idempotency_key, parameters)
        if id_ is None:
            id_ = CustomerId(self._new_id("cus"))
            self.customers[id_] = StripeCustomer(
                id=id_, account=customer.account, email=customer.email, name=customer.name
            )
            self._customer_answers.keep(customer.idempotency_key, parameters, id_)
        return await self._answer(Call.CREATE_CUSTOMER, trouble, id_)

    async def create_session(self, attempt: CheckoutAttempt) -> CheckoutSession:
        """See `billing.ports.CheckoutGateway`."""
        trouble = await self._ask(Call.CREATE_SESSION)
        parameters = _session_parameters(attempt)
        session = self._session_answers.find(attempt.idempotency_key, parameters)
        if session is None:
            self._check_customer(attempt.customer)
            session = self._open_session(attempt)
            self._session_answers.keep(attempt.idempotency_key, parameters, session)
        return await self._answer(Call.CREATE_SESSION, trouble, session)

    async def session(self, session: SessionId) -> CheckoutSession | None:
        """See `billing.ports.CheckoutGateway`."""
        trouble = await self._ask(Call.SESSION)
        answer = self._current(session).session if session in self.sessions else None
        return await self._answer(Call.SESSION, trouble, answer)

    async def expire_session(self, session: SessionId) -> None:
        """See `billing.ports.CheckoutGateway`."""
        trouble = await self._ask(Call.EXPIRE_SESSION)
        held = self._current(session) if session in self.sessions else None
        if held is None or held.session.state is not SessionState.OPEN:
            raise SessionNotOpen
        self._turn(held, SessionState.EXPIRED)
        await self._answer(Call.EXPIRE_SESSION, trouble, None)

    async def open_portal(self, customer: CustomerId) -> str:
        """See `billing.ports.PortalGateway`."""
        trouble = await self._ask(Call.OPEN_PORTAL)
        self._check_customer(customer)
        url = f"https://billing.stripe.test/p/session/{self._new_id('bps')}"
        return await self._answer(Call.OPEN_PORTAL, trouble, url)

    async def subscription(self, subscription: SubscriptionId) -> Snapshot | None:
        """See `billing.ports.SubscriptionGateway`."""
        trouble = await self._ask(Call.SUBSCRIPTION)
        return await self._answer(Call.SUBSCRIPTION, trouble, self.subscriptions.get(subscription))

    async def live_subscriptions(self, customer: CustomerId) -> Sequence[Snapshot]:
        """See `billing.ports.SubscriptionGateway`."""
        trouble = await self._ask(Call.LIVE_SUBSCRIPTIONS)
        theirs = [one for one in self.subscriptions.values() if one.customer == customer and one.status.is_live]
        return await self._answer(Call.LIVE_SUBSCRIPTIONS, trouble, theirs)

    # The inside

    async def _ask(self, call: Call) -> _Trouble | None:
        """Count a call and let it travel; answer the trouble that waits for its answer, or raise it right away."""
        self.calls[call] += 1
        await asyncio.sleep(0)
        waiting = self._troubles.get(call) or self._troubles.get(None)
        trouble = waiting.popleft() if waiting else None
        if trouble is not None and not trouble.is_done:
            raise trouble.error
        return trouble

    async def _answer(self, call: Call, trouble: _Trouble | None, answer: Answer) -> Answer:
        gate = self._gates.get(call)
        if gate is not None:
            await gate.pass_through()
        await asyncio.sleep(0)
        if trouble is not None:
            raise trouble.error
        return answer

    def _open_session(self, attempt: CheckoutAttempt) -> CheckoutSession:
        life = attempt.expires_at - self._clock.now()
        if not timedelta(minutes=30) <= life <= timedelta(hours=24):
            raise ProviderRefused
        id_ = SessionId(self._new_id("cs_test"))
        url = f"https://checkout.stripe.test/c/pay/{id_}"
        session = CheckoutSession(id=id_, state=SessionState.OPEN, url=url, subscription=None)
        self.sessions[id_] = StripeSession(session=session, attempt=attempt)
        return session

    def _current(self, session: SessionId) -> StripeSession:
        """Answer a session as it is at this time: an open one expires by itself."""
        held = self.sessions[session]
        if held.session.state is SessionState.OPEN and self._clock.now() >= held.attempt.expires_at:
            return self._turn(held, SessionState.EXPIRED)
        return held

    def _turn(
        self, held: StripeSession, state: SessionState, *, subscription: SubscriptionId | None = None
    ) -> StripeSession:
        turned = replace(held, session=replace(held.session, state=state, url=None, subscription=subscription))
        self.sessions[held.session.id] = turned
        return turned

    def _check_customer(self, customer: CustomerId) -> None:
        held = self.customers.get(customer)
        if held is None or held.is_deleted:
            raise CustomerMissing

    def _new_id(self, prefix: str) -> str:
        self._made += 1
        return f"{prefix}_{self._made:014d}"


def _session_parameters(
    attempt: CheckoutAttempt,
) -> tuple[AccountId, CustomerId, str, PriceId, str, str, float]:
    return (
        attempt.account,
        attempt.customer,
        attempt.tier.slug,
        attempt.price,
        attempt.addresses.success_url,
        attempt.addresses.cancel_url,
        attempt.expires_at.timestamp(),
    )
