"""Webhook endpoints and test clocks."""

from stripe_sandbox.resource import Resource


def webhook_endpoint(
    endpoint_id: str, *, url: str, enabled_events: list[str], api_version: str | None, created: int
) -> Resource:
    return {
        "id": endpoint_id,
        "object": "webhook_endpoint",
        "api_version": api_version,
        "application": None,
        "created": created,
        "description": None,
        "enabled_events": enabled_events,
        "livemode": False,
        "metadata": {},
        "status": "enabled",
        "url": url,
    }


def test_clock(clock_id: str, *, frozen_time: int, name: str | None, created: int, deletes_after: int) -> Resource:
    return {
        "id": clock_id,
        "object": "test_helpers.test_clock",
        "created": created,
        "deletes_after": deletes_after,
        "frozen_time": frozen_time,
        "livemode": False,
        "name": name,
        "status": "ready",
        "status_details": {},
    }
