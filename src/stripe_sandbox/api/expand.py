"""`expand[]`: ids replaced by the objects they name, at most four levels deep."""

from dataclasses import dataclass
from typing import Any, Final, cast

from stripe_sandbox.api import versions
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


def expand(world: World, answer: Resource, paths: list[str], version: str) -> Resource:
    """A copy of an answer with these paths expanded; answer and paths are in the shape of the version."""
    for path in paths:
        listed = answer.get("object") == "list" and not path.startswith("data")
        parts = path.split(".")
        if len(parts) - (parts[0] == "data") > _DEPTH:
            raise ApiError(
                f"You cannot expand more than {_DEPTH} levels of a property. Property: {path[:80]}", param="expand"
            )
        answer = _Expansion(world, path, version, listed).of(answer, parts)
    return answer


@dataclass(frozen=True, slots=True)
class _Expansion:
    world: World
    path: str
    version: str
    listed: bool
    """The answer is a list, and the path perhaps meant for what is in it."""

    def of(self, node: Any, parts: list[str]) -> Any:
        """The node with what the parts address expanded; objects of the world are copied, never changed."""
        if not parts or node is None:
            return node
        if is_list(node):
            return [self.of(child, parts) for child in node]
        if not isinstance(node, dict):
            raise self._refused()
        row = cast("Resource", node)
        name = parts[0]
        child = self._child(row, name)
        if not isinstance(child, (dict, list)) and len(parts) > 1 and child is not None:
            raise self._refused()
        return {**row, name: self.of(child, parts[1:])}

    def _child(self, row: Resource, name: str) -> Any:
        if name == "line_items" and row.get("object") == "checkout.session":
            return row.get(name) or self._rendered(
                included_line_items(self.world, self.world.get("checkout.session", row["id"]))
            )
        if name not in row:
            raise self._refused()
        value = row[name]
        if not isinstance(value, str):
            return value
        found = self.world.find(_KINDS.get(value.partition("_")[0], ""), value)
        if found is None and name not in _ALWAYS_NAMED:
            raise self._refused()
        return value if found is None else self._rendered(found)

    def _rendered(self, row: Resource) -> Resource:
        return versions.render(row, self.version)

    def _refused(self) -> ApiError:
        path = self.path[:80]
        hint = f" You may want to try expanding 'data.{path}' instead." if self.listed else ""
        return ApiError(f"This property cannot be expanded ({path}).{hint}", param="expand")


_ALWAYS_NAMED: Final = frozenset({"payment_intent", "setup_intent", "latest_charge"})
