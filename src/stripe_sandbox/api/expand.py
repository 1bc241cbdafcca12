"""`expand[]`: ids replaced by the objects they name, at most four levels deep."""

from typing import Any, Final, cast

from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.resource import Resource, is_list
from stripe_sandbox.resources.checkout_lines import included_line_items
from stripe_sandbox.world.world import World

_DEPTH: Final = 4
_KINDS: Final = {
    "cus": "customer",
    "sub": "subscription",
    "in": "invoice",
    "price": "price",
    "prod": "product",
    "pm": "payment_method",
    "bpc": "billing_portal.configuration",
    "clock": "test_helpers.test_clock",
}


def expand(world: World, answer: Resource, paths: list[str]) -> Resource:
    """A copy of the answer with these paths expanded."""
    for path in paths:
        parts = path.split(".")
        if len(parts) - (parts[0] == "data") > _DEPTH:
            raise ApiError(f"You cannot expand more than {_DEPTH} levels of a property. Property: {path}")
        answer = _expand(world, answer, parts, path)
    return answer


def _expand(world: World, node: Any, parts: list[str], path: str) -> Any:
    """The node with what the parts address expanded; objects of the world are copied, never changed."""
    if not parts or node is None:
        return node
    if is_list(node):
        return [_expand(world, child, parts, path) for child in node]
    if not isinstance(node, dict):
        raise _refused(path)
    row = cast("Resource", node)
    name = parts[0]
    child = _child(world, row, name, path)
    if not isinstance(child, (dict, list)) and len(parts) > 1 and child is not None:
        raise _refused(path)
    return {**row, name: _expand(world, child, parts[1:], path)}


def _child(world: World, row: Resource, name: str, path: str) -> Any:
    if name == "line_items" and row.get("object") == "checkout.session":
        return row.get(name) or included_line_items(world, world.get("checkout.session", row["id"]))
    if name not in row:
        raise _refused(path)
    value = row[name]
    if not isinstance(value, str):
        return value
    found = world.find(_KINDS.get(value.partition("_")[0], ""), value)
    if found is None and name not in _ALWAYS_NAMED:
        raise _refused(path)
    return value if found is None else found


_ALWAYS_NAMED: Final = frozenset({"payment_intent", "setup_intent", "latest_charge"})


def _refused(path: str) -> ApiError:
    return ApiError(
        f"This property cannot be expanded ({path}). You may want to try expanding 'data.{path}' or 'items.data' "
        "instead.",
        param="expand",
    )
