"""https://docs.stripe.com/api/products."""

from typing import Final

from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.api.lists import equal, page_of, within
from stripe_sandbox.api.operation import Call, Operation, operation
from stripe_sandbox.api.params import PAGE, array, boolean, choice, ignored, metadata, text, time_range
from stripe_sandbox.objects.catalogue import product
from stripe_sandbox.resource import Resource, snapshot
from stripe_sandbox.resources.common import assign, deleted, fresh_metadata, merge_metadata
from stripe_sandbox.world.world import World

_PLAIN: Final = ("active", "description", "images", "name", "shippable", "statement_descriptor", "unit_label", "url")
_FIELDS: Final = {
    "active": boolean(),
    "description": text(),
    "images": array(text(), most=8),
    "metadata": metadata(),
    "name": text(clearable=False),
    "shippable": boolean(),
    "statement_descriptor": text(longest=22),
    "unit_label": text(longest=12),
    "url": text(),
    **ignored("marketing_features", "package_dimensions", "tax_code", "tax_details"),
}


def make_product(
    world: World, *, name: str, product_id: str | None = None, metadata: dict[str, str] | None = None
) -> Resource:
    row = product(product_id or world.ids.short("prod"), name=name, created=world.now())
    row["metadata"] = metadata or {}
    return row


def must_be_new(world: World, product_id: str | None, *, param: str) -> None:
    """A product's id may be chosen by who makes it, once."""
    if product_id is not None and product_id in world.rows("product"):
        raise ApiError("Product already exists.", code="resource_already_exists", param=param)


def _create(world: World, call: Call) -> Resource:
    wanted = call.params.get("id")
    must_be_new(world, wanted, param="id")
    row = make_product(world, name=call.params["name"], product_id=wanted, metadata=fresh_metadata(call.params))
    assign(row, call.params, *_PLAIN)
    world.emit("product.created", row)
    return row


def _update(world: World, call: Call) -> Resource:
    row = world.get("product", call.target)
    before = snapshot(row)
    if "metadata" in call.params:
        merge_metadata(row, call.params["metadata"])
    assign(row, call.params, *_PLAIN, "default_price")
    if (price_id := call.params.get("default_price")) is not None:
        _must_sell(world, row, price_id)
    if row != before:
        row["updated"] = world.now()
        world.emit("product.updated", row, before=before)
    return row


def _must_sell(world: World, row: Resource, price_id: str) -> None:
    if world.get("price", price_id, param="default_price")["product"] != row["id"]:
        raise ApiError(
            f"The price {price_id} does not belong to the product {row['id']}.",
            param="default_price",
        )


def _retrieve(world: World, call: Call) -> Resource:
    return world.get("product", call.target)


def _delete(world: World, call: Call) -> Resource:
    row = world.get("product", call.target)
    if any(price["product"] == row["id"] for price in world.rows("price").values()):
        raise ApiError("This product cannot be deleted because it has one or more user-created prices.")
    world.emit_snapshot("product.deleted", row)
    world.store.remove("product", row["id"])
    return deleted(row)


def _list(world: World, call: Call) -> Resource:
    ids = call.params.get("ids")

    def keep(row: Resource) -> bool:
        return (
            equal(call.params, row, "active", "shippable", "type", "url")
            and (ids is None or row["id"] in ids)
            and within(call.params.get("created"), row["created"])
        )

    return page_of(world, call, "product", keep)


OPERATIONS: Final[tuple[Operation, ...]] = (
    operation(
        "POST",
        "/v1/products",
        _create,
        required=("name",),
        params={
            **_FIELDS,
            "id": text(clearable=False),
            "type": choice("good", "service"),
            **ignored("default_price_data"),
        },
    ),
    operation(
        "GET",
        "/v1/products",
        _list,
        params={
            **PAGE,
            "active": boolean(),
            "created": time_range(),
            "ids": array(text()),
            "shippable": boolean(),
            "type": choice("good", "service"),
            "url": text(),
        },
    ),
    operation("GET", "/v1/products/{id}", _retrieve),
    operation("POST", "/v1/products/{id}", _update, params={**_FIELDS, "default_price": text()}),
    operation("DELETE", "/v1/products/{id}", _delete),
)
