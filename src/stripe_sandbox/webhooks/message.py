"""One webhook request: its body and its headers, right or wrong as the settings say."""

from dataclasses import dataclass
from typing import Final

from stripe_sandbox.resource import Resource, encode
from stripe_sandbox.resources.webhook_endpoints import secrets_of
from stripe_sandbox.webhooks.envelope import envelope, thin
from stripe_sandbox.webhooks.settings import DeliverySettings
from stripe_sandbox.webhooks.signature import signature_header
from stripe_sandbox.world.world import World

_STALE_SECONDS: Final = 3_600
_WRONG_SECRET: Final = "whsec_of_somebody_else"  # noqa: S105  # it is meant to be wrong


@dataclass(frozen=True, slots=True)
class Message:
    url: str
    body: bytes
    headers: dict[str, str]


def compose(world: World, record: Resource, endpoint: Resource, settings: DeliverySettings) -> Message:
    """Render and sign an event for an endpoint; the time of the signature is that of this attempt."""
    disordered = settings.disorders(record["type"])
    body = encode(_payload(record, endpoint, settings, disordered=disordered))
    wrong, stale = settings.bad_signature and disordered, settings.stale_signature and disordered
    signature = signature_header(
        body,
        secrets=[_WRONG_SECRET] if wrong else secrets_of(world, endpoint["id"]),
        timestamp=int(world.clock.wall()) - (_STALE_SECONDS if stale else 0),
    )
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "Accept": "*/*; q=0.5, application/xml",
        "Cache-Control": "no-cache",
        "Stripe-Signature": signature,
    }
    return Message(endpoint["url"], body, headers)


def _payload(record: Resource, endpoint: Resource, settings: DeliverySettings, *, disordered: bool) -> Resource:
    if settings.thin and disordered:
        return thin(record)
    version = settings.api_version if disordered else None
    event = envelope(record, version or endpoint["api_version"] or record["api_version"])
    if settings.livemode is not None and disordered:
        event["livemode"] = settings.livemode
        event["data"]["object"] = {**event["data"]["object"], "livemode": settings.livemode}
    return event
