"""The one shape that everything here passes around: a Stripe object as it stands on the wire."""

from typing import Any, TypeAlias, TypeGuard

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


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Like `isinstance`, for checkers that would call the items of a bare list unknown."""
    return isinstance(value, list)


def part(resource: Resource, *names: str) -> Resource:
    """A group within groups, empty where one of them is missing or null."""
    for name in names:
        inner: Resource | None = resource.get(name)
        if inner is None:
            return {}
        resource = inner
    return resource
