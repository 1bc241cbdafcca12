"""What a sandbox begins with. Seeding twice changes nothing: a restart keeps its world."""

from stripe_sandbox.config import SeedEndpoint, SeedPrice
from stripe_sandbox.objects.catalogue import price, recurring
from stripe_sandbox.resource import Resource
from stripe_sandbox.resources.portal import default_configuration
from stripe_sandbox.resources.products import make_product
from stripe_sandbox.resources.webhook_endpoints import ENDPOINT, make_endpoint
from stripe_sandbox.world.world import World


def seed(world: World) -> None:
    """Put the configured prices and endpoints, as an account that has had them for long: no events tell of it."""
    for wanted in world.config.prices:
        if _seeded_price(world, wanted) is None:
            _put_price(world, wanted)
    for endpoint in world.config.endpoints:
        _put_endpoint(world, endpoint)
    if world.config.portal_configuration:
        default_configuration(world)
    world.commit()


def _seeded_price(world: World, wanted: SeedPrice) -> Resource | None:
    if wanted.price_id is not None:
        return world.find("price", wanted.price_id)
    return next((row for row in world.rows("price").values() if row["lookup_key"] == wanted.name), None)


def _put_price(world: World, wanted: SeedPrice) -> None:
    product = make_product(world, name=wanted.name.replace("_", " ").capitalize())
    row = price(
        wanted.price_id or world.ids.long("price"),
        product_id=product["id"],
        currency=wanted.currency,
        unit_amount=wanted.unit_amount,
        recurring=recurring(interval=wanted.interval),
        created=world.now(),
    )
    row["lookup_key"] = wanted.name
    product["default_price"] = row["id"]
    world.put(product)
    world.put(row)


def _put_endpoint(world: World, wanted: SeedEndpoint) -> None:
    """An endpoint of the same URL is brought up to date: its secret is the one the receiver was given."""
    row = next((row for row in world.rows(ENDPOINT).values() if row["url"] == wanted.url), None)
    if row is None:
        make_endpoint(
            world,
            url=wanted.url,
            enabled_events=list(wanted.enabled_events),
            api_version=wanted.api_version,
            secret=wanted.secret,
        )
        return
    row.update(enabled_events=list(wanted.enabled_events), api_version=wanted.api_version)
    world.keep(row["id"], secret=wanted.secret)
    world.put(row)
