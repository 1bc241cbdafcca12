"""https://docs.stripe.com/api/webhook_endpoints. The secret is shown once, when the endpoint is made."""

from typing import Final
from urllib.parse import urlsplit

from stripe_sandbox.api import versions
from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.api.lists import page_of
from stripe_sandbox.api.operation import Call, Operation, operation
from stripe_sandbox.api.params import PAGE, array, boolean, clearable, ignored, metadata, text
from stripe_sandbox.objects.account import webhook_endpoint
from stripe_sandbox.resource import Resource
from stripe_sandbox.resources.common import assign, deleted, fresh_metadata, merge_metadata
from stripe_sandbox.resources.event_types import EVENT_TYPES
from stripe_sandbox.world.world import World

ENDPOINT: Final = "webhook_endpoint"
_MOST_ROLLED: Final = 10


def make_endpoint(
    world: World, *, url: str, enabled_events: list[str], api_version: str | None, secret: str | None = None
) -> Resource:
    row = webhook_endpoint(
        world.ids.long("we"),
        url=url,
        enabled_events=enabled_events,
        api_version=api_version,
        created=world.now(),
    )
    world.keep(row["id"], secret=secret or world.ids.signing_secret(), rolled=[])
    world.put(row)
    return row


def _create(world: World, call: Call) -> Resource:
    version = call.params.get("api_version")
    row = make_endpoint(
        world,
        url=_url(call.params["url"]),
        enabled_events=_events(call.params["enabled_events"]),
        api_version=None if version is None else versions.check(version),
    )
    assign(row, call.params, "description")
    row["metadata"] = fresh_metadata(call.params)
    return {**row, "secret": world.private(row["id"])["secret"]}


def _url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise ApiError("Invalid URL: An explicit scheme (such as https) must be provided.", param="url")
    return url


def _events(names: list[str]) -> list[str]:
    """Full names, or a star for all: who asks for a misspelt event would wait for it in vain."""
    if not names:
        raise ApiError("You must provide at least one event to enable.", param="enabled_events")
    for index, name in enumerate(names):
        if name != "*" and name not in EVENT_TYPES:
            raise ApiError(
                f"Invalid enabled_events[{index}]: there is no event type {name[:80]}.",
                param=f"enabled_events[{index}]",
            )
    return names


def _update(world: World, call: Call) -> Resource:
    row = world.get(ENDPOINT, call.target)
    if "url" in call.params:
        row["url"] = _url(call.params["url"])
    if "enabled_events" in call.params:
        row["enabled_events"] = _events(call.params["enabled_events"])
    if "disabled" in call.params:
        row["status"] = "disabled" if call.params["disabled"] else "enabled"
    if "metadata" in call.params:
        merge_metadata(row, call.params["metadata"])
    assign(row, call.params, "description")
    world.put(row)
    return row


def _retrieve(world: World, call: Call) -> Resource:
    return world.get(ENDPOINT, call.target)


def _delete(world: World, call: Call) -> Resource:
    row = world.get(ENDPOINT, call.target)
    world.store.remove(ENDPOINT, row["id"])
    return deleted(row)


def _list(world: World, call: Call) -> Resource:
    return page_of(world, call, ENDPOINT, lambda row: True)  # noqa: ARG005  # every endpoint is listed


def roll_secret(world: World, endpoint_id: str, *, old_lives_seconds: int) -> str:
    """Make a new secret; the old one goes on signing beside it for a while, as Stripe's Dashboard offers.

    Of old ones the newest are kept, as many as `_MOST_ROLLED`; raises `ApiError` for an unknown endpoint.
    """
    world.get(ENDPOINT, endpoint_id)
    known = world.private(endpoint_id)
    now = world.clock.wall()
    living = [[secret, until] for secret, until in known["rolled"] if until > now]
    secret = world.ids.signing_secret()
    rolled = [*living, [known["secret"], now + old_lives_seconds]][-_MOST_ROLLED:]
    world.keep(endpoint_id, secret=secret, rolled=rolled)
    return secret


def secrets_of(world: World, endpoint_id: str) -> list[str]:
    """The secrets that sign now, the newest first."""
    known = world.private(endpoint_id)
    now = world.clock.wall()
    return [known["secret"], *(secret for secret, until in reversed(known["rolled"]) if until > now)]


_SHARED: Final = {
    "description": text(),
    "enabled_events": array(text(clearable=False), most=500),
    "metadata": metadata(),
    "url": text(clearable=False),
}
OPERATIONS: Final[tuple[Operation, ...]] = (
    operation(
        "POST",
        "/v1/webhook_endpoints",
        _create,
        required=("enabled_events", "url"),
        params={**_SHARED, "api_version": clearable(text()), **ignored("connect")},
    ),
    operation("GET", "/v1/webhook_endpoints", _list, params={**PAGE}),
    operation("GET", "/v1/webhook_endpoints/{id}", _retrieve),
    operation("POST", "/v1/webhook_endpoints/{id}", _update, params={**_SHARED, "disabled": boolean()}),
    operation("DELETE", "/v1/webhook_endpoints/{id}", _delete),
)
