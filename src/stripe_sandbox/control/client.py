"""A synchronous client for the `/_sandbox` calls, one method each.

Every method raises `ControlError` for what the sandbox refuses, and `httpx.TransportError` when it is not there.
Objects are answered in the shape of the newest API version, as dictionaries with Stripe's field names.
"""

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
    """The sandbox refused a call, and nothing has changed.

    `status` is 404 for an object in the address that there is not, 500 for a defect of the sandbox, else 400;
    `message` is the sentence that says why.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class Control:
    """Make things happen in the sandbox at a URL. For a session or subscription, `latest` is the newest one's id."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=_TIMEOUT_SECONDS, trust_env=False)

    def close(self) -> None:
        """Close the connections that are kept open."""
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
            raise ControlError(response.status_code, _message(response))
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
        """Pay on the checkout page with a test card, by its name; the email is for a session without a customer.

        `authentication` is how the bank's question ends. A refused card is no error: the answer's `outcome` is
        "paid", "declined" or "authentication_required", with a `message` for the buyer, beside the `session`.
        """
        body = {"card": card, "email": email, "authentication": authentication}
        return self._call("POST", f"/checkout_sessions/{session}/pay", PayAnswer, body)

    def expire(self, session: str) -> Resource:
        """Expire an open session; answers the session."""
        return self._call("POST", f"/checkout_sessions/{session}/expire", Resource)

    def settle(self, session: str, *, succeeds: bool = True) -> Resource:
        """Let the bank answer for a session paid with the `delayed` card; answers the session."""
        body = {"succeeds": succeeds}
        return self._call("POST", f"/checkout_sessions/{session}/settle", Resource, body)

    # Subscriptions and customers

    def renew(self, subscription: str) -> Resource:
        """Begin the next period and charge the card for it; answers the subscription, as all of these do."""
        return self._act(subscription, "renew")

    def fail_payment(self, subscription: str) -> Resource:
        """Begin the next period, and let its charge be declined."""
        return self._act(subscription, "fail_payment")

    def recover(self, subscription: str) -> Resource:
        """Pay the open invoice, whatever the card."""
        return self._act(subscription, "recover")

    def exhaust_retries(self, subscription: str, outcome: Outcome = "canceled") -> Resource:
        """Let the last attempt fail; the outcome is what becomes of the subscription."""
        return self._act(subscription, "exhaust_retries", outcome=outcome)

    def pause(self, subscription: str) -> Resource:
        """Pause, and charge nothing until `resume`."""
        return self._act(subscription, "pause")

    def resume(self, subscription: str) -> Resource:
        """Go on after a pause."""
        return self._act(subscription, "resume")

    def cancel(self, subscription: str) -> Resource:
        """End it now."""
        return self._act(subscription, "cancel")

    def cancel_at_period_end(
        self, subscription: str, *, value: bool = True, style: Literal["flag", "cancel_at"] | None = None
    ) -> Resource:
        """Plan the end with the period, or with `value=False` take it back.

        The style is the field that tells of it: the flag `cancel_at_period_end`, or `cancel_at` alone; None is as the
        subscription's billing mode has it.
        """
        return self._act(subscription, "cancel_at_period_end", value=value, style=style)

    def change_price(self, subscription: str, price: str) -> Resource:
        """Move to another price, by its id.

        The difference goes on the next invoice; where the period changes, a new one begins and is charged at once.
        """
        return self._act(subscription, "change_price", price=price)

    def change_card(self, customer: str, card: str) -> Resource:
        """Give a customer another test card, for its subscriptions too; answers the customer."""
        return self._call("POST", f"/customers/{customer}/card", Resource, {"card": card})

    # Time

    def clock(self) -> ClockState:
        """The world's time and the real one, in seconds since 1970."""
        return self._call("GET", "/clock", ClockState)

    def advance(self, seconds: int | None = None, *, step: Step | None = None) -> ClockState:
        """Let time pass, by seconds (ten years at most) or by a step, and do all that falls due at its moment.

        Answers the clock with the number of `steps` that were due. Raises `ControlError` also beyond the year 2999.
        """
        return self._call("POST", "/clock/advance", ClockState, {"seconds": seconds, "step": step})

    def reset(self) -> ClockState:
        """Go back to the seeds: no customers, no events, no faults, the real time, orderly delivery."""
        return self._call("POST", "/reset", ClockState)

    # Webhooks

    def delivery(self) -> DeliverySettings:
        """How webhooks are delivered now."""
        return self._call("GET", "/delivery", DeliverySettings)

    def set_delivery(self, **settings: object) -> DeliverySettings:
        """Change the settings named here, as `DeliverySettings` names them."""
        return self._call("PUT", "/delivery", DeliverySettings, settings)

    def restore_delivery(self) -> DeliverySettings:
        """Deliver as the sandbox was started to."""
        return self._call("DELETE", "/delivery", DeliverySettings)

    def deliveries(self, event: str | None = None) -> list[Attempt]:
        """The last attempts of an event, or of all, oldest first, each with its answer."""
        params = {} if event is None else {"event": event}
        return self._call("GET", "/deliveries", AttemptList, params=params).attempts

    def counts(self) -> Counts:
        """How many deliveries succeeded, failed, are pending, are held back; one for each event and endpoint."""
        return self._call("GET", "/deliveries/counts", Counts)

    def flush(self, timeout_seconds: float = 30.0) -> Counts:
        """Release what is delayed and wait until all is delivered or given up; answers the counts.

        After the time given it answers all the same, with what is still `pending`. Retries keep their back-off.
        """
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
        """Send a hand-made event; the world's objects stay as they are. Answers the event.

        `created` is in seconds since 1970, the world's time by default.
        """
        body = {
            "type": event_type,
            "object": resource,
            "created": created,
            "previous_attributes": previous_attributes,
        }
        return self._call("POST", "/events", Resource, body)

    def resend(self, event: str, endpoint: str | None = None) -> int:
        """Send an event once more, to one endpoint or to all that listen for it; answers to how many."""
        return self._call("POST", f"/events/{event}/resend", Resent, {"endpoint": endpoint}).deliveries

    def roll_secret(self, endpoint: str, *, old_lives_seconds: int = 24 * 3_600) -> str:
        """Give an endpoint a new signing secret and answer it; the old one signs too for so long, a day at most."""
        body = {"old_lives_seconds": old_lives_seconds}
        return self._call("POST", f"/webhook_endpoints/{endpoint}/roll_secret", Rolled, body).secret

    # Faults

    def faults(self) -> FaultList:
        """The faults that are set, and how often each kind has struck."""
        return self._call("GET", "/faults", FaultList)

    def set_faults(self, *faults: Fault) -> FaultList:
        """Replace all faults by these; answers as `faults` does."""
        return self._call("PUT", "/faults", FaultList, {"faults": list(faults)})

    def add_fault(self, fault: Fault) -> FaultList:
        """Add one fault to those that are set."""
        return self._call("POST", "/faults", FaultList, fault)

    def clear_faults(self) -> FaultList:
        """Let the API answer well again."""
        return self._call("DELETE", "/faults", FaultList)


def _message(response: httpx.Response) -> str:
    """The sentence in an error's body."""
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return response.text
