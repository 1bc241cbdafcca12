"""The `/_sandbox` calls: steps of the clock, and that nothing they are sent breaks anything."""

from typing import Any

import httpx
import pytest
import stripe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stripe_sandbox.control.client import ControlError
from stripe_sandbox.resource import encode
from stripe_sandbox.testing import SandboxServer
from stripe_sandbox.timesteps import Step
from support.stripe_webhooks import change_something

DAY_SECONDS = 86_400
UNSTEADY = frozenset({"event", "attempts"})
OK, REFUSED, BROKEN = 200, 400, 500
WORDS = st.sampled_from(
    [
        *("succeeds", "declined", "delayed", "pending", "latest", "price_enterprise", "canceled", "cancel_at", "month"),
        *("latency", "banana", "2024-06-20", "", "\x00", "é", "x" * 300),
    ]
)
NUMBERS = st.one_of(st.integers(-(2**70), 2**70), st.floats(allow_nan=False), st.sampled_from([0, 1, 5, 10**15]))
TREES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=6,
)
FIELDS = (
    *("card", "email", "authentication", "succeeds", "outcome", "value", "style", "price", "seconds", "step"),
    *("types", "duplicate", "reorder", "drop", "ties", "thin", "livemode", "api_version", "max_retries", "paused"),
    *("type", "object", "created", "previous_attributes", "endpoint", "old_lives_seconds"),
    *("kind", "method", "path", "count", "latency_seconds", "status", "faults"),
)
BODIES = st.one_of(TREES, st.dictionaries(st.sampled_from(FIELDS), TREES, max_size=4))


def calls(box: SandboxServer) -> list[tuple[str, str]]:
    """Every call that there is, by method and path with its parameter."""
    return sorted(
        (method, route.path)
        for route in box.app.routes
        if str(route.path).startswith("/_sandbox")
        for handler in getattr(route, "route_handlers", ())
        for method in handler.http_methods
        if method != "OPTIONS"
    )


def rows_of(box: SandboxServer) -> bytes:
    """All rows, but for what deliveries change on their own."""
    tables = box.app.state.sandbox.world.store._tables  # there is no other way to see all
    return encode({kind: dict(table) for kind, table in tables.items() if table and kind not in UNSTEADY})


def target_of(path: str, customer: str) -> str:
    """The path with an object in it that may be there."""
    named = {
        "{session_id:str}": "latest",
        "{subscription_id:str}": "latest",
        "{customer_id:str}": customer,
        "{event_id:str}": "evt_none",
        "{endpoint_id:str}": "we_none",
    }
    for parameter, value in named.items():
        path = path.replace(parameter, value)
    return path


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data(), body=BODIES)
def test_no_tree_breaks_a_call(data: st.DataObject, body: Any, box: SandboxServer, client: stripe.StripeClient) -> None:
    """Whatever JSON any call is sent, it does not fail, and what it refuses changes nothing."""
    method, path = data.draw(st.sampled_from([call for call in calls(box) if "flush" not in call[1]]))
    box.control.reset()
    customer = client.v1.customers.create({})
    client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "customer": customer.id,
            "line_items": [{"price": "price_pro", "quantity": 1}],
            "success_url": "https://shop.test/",
        }
    )
    if data.draw(st.booleans()):
        box.control.pay("latest")
    before = rows_of(box)
    answer = httpx.request(method, box.url + target_of(path, customer.id), content=encode(body))
    assert answer.status_code < BROKEN, answer.text
    if answer.status_code >= REFUSED:
        assert rows_of(box) == before
        assert "message" in answer.json()["error"]
    assert httpx.get(box.url).status_code == OK


def test_every_call_is_among_those(box: SandboxServer) -> None:
    """The trees are sent to all of the calls, and they are not few."""
    assert len(calls(box)) >= 28


@pytest.mark.usefixtures("subscription")
@pytest.mark.parametrize(("step", "days"), [("day", {1}), ("month", {28, 29, 30, 31}), ("renewal", {28, 29, 30, 31})])
def test_a_clock_goes_by_steps(box: SandboxServer, step: Step, days: set[int]) -> None:
    """What the control room's buttons do, a call does: a day, a month, to the next renewal."""
    state = box.control.advance(step=step)
    assert round(state.offset_seconds / DAY_SECONDS) in days
    assert state.steps == (0 if step == "day" else 1)


@pytest.mark.parametrize("body", [{}, {"seconds": 1, "step": "day"}, {"step": "year"}, {"step": "renewal"}], ids=str)
def test_a_step_that_cannot_be_is_refused(box: SandboxServer, body: dict[str, object]) -> None:
    """Neither or both, an unknown step, and a renewal that nobody waits for are a 400."""
    assert httpx.post(f"{box.url}/_sandbox/clock/advance", json=body).status_code == REFUSED
    assert box.control.clock().offset_seconds == 0


def test_the_world_ends_with_the_year_2999(box: SandboxServer) -> None:
    """The clock does not go beyond the dates that the pages can write."""
    decade = 3_653 * DAY_SECONDS
    for _ in range(97):
        box.control.advance(decade)
    with pytest.raises(ControlError, match="ends with the year 2999"):
        box.control.advance(decade)
    assert httpx.get(box.url).status_code == OK


def test_a_deleted_customer_gets_no_card(
    client: stripe.StripeClient, box: SandboxServer, subscription: stripe.Subscription
) -> None:
    """The call and the button refuse it, with a sentence."""
    customer = str(subscription.customer)
    client.v1.customers.delete(customer)
    with pytest.raises(ControlError, match="was deleted") as refused:
        box.control.change_card(customer, "succeeds")
    pressed = httpx.post(f"{box.url}/control/customers/{customer}/card", data={"card": "succeeds"})
    assert (refused.value.status, pressed.status_code, "was deleted" in pressed.text) == (400, 400, True)


def test_a_hand_made_event_may_be_odd(client: stripe.StripeClient, box: SandboxServer) -> None:
    """A number for an id is shown; a time beyond our years is refused."""
    box.control.emit("thing.made", {"id": 5, "object": "thing"})
    assert httpx.get(box.url).status_code == OK
    with pytest.raises(ControlError):
        box.control.emit("thing.made", {"id": "x"}, created=10**15)
    change_something(client)
    assert len(client.v1.events.list().data) == 2
