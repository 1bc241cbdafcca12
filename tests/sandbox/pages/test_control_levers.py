"""The control room's forms for webhooks and faults, as somebody without JavaScript uses them."""

import pytest

from stripe_sandbox.api.faults import Fault
from stripe_sandbox.testing import SandboxServer
from stripe_sandbox.webhooks.settings import DeliverySettings
from support.html_forms import Visitor


def test_disorder_is_set_and_taken_back(visitor: Visitor, box: SandboxServer) -> None:
    """The form sets each setting it shows, comes back filled in as it was sent, and is undone by one button."""
    room = visitor.follow(
        visitor.press(
            visitor.open("/"),
            "Deliver like this",
            paused="true",
            ties="true",
            thin="true",
            duplicate="3",
            delay_seconds="0.5",
            drop="0.25",
            livemode="true",
            types="customer.*, invoice.paid",
        )
    )
    expected = DeliverySettings(
        paused=True,
        ties=True,
        thin=True,
        duplicate=3,
        delay_seconds=0.5,
        drop=0.25,
        livemode=True,
        types=["customer.*", "invoice.paid"],
        backoff_base_seconds=0.05,
    )
    assert box.control.delivery() == expected
    visitor.press(room, "Deliver like this")
    assert box.control.delivery() == expected
    visitor.press(room, "Deliver like this", paused=None)
    assert box.control.delivery().paused is False
    visitor.follow(visitor.press(room, "Back to good order"))
    assert box.control.delivery() == DeliverySettings(backoff_base_seconds=0.05)


@pytest.mark.parametrize(
    ("name", "value"),
    [("duplicate", "0"), ("drop", "2"), ("drop", "nan"), ("delay_seconds", "soon"), ("reorder", "1.5")],
)
def test_disorder_that_cannot_be_is_refused(visitor: Visitor, box: SandboxServer, name: str, value: str) -> None:
    """A setting out of its range answers 400 as a page and leaves all settings as they were."""
    before = box.control.delivery()
    answer = visitor.press(visitor.open("/"), "Deliver like this", **{name: value})
    assert (answer.status_code, "Nothing was changed" in answer.text) == (400, True)
    assert box.control.delivery() == before


def test_faults_are_set_and_cleared(visitor: Visitor, box: SandboxServer) -> None:
    """The form makes a fault of what is filled in, the room lists it, and one button clears all."""
    room = visitor.follow(
        visitor.press(
            visitor.open("/"),
            "Set this fault",
            kind="too_many_requests",
            method="POST",
            path="/v1/customers",
            count="2",
            should_retry="true",
            retry_after_seconds="3",
        )
    )
    assert "429, too many requests: POST /v1/customers…, 2 more" in room.text
    room = visitor.follow(visitor.press(room, "Set this fault", kind="latency", count="", latency_seconds="0.01"))
    assert "Slow answers: any method /v1/…, until cleared" in room.text
    wanted = Fault(
        kind="too_many_requests",
        method="POST",
        path="/v1/customers",
        count=2,
        should_retry=True,
        retry_after_seconds=3,
    )
    assert box.control.faults().faults == [wanted, Fault(kind="latency", count=None, latency_seconds=0.01)]
    visitor.follow(visitor.press(room, "Clear all faults"))
    assert box.control.faults().faults == []


@pytest.mark.parametrize(
    "fields",
    [{"kind": "meteor"}, {"count": "0"}, {"status": "200"}, {"latency_seconds": "-1"}, {"latency_seconds": "601"}],
)
def test_a_fault_that_cannot_be_is_refused(visitor: Visitor, box: SandboxServer, fields: dict[str, str]) -> None:
    """A fault out of its range answers 400 and is not set."""
    assert visitor.press(visitor.open("/"), "Set this fault", **fields).status_code == 400
    assert box.control.faults().faults == []


def test_an_endpoint_s_secret_is_rolled(visitor: Visitor, box: SandboxServer) -> None:
    """The button makes a new secret and shows it beside the old one, which signs for another day."""
    room = visitor.open("/")
    assert "whsec_test" in room.html
    rolled = visitor.follow(visitor.press(room, "Roll the secret"))
    assert rolled.html.count("whsec_") == 2
