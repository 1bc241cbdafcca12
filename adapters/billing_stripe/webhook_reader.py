"""From a webhook's raw bytes to what it means here."""

import logging

from msgspec import MsgspecError, Raw, Struct
from msgspec.json import Decoder

from billing.errors import PayloadInvalid
from billing.events import Delivery, Event, Unhandled
from billing.identifiers import EventId
from billing.ports import Clock, FailedEvent, UndecodableEvent
from billing_stripe.objects import Id, Timestamp, moment
from billing_stripe.signature import verify
from billing_stripe.subscribed_events import SUBSCRIBED_EVENTS

REASON_LENGTH_MAX = 500

logger = logging.getLogger(__name__)


class Envelope(Struct, frozen=True):
    """What every snapshot event has around its object, which is left undecoded.

    Source: https://docs.stripe.com/api/events/object
    """

    id: Id
    type: Id
    created: Timestamp
    livemode: bool
    object: str
    account: str | None = None
    """The connected account that the event comes from (Connect)."""
    data: Raw = Raw()


class Kind(Struct, frozen=True):
    """As much of a body as tells what kind of thing it is."""

    object: str | None = None


_ENVELOPE = Decoder(Envelope)
_KIND = Decoder(Kind)


class StripeWebhookReader:
    """Verifies a webhook, then decodes as little of it as the domain needs."""

    def __init__(self, *, secrets: tuple[str, ...], livemode: bool, clock: Clock) -> None:
        """Take the endpoint's signing secrets (several while one is rolled over) and the mode of the API key.

        Raises `ValueError` if there is no secret, or one that is empty or cannot be one: an endpoint that anybody
        can sign for must not start.
        """
        if not secrets:
            raise ValueError("a webhook signing secret is needed")
        if not all(secret and secret.isascii() and secret.isprintable() and " " not in secret for secret in secrets):
            raise ValueError("a webhook signing secret is empty, or has characters that no secret of Stripe's has")
        self._secrets = tuple(secret.encode() for secret in secrets)
        self._livemode = livemode
        self._clock = clock

    def read(self, *, signature: str | None, body: bytes) -> Delivery:
        """Verify the raw body, then decode it.

        Raises `SignatureInvalid`, `PayloadInvalid` and `UndecodableEvent`, and nothing else whatever is sent. Events
        of another mode, of a connected account or of a type that is not subscribed to are `Unhandled`, and their
        objects are not looked at.
        """
        verify(header=signature, body=body, secrets=self._secrets, now=self._clock.now())
        envelope = _open(body)
        try:
            event = self._understand(envelope)
        except (MsgspecError, RecursionError) as error:
            raise UndecodableEvent(_failed(envelope, body, error)) from error
        return Delivery(
            id=EventId(envelope.id),
            type=envelope.type,
            created=moment(envelope.created),
            event=event,
            payload=body,
        )

    def _understand(self, envelope: Envelope) -> Event:
        if envelope.account is not None:
            return Unhandled(reason="another account's")
        if envelope.livemode is not self._livemode:
            return Unhandled(reason="other mode")
        subscribed = SUBSCRIBED_EVENTS.get(envelope.type)
        return subscribed.read(envelope.data) if subscribed else Unhandled(reason="not subscribed to")


def is_live_key(api_key: str) -> bool:
    """Whether a secret or restricted key is one for real money; every other key is treated as a test key."""
    return api_key.startswith(("sk_live_", "rk_live_"))


def _open(body: bytes) -> Envelope:
    try:
        envelope = _ENVELOPE.decode(body)
    except (MsgspecError, RecursionError) as error:
        raise _refusal(body, error) from error
    if envelope.object != "event":
        raise _refusal(body, None)
    return envelope


def _refusal(body: bytes, error: Exception | None) -> PayloadInvalid:
    """Say why a signed body is no event; a thin one is the operator's to mend, so the log says it too."""
    try:
        kind = _KIND.decode(body).object
    except (MsgspecError, RecursionError):
        kind = None
    if kind == "v2.core.event":
        logger.error("A thin event arrived: set the payload style of the event destination at Stripe to snapshot.")
        return PayloadInvalid("it is a thin event; this endpoint takes snapshot events")
    logger.error("A signed webhook is no snapshot event: %s", error or "its object is another one")
    return PayloadInvalid("it is no snapshot event")


def _failed(envelope: Envelope, body: bytes, error: Exception) -> FailedEvent:
    return FailedEvent(
        id=EventId(envelope.id),
        type=envelope.type,
        created=moment(envelope.created),
        reason=f"{type(error).__name__}: {error}"[:REASON_LENGTH_MAX],
        payload=body,
    )
