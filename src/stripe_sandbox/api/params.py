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
_INTEGER: Final = re.compile(r"^-?[0-9]{1,19}$")
_MOST: Final = 2**63 - 1
_URL: Final = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://[^\s/]\S*$")
_EMAIL: Final = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+")
_INDEX: Final = re.compile(r"^[0-9]{1,9}$")
_LAST_MOMENT: Final = 253_402_300_799
"""The end of the year 9999."""
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
        if not _INTEGER.match(word) or abs(number := int(word)) > _MOST:
            raise ApiError(f"Invalid integer: {word[:40]}", code="parameter_invalid_integer", param=name)
        if least is not None and number < least:
            raise ApiError(
                f"This value must be greater than or equal to {least}.", code="parameter_invalid_integer", param=name
            )
        if most is not None and number > most:
            raise ApiError(f"This value must be less than or equal to {most} (it currently is '{number}').", param=name)
        return number

    return check


def moment() -> Check:
    """A time in whole seconds since 1970, up to the year 9999."""
    return integer(least=0, most=_LAST_MOMENT)


def url(*, clearable: bool = True) -> Check:
    """An address with its scheme, which need not be of the web: an app's own may be meant."""
    plain = text(clearable=clearable)

    def check(value: Any, name: str) -> str | None:
        word: str | None = plain(value, name)
        if word is not None and not _URL.match(word):
            raise ApiError("Not a valid URL", code="url_invalid", param=name)
        return word

    return check


def email(*, longest: int = 512, clearable: bool = True) -> Check:
    plain = text(longest=longest, clearable=clearable)

    def check(value: Any, name: str) -> str | None:
        word: str | None = plain(value, name)
        if word is not None and not _EMAIL.fullmatch(word):
            raise ApiError(f"Invalid email address: {word[:80]}", code="email_invalid", param=name)
        return word

    return check


def boolean() -> Check:
    def check(value: Any, name: str) -> bool:
        # Older official SDKs write Python's `True`.
        word = _string(value, name).lower()
        if word not in {"true", "false"}:
            raise ApiError(f"Invalid boolean: {word[:40]}", param=name)
        return word == "true"

    return check


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words; others are Stripe's as well, and what they mean is not done here."""

    words: tuple[str, ...]
    undone: tuple[str, ...] = ()

    def __call__(self, value: Any, name: str) -> str:
        word = _string(value, name)
        if word in self.undone:
            raise ApiError(f"The sandbox does not do this of Stripe's: {name}={word}.", param=name)
        if word not in self.words:
            raise ApiError(f"Invalid {name}: must be one of {_or(self.words)}", param=name)
        return word


def choice(*allowed: str, undone: tuple[str, ...] = ()) -> Check:
    return Choice(allowed, undone)


def _or(words: tuple[str, ...]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])}, or {words[-1]}"


@dataclass(frozen=True, slots=True)
class ChoiceOr:
    """One of some words, or what another check accepts."""

    inner: Check
    words: tuple[str, ...]

    def __call__(self, value: Any, name: str) -> Any:
        return value if value in self.words else self.inner(value, name)


def choice_or(other: Check, *words: str) -> Check:
    return ChoiceOr(other, words)


@dataclass(frozen=True, slots=True)
class Clearable:
    """What another check accepts, or "", which unsets it."""

    inner: Check

    def __call__(self, value: Any, name: str) -> Any:
        return None if value == "" else self.inner(value, name)


def clearable(other: Check) -> Check:
    return Clearable(other)


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


@dataclass(frozen=True, slots=True)
class Array:
    """Values under `[]` or `[0]`, `[1]` and so on, in the order of these numbers; "" is none."""

    inner: Check
    least: int
    most: int

    def __call__(self, value: Any, name: str) -> list[Any]:
        tree = {} if value == "" else _tree(value, name, "array")
        if not all(_INDEX.match(key) for key in tree):
            raise ApiError("Invalid array", param=name)
        if len(tree) > self.most:
            raise ApiError(f"Invalid array: at most {self.most} values; there are {len(tree)}.", param=name)
        if len(tree) < self.least:
            raise empty_parameter(name)
        ordered = sorted(tree.items(), key=lambda pair: int(pair[0]))
        return [self.inner(child, f"{name}[{index}]") for index, (_, child) in enumerate(ordered)]


def array(item: Check, *, least: int = 0, most: int = 100) -> Check:
    return Array(item, least, most)


def time_range() -> Check:
    def check(value: Any, name: str) -> dict[str, int]:
        if isinstance(value, str):
            moment = integer()(value, name)
            return {"gte": moment, "lte": moment}
        bounds = Fields({bound: integer() for bound in _RANGE})
        return bounds(value, name)

    return check


def _tree(value: Any, name: str, wanted: str = "object") -> Tree:
    if not isinstance(value, dict):
        raise ApiError(f"Invalid {wanted}", param=name)
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


def unsupported(*names: str) -> dict[str, Check]:
    """Parameters of Stripe's that mean so much that to ignore them would mislead; "" asks for nothing."""

    def check(value: Any, name: str) -> Any:
        if value == "":
            return None
        raise ApiError(f"The sandbox does not do this parameter of Stripe's: {name}.", param=name)

    return dict.fromkeys(names, check)


EXPAND: Final[Mapping[str, Check]] = {"expand": array(text(clearable=False), most=20)}
PAGE: Final[Mapping[str, Check]] = {
    "limit": integer(least=1, most=100),
    "starting_after": text(clearable=False),
    "ending_before": text(clearable=False),
}
