"""What an operation accepts, declared once and checked as Stripe checks it: nothing unknown passes."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, cast

from stripe_sandbox.api.errors import ApiError, empty_parameter, missing_parameter, unknown_parameter
from stripe_sandbox.api.forms import Tree

Check: TypeAlias = Callable[[Any, str], Any]
"""From a raw value and its parameter's name to the typed value; None means "unset"."""

_TEXT: Final = 5_000
_METADATA_KEYS: Final = 50
_METADATA_KEY: Final = 40
_METADATA_VALUE: Final = 500
_INTEGER: Final = re.compile(r"^-?\d+$")
_RANGE: Final = ("gt", "gte", "lt", "lte")


def _string(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise ApiError("Invalid string: {" + name + "}", param=name)
    return value


def text(*, longest: int = _TEXT, clearable: bool = True) -> Check:
    def check(value: Any, name: str) -> str | None:
        word = _string(value, name)
        if not word and not clearable:
            raise empty_parameter(name)
        if len(word) > longest:
            raise ApiError(
                f"Invalid string: {word[:10]}...{word[-10:]}; must be at most {longest} characters", param=name
            )
        return word or None

    return check


def integer(*, least: int | None = None, most: int | None = None) -> Check:
    def check(value: Any, name: str) -> int:
        word = _string(value, name)
        if not _INTEGER.match(word):
            raise ApiError(f"Invalid integer: {word}", code="parameter_invalid_integer", param=name)
        number = int(word)
        if least is not None and number < least:
            raise ApiError(
                f"This value must be greater than or equal to {least}.", code="parameter_invalid_integer", param=name
            )
        if most is not None and number > most:
            raise ApiError(f"This value must be less than or equal to {most} (it currently is '{number}').", param=name)
        return number

    return check


def boolean() -> Check:
    def check(value: Any, name: str) -> bool:
        word = _string(value, name)
        if word not in {"true", "false"}:
            raise ApiError(f"Invalid boolean: {word}", param=name)
        return word == "true"

    return check


def choice(*allowed: str) -> Check:
    def check(value: Any, name: str) -> str:
        word = _string(value, name)
        if word not in allowed:
            raise ApiError(f"Invalid {name}: must be one of {_or(allowed)}", param=name)
        return word

    return check


def _or(words: tuple[str, ...]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])}, or {words[-1]}"


def choice_or(other: Check, *words: str) -> Check:
    def check(value: Any, name: str) -> Any:
        return value if value in words else other(value, name)

    return check


def clearable(other: Check) -> Check:
    def check(value: Any, name: str) -> Any:
        return None if value == "" else other(value, name)

    return check


def anything() -> Check:
    """For parameters Stripe knows and the sandbox does nothing with."""

    def check(value: Any, name: str) -> Any:
        del name
        return value

    return check


def metadata() -> Check:
    """Keys to strings; "" for one key unsets it, "" for all unsets them (None)."""

    def check(value: Any, name: str) -> dict[str, str] | None:
        if value == "":
            return None
        pairs = _tree(value, name)
        if len(pairs) > _METADATA_KEYS:
            raise ApiError(f"Metadata can have up to {_METADATA_KEYS} keys.", param=name)
        return {key: _metadata_value(key, item, name) for key, item in pairs.items()}

    return check


def _metadata_value(key: str, value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise ApiError("Metadata values must be strings.", param=f"{name}[{key}]")
    if len(key) > _METADATA_KEY or len(value) > _METADATA_VALUE:
        raise ApiError(
            f"Metadata keys can have up to {_METADATA_KEY} characters, values up to {_METADATA_VALUE}.",
            param=f"{name}[{key}]",
        )
    return value


def array(item: Check, *, most: int = 100) -> Check:
    def check(value: Any, name: str) -> list[Any]:
        if value == "":
            return []
        tree = _tree(value, name)
        if not all(key.isdigit() for key in tree) or len(tree) > most:
            raise ApiError("Invalid array", param=name)
        ordered = sorted(tree.items(), key=lambda pair: int(pair[0]))
        return [item(child, f"{name}[{index}]") for index, (_, child) in enumerate(ordered)]

    return check


def time_range() -> Check:
    def check(value: Any, name: str) -> dict[str, int]:
        if isinstance(value, str):
            moment = integer()(value, name)
            return {"gte": moment, "lte": moment}
        bounds = Fields({bound: integer() for bound in _RANGE})
        return bounds(value, name)

    return check


def _tree(value: Any, name: str) -> Tree:
    if not isinstance(value, dict):
        raise ApiError("Invalid object", param=name)
    return cast("Tree", value)


@dataclass(frozen=True, slots=True)
class Fields:
    """A group of named parameters; also the parameters of a whole operation."""

    checks: Mapping[str, Check] = field(default_factory=dict[str, Check])
    required: frozenset[str] = frozenset()

    def __call__(self, value: Any, name: str = "") -> dict[str, Any]:
        tree = _tree(value, name)
        for key in tree:
            if key not in self.checks:
                raise unknown_parameter(_join(name, key))
        for key in self.required:
            if key not in tree:
                raise missing_parameter(_join(name, key))
        return {key: self.checks[key](child, _join(name, key)) for key, child in tree.items()}


def _join(name: str, key: str) -> str:
    return f"{name}[{key}]" if name else key


def group(
    known: Mapping[str, Check] | None = None,
    /,
    *,
    required: tuple[str, ...] = (),
    unused: tuple[str, ...] = (),
    **checks: Check,
) -> Check:
    """Named parameters within one; the unused ones are accepted as Stripe accepts them and change nothing."""
    return Fields({**(known or {}), **checks, **ignored(*unused)}, frozenset(required))


def ignored(*names: str) -> dict[str, Check]:
    """Parameters that are accepted as Stripe accepts them and change nothing here."""
    return dict.fromkeys(names, anything())


EXPAND: Final[Mapping[str, Check]] = {"expand": array(text(clearable=False), most=20)}
PAGE: Final[Mapping[str, Check]] = {
    "limit": integer(least=1, most=100),
    "starting_after": text(clearable=False),
    "ending_before": text(clearable=False),
}
