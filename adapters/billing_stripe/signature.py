"""Telling Stripe's webhooks from everybody else's: https://docs.stripe.com/webhooks#verify-manually."""

from datetime import datetime

from stripe import SignatureVerificationError, WebhookSignature

from billing.errors import PayloadInvalid, SignatureInvalid

TOLERANCE_SECONDS = 300
"""How far `t` may be from the present, in either direction."""
HEADER_LENGTH_MAX = 4096
"""Stripe's header has about 100 characters, and 70 more for every further secret while one is rolled over."""
_TIMESTAMP_LENGTH_MAX = 12


def verify(*, header: str | None, body: bytes, secrets: tuple[str, ...], now: datetime) -> None:
    """Return only if Stripe signed this very body, with one of the secrets, just now.

    Whatever the caller sends, it raises `SignatureInvalid`, or `PayloadInvalid` for a body that is not UTF-8, which
    the SDK cannot verify. The SDK accepts timestamps of the future and fails with `TypeError` on a signature that is
    not ASCII; both are dealt with before it is asked.
    """
    if not header:
        raise SignatureInvalid("it is missing")
    if len(header) > HEADER_LENGTH_MAX or not header.isascii():
        raise SignatureInvalid("it is malformed")
    if abs(now.timestamp() - _signed_at(header)) > TOLERANCE_SECONDS:
        raise SignatureInvalid("its timestamp is too old or in the future")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise PayloadInvalid("it is not UTF-8") from None
    if not any(_is_signed_with(secret, header, text) for secret in secrets):
        raise SignatureInvalid("no signature in it matches the body")


def _signed_at(header: str) -> int:
    """Answer `t`. There must be one only: else the one that is signed and the one that is fresh could differ."""
    timestamps = [item[2:] for item in header.split(",") if item.startswith("t=")]
    if len(timestamps) != 1 or not timestamps[0].isdigit() or len(timestamps[0]) > _TIMESTAMP_LENGTH_MAX:
        raise SignatureInvalid("it is malformed")
    return int(timestamps[0])


def _is_signed_with(secret: str, header: str, text: str) -> bool:
    try:
        # Without a tolerance it looks at no clock.
        WebhookSignature.verify_header(text, header, secret)  # pyright: ignore[reportUnknownMemberType] - no annotation
    except SignatureVerificationError:
        return False
    return True
