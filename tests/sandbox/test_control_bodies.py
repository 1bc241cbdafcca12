"""What the `/_sandbox` calls make of their bodies, and of `latest`."""

import httpx
import pytest
import stripe

from stripe_sandbox.control.client import ControlError
from stripe_sandbox.testing import SandboxServer, WebhookInbox

OK, REFUSED = 200, 400


def call(box: SandboxServer, path: str, body: bytes = b"") -> tuple[int, str]:
    """POST, and answer the status with the sentence of a refusal."""
    answer = httpx.post(f"{box.url}/_sandbox/{path}", content=body)
    return answer.status_code, "" if answer.is_success else answer.json()["error"]["message"]


def test_a_call_that_need_not_say_anything_takes_an_empty_body(
    box: SandboxServer, subscription: stripe.Subscription
) -> None:
    """Without a body a call does what `{}` does."""
    assert call(box, "deliveries/flush") == (OK, "")
    assert call(box, f"subscriptions/{subscription.id}/cancel_at_period_end") == (OK, "")
    assert call(box, "subscriptions/latest/renew") == (OK, "")


@pytest.mark.usefixtures("subscription")
@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("subscriptions/latest/change_price", b"", "missing required field `price`"),
        ("subscriptions/latest/renew", b'{"x": 1}', "unknown field `x`"),
        ("reset", b'{"x": 1}', "unknown field `x`"),
        ("clock/advance", b"[" * 100_000, "does not fit"),
        ("events", b'{"type": "thing.made", "object": {"id": ' + b"[" * 100_000, "nested too deeply"),
        ("clock/advance", b"seconds=5", "is no JSON"),
        ("clock/advance", b'{"step": "\xff"}', "is no JSON"),
        ("faults", b"[]", "does not fit"),
        ("events", b'{"type": "a b.c", "object": {"id": "x"}}', "type"),
        ("events", b'{"type": "thing", "object": {"id": "x"}}', "type"),
        ("events", b'{"type": "thing.made", "object": {}}', "object"),
        ("events", b'{"type": "thing.made", "object": {"id": {}}}', "`id` is a text or a number"),
    ],
)
def test_a_body_that_does_not_fit_is_told_in_a_sentence(
    *, box: SandboxServer, path: str, body: bytes, told: str
) -> None:
    """Each is a 400 that says what is wrong, never an error of the sandbox."""
    status, sentence = call(box, path, body)
    assert (status, told in sentence) == (REFUSED, True), sentence


def test_latest_is_the_newest_of_any_kind(
    client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox, subscription: stripe.Subscription
) -> None:
    """Customers, events and endpoints have a latest one, too."""
    assert box.control.change_card("latest", "declined")["id"] == subscription.customer
    box.control.flush()
    newest = client.v1.events.list({"limit": 1}).data[0].id
    inbox.clear()
    assert box.control.resend("latest") == 1
    box.control.flush()
    assert [event["id"] for event in inbox.events] == [newest]
    assert box.control.roll_secret("latest").startswith("whsec_")


def test_disorder_of_types_that_no_event_can_have_is_refused(box: SandboxServer) -> None:
    """A word without a dot would never strike; a pattern, and the type of a hand-made event, are taken."""
    with pytest.raises(ControlError, match="like 'nope'"):
        box.control.set_delivery(types=["invoice.paid", "nope"])
    assert box.control.delivery().types == []
    assert box.control.set_delivery(types=["*", "invoice.*", "thing.made"]).types == ["*", "invoice.*", "thing.made"]
