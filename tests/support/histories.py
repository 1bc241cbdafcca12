"""Many subscriptions at the sandbox, things that befall them, and the comparison of what Stripe and the service say."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from stripe_sandbox.control.client import ControlError
from stripe_sandbox.testing import SandboxServer
from support.service import ENTERPRISE, OLD_PRO, PRO, Customer, World

TIER_OF = {PRO: "pro", OLD_PRO: "pro", ENTERPRISE: "enterprise"}
GRANTING = {"trialing", "active", "past_due"}


@dataclass(kw_only=True)
class Subscriber:
    """An account that bought, and its subscription's id at Stripe."""

    customer: Customer
    subscription: str


@dataclass(kw_only=True)
class Histories:
    """Moves subscriptions at random, reproducibly."""

    world: World
    seed: int
    subscribers: list[Subscriber] = field(default_factory=list[Subscriber])
    acts: int = 0

    def __post_init__(self) -> None:
        """Take the seed."""
        self._random = random.Random(self.seed)

    def subscribe(self, count: int, *, prefix: str = "ada") -> None:
        """Make accounts and have each buy the pro plan."""
        for number in range(count):
            customer = self.world.customer(f"{prefix}{number}@example.com")
            session = customer.checkout()
            self.world.box.control.pay(session)
            bought = stripe_get(self.world.box, f"/v1/checkout/sessions/{session}")["subscription"]
            self.subscribers.append(Subscriber(customer=customer, subscription=bought))

    def act(self) -> None:
        """Let one thing befall one subscription; one that is impossible now is passed over, as at Stripe."""
        subscriber = self._random.choice(self.subscribers)
        control, id_ = self.world.box.control, subscriber.subscription
        acts: Mapping[Callable[[], object], int] = {
            lambda: control.renew(id_): 4,
            lambda: control.fail_payment(id_): 4,
            lambda: control.recover(id_): 4,
            lambda: control.cancel_at_period_end(id_, value=True): 2,
            lambda: control.cancel_at_period_end(id_, value=False): 2,
            lambda: control.change_price(id_, self._random.choice([PRO, OLD_PRO, ENTERPRISE])): 3,
            lambda: control.pause(id_): 1,
            lambda: control.resume(id_): 2,
            lambda: control.exhaust_retries(id_, "unpaid"): 1,
        }
        (chosen,) = self._random.choices(list(acts), weights=list(acts.values()))
        try:
            chosen()
            self.acts += 1
        except ControlError:
            return

    def end_some(self, share: float = 0.25) -> None:
        """Cancel some of the subscriptions at once."""
        for subscriber in self._random.sample(self.subscribers, int(len(self.subscribers) * share)):
            self.world.box.control.cancel(subscriber.subscription)


def stripe_get(box: SandboxServer, path: str) -> dict[str, Any]:
    """Ask the sandbox's API as any client does."""
    answer = httpx.get(f"{box.url}{path}", headers={"Authorization": f"Bearer {box.api_key}"}, timeout=30)
    answer.raise_for_status()
    body: dict[str, Any] = answer.json()
    return body


def expected_billing(box: SandboxServer, subscription: str) -> dict[str, object]:
    """Answer what the service must say of an account with just this subscription, worked out from Stripe's object."""
    said = stripe_get(box, f"/v1/subscriptions/{subscription}")
    item = said["items"]["data"][0]
    ends = item["current_period_end"]
    cancels = said["cancel_at_period_end"] or (said["cancel_at"] is not None and said["cancel_at"] <= ends)
    return {
        "plan": TIER_OF[item["price"]["id"]] if said["status"] in GRANTING else "free",
        "status": said["status"],
        "current_period_end": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ends)),
        "cancel_at_period_end": cancels and said["status"] != "canceled",
    }


def differences(histories: Histories) -> dict[str, tuple[object, object]]:
    """Answer where the service and Stripe say different things: empty when the state has converged."""
    found: dict[str, tuple[object, object]] = {}
    for subscriber in histories.subscribers:
        expected = expected_billing(histories.world.box, subscriber.subscription)
        seen = subscriber.customer.billing()
        if seen != expected:
            found[subscriber.subscription] = (expected, seen)
    return found


def wait_until_converged(histories: Histories, seconds: float = 60) -> None:
    """Wait until the service says what Stripe says, of every subscriber."""
    deadline = time.monotonic() + seconds
    while found := differences(histories):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
