"""The one shape that everything here passes around: a Stripe object as it stands on the wire."""

from collections.abc import Mapping
from typing import Any, TypeAlias, cast

import msgspec

Resource: TypeAlias = dict[str, Any]
"""A JSON object with Stripe's own field names, always in the newest shape; `api.versions` renders older ones."""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Resource)


def snapshot(resource: Resource) -> Resource:
    """Copy a resource in depth, many times faster than `copy.deepcopy`."""
    return _decoder.decode(_encoder.encode(resource))


def encode(value: object) -> bytes:
    return _encoder.encode(value)


def decode(body: bytes) -> Resource:
    return _decoder.decode(body)


def id_of(reference: object) -> str | None:
    """Read an id that may stand plain or as the object it names."""
    if isinstance(reference, Mapping):
        return str(cast("Mapping[str, object]", reference)["id"])
    return reference if isinstance(reference, str) else None
