"""Telling Stripe's webhooks from everybody else's: https://docs.stripe.com/webhooks#verify-manually."""

import hmac
from datetime import datetime

from billing.errors import PayloadInvalid, SignatureInvalid

TOLERANCE_SECONDS = 300
"""How far `t` may be from the present, in either direction."""
HEADER_LENGTH_MAX = 4096
"""Stripe's header has about 100 characters, and 70 more for every further secret while one is rolled over."""
_TIMESTAMP_LENGTH_MAX = 12


def verify(*, header: str | None, body: bytes, secrets: tuple[bytes, ...], now: datetime) -> None:
    """Return only if Stripe signed this very body, with one of the secrets, just now.

    Whatever the caller sends, it raises `SignatureInvalid`, or `PayloadInvalid` for a signed body that is not UTF-8.

    By hand, over the bytes as they came: the SDK decodes and encodes them again, accepts timestamps of the future, and
    fails with `TypeError` on a signature that is not ASCII. Tests hold it to what the SDK says of the same headers.
    """
    if not header:
        raise SignatureInvalid("it is missing")
    if len(header) > HEADER_LENGTH_MAX or not header.isascii():
        raise SignatureInvalid("it is malformed")
    items = header.split(",")
    timestamp = _timestamp(items)
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
        raise SignatureInvalid("its timestamp is too old or in the future")
    signatures = [item[3:] for item in items if item.startswith("v1=")]
    signed = b"%b.%b" % (timestamp.encode(), body)
    if not any(_is_among(signatures, hmac.digest(secret, signed, "sha256").hex()) for secret in secrets):
        raise SignatureInvalid("no signature in it matches the body")
    try:
        body.decode()
    except UnicodeDecodeError:
        raise PayloadInvalid("it is not UTF-8") from None


def _timestamp(items: list[str]) -> str:
    """Answer `t`. There must be one only: else the one that is signed and the one that is fresh could differ."""
    timestamps = [item[2:] for item in items if item.startswith("t=")]
    if len(timestamps) != 1 or not timestamps[0].isdigit() or len(timestamps[0]) > _TIMESTAMP_LENGTH_MAX:
        raise SignatureInvalid("it is malformed")
    return timestamps[0]


def _is_among(signatures: list[str], expected: str) -> bool:
    return any(hmac.compare_digest(expected, signature) for signature in signatures)
