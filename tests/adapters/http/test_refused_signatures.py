"""Refused signatures in the log."""

import logging

import pytest

from billing.errors import SignatureInvalid
from billing_http.refused_signatures import QUIET_SECONDS, RefusedSignatures
from support.http_world import World


def refused(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Answer what was said of them."""
    return [record.getMessage() for record in caplog.records if record.name == "billing.http"]


def test_the_first_is_told_at_once_and_then_a_number_each_minute(caplog: pytest.LogCaptureFixture) -> None:
    """A storm of what nobody has signed does not fill the log."""
    now = 100.0
    signatures = RefusedSignatures(clock=lambda: now)
    signatures.add(SignatureInvalid("it is missing"))
    (first,) = refused(caplog)
    assert first.startswith("webhooks refused since the last such line: 1; the last one: the Stripe-Signature header")
    assert first.endswith("it is missing")
    for _ in range(1000):
        now += QUIET_SECONDS / 1001
        signatures.add(SignatureInvalid("it is missing"))
    assert len(refused(caplog)) == 1
    now = 100.0 + QUIET_SECONDS
    signatures.add(SignatureInvalid("no signature in it matches the body"))
    (_, second) = refused(caplog)
    assert second.startswith("webhooks refused since the last such line: 1001; ")
    assert second.endswith("no signature in it matches the body")


@pytest.mark.anyio
async def test_the_route_tells_of_them(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever has set a wrong secret finds it in the log, and not only at Stripe."""
    world.reader.answer = SignatureInvalid("no signature in it matches the body")
    with caplog.at_level(logging.WARNING):
        answers = [await world.client.post("/v1/billing/webhooks", content=b"{}") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [400, 400, 400]
    assert len(refused(caplog)) == 1
