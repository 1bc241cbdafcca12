"""A synchronous client for the `/_sandbox` calls, one method each."""

from typing import Any, Final, Literal, TypeAlias, TypeVar

import httpx
import msgspec

from stripe_sandbox.api.faults import Fault
from stripe_sandbox.control.messages import AttemptList, ClockState, FaultList, PayAnswer, Resent, Rolled
from stripe_sandbox.resource import Resource
from stripe_sandbox.timesteps import Step
from stripe_sandbox.webhooks.attempts import Attempt, Counts
from stripe_sandbox.webhooks.settings import DeliverySettings

T = TypeVar("T")
Outcome: TypeAlias = Literal["canceled", "unpaid", "past_due"]
_TIMEOUT_SECONDS: Final = 30.0


class ControlError(Exception):
    """The sandbox refused a call; the message says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class Control:
    """Make things happen in a sandbox. What an object answers is the object in the newest shape."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=_TIMEOUT_SECONDS, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def _call(self, method: str, path: str, answer: type[T], body: object = None, **options: Any) -> T:
        content = None if method == "GET" else msgspec.json.encode({} if body is None else body)
        response = self._http.request(
            method,
            f"/_sandbox{path}",
            content=content,
            headers={"Content-Type": "application/json"},
            **options,
        )
        if response.is_error:
            raise ControlError(response.status_code, response.text)
        return msgspec.json.decode(response.content, type=answer)

    def _act(self, subscription: str, action: str, **body: object) -> Resource:
        return self._call("POST", f"/subscriptions/{subscription}/{action}", Resource, body)

    # The checkout page

    def pay(
        self,
        session: str,
        card: str = "succeeds",
        *,
        email: str | None = None,
        authentication: Literal["completes", "fails", "pending"] = "completes",
    ) -> PayAnswer:
        body = {"card": card, "email": email, "authentication": authentication}
        return self._call("POST", f"/checkout_sessions/{session}/pay", PayAnswer, body)

    def expire(self, session: str) -> Resource:
        return self._call("POST", f"/checkout_sessions/{session}/expire", Resource)

    def settle(self, session: str, *, succeeds: bool = True) -> Resource:
        body = {"succeeds": succeeds}
        return self._call("POST", f"/checkout_sessions/{session}/settle", Resource, body)

    # Subscriptions and customers

    def renew(self, subscription: str) -> Resource:
        return self._act(subscription, "renew")

    def fail_payment(self, subscription: str) -> Resource:
        return self._act(subscription, "fail_payment")

    def recover(self, subscription: str) -> Resource:
        return self._act(subscription, "recover")

    def exhaust_retries(self, subscription: str, outcome: Outcome = "canceled") -> Resource:
        return self._act(subscription, "exhaust_retries", outcome=outcome)

    def pause(self, subscription: str) -> Resource:
        return self._act(subscription, "pause")

    def resume(self, subscription: str) -> Resource:
        return self._act(subscription, "resume")

    def cancel(self, subscription: str) -> Resource:
        return self._act(subscription, "cancel")

    def cancel_at_period_end(
        self, subscription: str, *, value: bool = True, style: Literal["flag", "cancel_at"] | None = None
    ) -> Resource:
        return self._act(subscription, "cancel_at_period_end", value=value, style=style)

    def change_price(self, subscription: str, price: str) -> Resource:
        return self._act(subscription, "change_price", price=price)

    def change_card(self, customer: str, card: str) -> Resource:
        return self._call("POST", f"/customers/{customer}/card", Resource, {"card": card})

    # Time

    def clock(self) -> ClockState:
        return self._call("GET", "/clock", ClockState)

    def advance(self, seconds: int | None = None, *, step: Step | None = None) -> ClockState:
        return self._call("POST", "/clock/advance", ClockState, {"seconds": seconds, "step": step})

    def reset(self) -> ClockState:
        return self._call("POST", "/reset", ClockState)

    # Webhooks

    def delivery(self) -> DeliverySettings:
        return self._call("GET", "/delivery", DeliverySettings)

    def set_delivery(self, **settings: object) -> DeliverySettings:
        """Change the settings named here, as `DeliverySettings` names them."""
        return self._call("PUT", "/delivery", DeliverySettings, settings)

    def restore_delivery(self) -> DeliverySettings:
        return self._call("DELETE", "/delivery", DeliverySettings)

    def deliveries(self, event: str | None = None) -> list[Attempt]:
        params = {} if event is None else {"event": event}
        return self._call("GET", "/deliveries", AttemptList, params=params).attempts

    def counts(self) -> Counts:
        return self._call("GET", "/deliveries/counts", Counts)

    def flush(self, timeout_seconds: float = 30.0) -> Counts:
        return self._call(
            "POST",
            "/deliveries/flush",
            Counts,
            {"timeout_seconds": timeout_seconds},
            timeout=timeout_seconds + _TIMEOUT_SECONDS,
        )

    def emit(
        self,
        event_type: str,
        resource: Resource,
        *,
        created: int | None = None,
        previous_attributes: Resource | None = None,
    ) -> Resource:
        body = {
            "type": event_type,
            "object": resource,
            "created": created,
            "previous_attributes": previous_attributes,
        }
        return self._call("POST", "/events", Resource, body)

    def resend(self, event: str, endpoint: str | None = None) -> int:
        return self._call("POST", f"/events/{event}/resend", Resent, {"endpoint": endpoint}).deliveries

    def roll_secret(self, endpoint: str, *, old_lives_seconds: int = 24 * 3_600) -> str:
        body = {"old_lives_seconds": old_lives_seconds}
        return self._call("POST", f"/webhook_endpoints/{endpoint}/roll_secret", Rolled, body).secret

    # Faults

    def faults(self) -> FaultList:
        return self._call("GET", "/faults", FaultList)

    def set_faults(self, *faults: Fault) -> FaultList:
        return self._call("PUT", "/faults", FaultList, {"faults": list(faults)})

    def add_fault(self, fault: Fault) -> FaultList:
        return self._call("POST", "/faults", FaultList, fault)

    def clear_faults(self) -> FaultList:
        return self._call("DELETE", "/faults", FaultList)
