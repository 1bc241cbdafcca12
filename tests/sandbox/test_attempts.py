"""What becomes of deliveries when the world around them changes: restarts, endpoints that go, events that cannot be."""

from pathlib import Path

import pytest
import stripe

from stripe_sandbox.control.client import ControlError
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.testing import SandboxConfig, SandboxServer, SeedEndpoint, WebhookInbox
from stripe_sandbox.webhooks import retention
from stripe_sandbox.world.clock import Clock
from support.stripe_webhooks import change_something

DAY_SECONDS = 86_400


def test_a_restart_goes_on_with_the_retries(tmp_path: Path) -> None:
    """The attempts made so far are known after a restart, and the next one has the next number."""
    with WebhookInbox() as inbox:
        config = SandboxConfig(
            database=tmp_path / "world.db",
            endpoints=(SeedEndpoint(url=inbox.url, secret="whsec_x"),),
            delivery={"backoff_base_seconds": 0.5, "backoff_cap_seconds": 0.5},
        )
        inbox.answer_next(500, 503)
        with SandboxServer(config) as box:
            change_something(stripe.StripeClient(box.api_key, base_addresses={"api": box.url}))
            inbox.wait_for(2)
        with SandboxServer(config) as box:
            box.control.flush()
            attempts = box.control.deliveries()
            event = attempts[0].event
            assert [(row.attempt, row.status) for row in attempts] == [(1, 500), (2, 503), (3, 200)]
            assert box.control.deliveries(event) == attempts


def test_a_deleted_endpoint_gets_nothing_more(
    client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox
) -> None:
    """What still waited for it is given up, said so, and stays listed as undelivered."""
    box.control.set_delivery(paused=True)
    change_something(client)
    (endpoint,) = client.v1.webhook_endpoints.list().data
    client.v1.webhook_endpoints.delete(endpoint.id)
    box.control.set_delivery(paused=False)
    counts = box.control.flush()
    assert (counts.pending, counts.failed, inbox.deliveries) == (0, 1, [])
    assert [row.error for row in box.control.deliveries()] == ["the endpoint was deleted"]
    assert len(client.v1.events.list({"delivery_success": False}).data) == 1


def test_a_disabled_endpoint_gets_nothing_more(
    client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox
) -> None:
    """What was queued before it was disabled does not arrive after."""
    box.control.set_delivery(paused=True)
    change_something(client)
    (endpoint,) = client.v1.webhook_endpoints.list().data
    client.v1.webhook_endpoints.update(endpoint.id, {"disabled": True})
    box.control.set_delivery(paused=False)
    assert (box.control.flush().failed, inbox.deliveries) == (1, [])
    event = client.v1.events.list().data[0]
    with pytest.raises(ControlError, match="is disabled"):
        box.control.resend(event.id, endpoint.id)


def test_resending_to_an_endpoint_that_is_none_is_refused(client: stripe.StripeClient, box: SandboxServer) -> None:
    """An unknown endpoint is a 400 that names it."""
    change_something(client)
    event = client.v1.events.list().data[0]
    with pytest.raises(ControlError, match="No such webhook_endpoint: 'we_none'") as refused:
        box.control.resend(event.id, "we_none")
    assert refused.value.status == 400


def test_an_event_that_cannot_be_written_is_a_failed_attempt(
    client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox
) -> None:
    """A hand-made object that no version's shape fits is given up in the end, and holds nobody up."""
    box.control.set_delivery(api_version="2024-06-20", max_retries=1, backoff_base_seconds=0.01)
    box.control.emit("customer.subscription.updated", {"object": "subscription", "items": "all"})
    change_something(client)
    counts = box.control.flush(5)
    assert (counts.failed, counts.pending, inbox.types) == (1, 0, ["product.created"])
    errors = [row.error for row in box.control.deliveries() if row.type == "customer.subscription.updated"]
    assert len(errors) == 2
    assert all("cannot be written" in str(error) for error in errors)


def test_rolling_a_secret_over_and_over_keeps_few(client: stripe.StripeClient, box: SandboxServer) -> None:
    """However often it is rolled, an endpoint signs with no more secrets than a header holds."""
    (endpoint,) = client.v1.webhook_endpoints.list().data
    newest = [box.control.roll_secret(endpoint.id) for _ in range(20)][-1]
    world = box.app.state.sandbox.world
    private = world.private(endpoint.id)
    assert (private["secret"], len(private["rolled"])) == (newest, 10)
    with pytest.raises(ControlError):
        box.control.roll_secret(endpoint.id, old_lives_seconds=DAY_SECONDS + 1)


def test_old_events_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of events that the API lists no more only the newest stay, and those that are still to be delivered."""
    monkeypatch.setattr(retention, "MOST_OLD_EVENTS", 2)
    sandbox = Sandbox(SandboxConfig(), Clock(lambda: 1_800_000_000))
    world = sandbox.world
    events = [world.emit_snapshot("thing.made", {"id": str(number)})["id"] for number in range(5)]
    world.rows("event")[events[0]]["deliveries"]["we_x"] = "pending"
    assert retention.forget_old_events(world, sandbox.deliverer.attempts) == 0
    world.advance(31 * DAY_SECONDS)
    assert retention.forget_old_events(world, sandbox.deliverer.attempts) == 2
    assert list(world.rows("event")) == [events[0], *events[3:]]
