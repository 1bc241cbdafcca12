"""The line items of a checkout session: what is asked for, and what is shown."""

from typing import Any

from stripe_sandbox.api.errors import missing_parameter
from stripe_sandbox.api.lists import listing
from stripe_sandbox.billing.prices import must_be_active
from stripe_sandbox.objects.catalogue import price as new_price
from stripe_sandbox.objects.checkout import line_item
from stripe_sandbox.resource import Resource
from stripe_sandbox.resources.prices import currency_code, recurring_of, unit_amount
from stripe_sandbox.resources.products import make_product
from stripe_sandbox.world.world import World


def line_of(world: World, given: dict[str, Any], index: int) -> tuple[Resource, int]:
    quantity = given.get("quantity", 1)
    if (price_id := given.get("price")) is not None:
        price = world.get("price", price_id, param=f"line_items[{index}][price]")
        must_be_active(price, param=f"line_items[{index}][price]")
        return price, quantity
    if (data := given.get("price_data")) is None:
        raise missing_parameter(f"line_items[{index}][price]")
    return _price_from_data(world, data, f"line_items[{index}][price_data]"), quantity


def _price_from_data(world: World, data: dict[str, Any], where: str) -> Resource:
    if (product_id := data.get("product")) is None:
        product = make_product(world, name=data.get("product_data", {}).get("name", "Product"))
        world.put(product)
        product_id = product["id"]
    row = new_price(
        world.ids.long("price"),
        product_id=world.get("product", product_id, param=f"{where}[product]")["id"],
        currency=currency_code(data["currency"], f"{where}[currency]"),
        unit_amount=unit_amount(data, f"{where}[{{}}]"),
        recurring=recurring_of(data.get("recurring"), f"{where}[recurring]"),
        created=world.now(),
    )
    world.put(row)
    return row


def line_items(world: World, session: Resource) -> list[Resource]:
    details = world.private(session["id"])
    rows: list[Resource] = []
    for item_id, (price_id, quantity) in zip(details["line_ids"], details["lines"], strict=True):
        price = world.get("price", price_id)
        product = world.get("product", price["product"])
        rows.append(line_item(item_id, price=price, product_name=product["name"], quantity=quantity))
    return rows


def included_line_items(world: World, session: Resource) -> Resource:
    """The list that `expand[]=line_items` adds."""
    return listing(f"/v1/checkout/sessions/{session['id']}/line_items", line_items(world, session))
