"""HTML built from parts, so that no text reaches a page unescaped."""

from collections.abc import Sequence
from html import escape
from typing import Final, TypeAlias

_VOID: Final = frozenset({"br", "hr", "input", "link", "meta"})


class Markup(str):
    """Text that is HTML already; any other string is escaped."""

    __slots__ = ()


Child: TypeAlias = "str | Sequence[Child] | None"
"""What stands inside an element: text, markup, several of them, or nothing."""


def render(child: Child) -> Markup:
    """Write a child as HTML."""
    if child is None:
        return Markup()
    if isinstance(child, Markup):
        return child
    if isinstance(child, str):
        return Markup(escape(child))
    return Markup("".join(map(render, child)))


def tag(name: str, /, *children: Child, **attributes: str | int | bool | None) -> Markup:
    """Write an element. An attribute named like a Python word ends in `_`; False and None leave it out."""
    opening = f"<{name}{''.join(map(_attribute, attributes, attributes.values()))}>"
    return Markup(opening if name in _VOID else f"{opening}{render(children)}</{name}>")


def _attribute(name: str, value: str | int | bool | None) -> str:  # noqa: FBT001  # `hidden` and its like are flags
    if value is None or value is False:
        return ""
    written = name.rstrip("_").replace("_", "-")
    return f" {written}" if value is True else f' {written}="{escape(str(value))}"'
