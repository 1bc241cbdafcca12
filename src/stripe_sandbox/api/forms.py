"""Form bodies and query strings the way Stripe nests them: `line_items[0][price]=...`, `expand[]=...`."""

import re
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl

from stripe_sandbox.api.errors import ApiError

Tree: TypeAlias = dict[str, Any]
"""Leaves are strings, branches are trees; an array is a tree whose keys are `0`, `1`, ..."""

_KEY: Final = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")
_PART: Final = re.compile(r"\[([^\[\]]*)\]")
_FIELDS: Final = 2_000
_DEPTH: Final = 20


def decode_form(text: str) -> Tree:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_FIELDS, errors="strict")
    except ValueError as error:
        raise ApiError("Invalid request: the parameters cannot be read as a form.") from error
    tree: Tree = {}
    for key, value in pairs:
        _insert(tree, _path(key), value, key)
    return tree


def _path(key: str) -> list[str]:
    if (match := _KEY.match(key)) is None:
        raise ApiError(f"Invalid request: cannot read the parameter name {key!r}.", param=key)
    parts = [match[1], *_PART.findall(match[2])]
    if len(parts) > _DEPTH:
        raise ApiError("Invalid request: the parameters are nested too deep.", param=match[1])
    return parts


def _insert(tree: Tree, path: list[str], value: str, key: str) -> None:
    node = tree
    for part in path[:-1]:
        child: Tree | str = node.setdefault(part or str(len(node)), {})
        if isinstance(child, str):
            raise ApiError(f"Invalid request: {key!r} is both a value and a group.", param=key)
        node = child
    if isinstance(node.get(path[-1]), dict):
        raise ApiError(f"Invalid request: {key!r} is both a value and a group.", param=key)
    node[path[-1] or str(len(node))] = value
