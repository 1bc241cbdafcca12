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
        if seeded_price(world, wanted) is None:
            _put_price(world, wanted)
    _put_endpoints(world)
    if world.config.portal_configuration:
        default_configuration(world)
    _readdress(world)
    world.commit()


def seeded_price(world: World, wanted: SeedPrice) -> Resource | None:
    """The price that a seed has become, if it has; it may have another amount, since prices do not change."""
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


def _put_endpoints(world: World) -> None:
    """Bring the seeded endpoints up to date: their secret is the one the receiver was given.

    An endpoint of a former start whose URL is configured no more becomes the new one, with what it still has to
    deliver, as when the receiver has moved to another port; when there is no new one, it goes.
    """
    known = {row["url"]: row for row in world.rows(ENDPOINT).values()}
    urls = {wanted.url for wanted in world.config.endpoints}
    left = [row for row in known.values() if row["url"] not in urls and world.private(row["id"]).get("seeded")]
    for wanted in world.config.endpoints:
        row = known.get(wanted.url) or (left.pop(0) if left else None)
        _put_endpoint(world, wanted, row)
    for row in left:
        world.store.remove(ENDPOINT, row["id"])


def _put_endpoint(world: World, wanted: SeedEndpoint, row: Resource | None) -> None:
    events = list(wanted.enabled_events)
    if row is None:
        row = make_endpoint(
            world, url=wanted.url, enabled_events=events, api_version=wanted.api_version, secret=wanted.secret
        )
    row.update(url=wanted.url, enabled_events=events, api_version=wanted.api_version)
    world.keep(row["id"], secret=wanted.secret, seeded=True)
    world.put(row)


def _readdress(world: World) -> None:
    """Hosted pages are where this start serves them, whatever port or name an earlier one had."""
    base = world.config.base_url
    for kind, name, path in (
        ("checkout.session", "url", "/pay/{}"),
        ("billing_portal.session", "url", "/portal/{}"),
        ("invoice", "hosted_invoice_url", "/invoice/{}"),
        ("invoice", "invoice_pdf", "/invoice/{}/pdf"),
    ):
        for row in world.rows(kind).values():
            address = base + path.format(row["id"])
            if row[name] not in (None, address):
                row[name] = address
                world.put(row)
