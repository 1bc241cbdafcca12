"""Amounts, moments and states in words for people."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from stripe_sandbox.objects.subscription import items_of
from stripe_sandbox.pages.markup import Markup, tag
from stripe_sandbox.resource import Resource

_SIGNS: Final = {"eur": "€", "gbp": "£", "jpy": "¥", "usd": "$"}
_WHOLE: Final = frozenset(
    {
        *("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga"),
        *("pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"),
    }
)
"""Currencies without a smaller unit: https://docs.stripe.com/currencies#zero-decimal."""
_TONES: Final = {
    "active": "good",
    "complete": "good",
    "enabled": "good",
    "paid": "good",
    "succeeded": "good",
    "trialing": "good",
    "canceled": "bad",
    "failed": "bad",
    "incomplete_expired": "bad",
    "uncollectible": "bad",
    "unpaid": "bad",
    "expired": "wait",
    "incomplete": "wait",
    "past_due": "wait",
    "paused": "wait",
    "pending": "wait",
}


def money(amount: int, currency: str) -> str:
    """An amount in the currency's smallest unit, as people write it: 2900 and "usd" are "$29.00"."""
    number = f"{abs(amount):,}" if currency in _WHOLE else f"{abs(amount) / 100:,.2f}"
    minus = "-" if amount < 0 else ""
    sign = _SIGNS.get(currency)
    return f"{minus}{sign}{number}" if sign else f"{minus}{number} {currency.upper()}".strip()


def rhythm(price: Resource) -> str:
    """How often a price is charged: "a month", "every 3 months", or nothing when it is once."""
    if (recurring := price["recurring"]) is None:
        return ""
    count, interval = int(recurring["interval_count"]), str(recurring["interval"])
    return f"a {interval}" if count == 1 else f"every {count} {interval}s"


def rate(price: Resource, quantity: int = 1) -> str:
    """What so many of a price cost, and how often."""
    return f"{money(int(price['unit_amount']) * quantity, price['currency'])} {rhythm(price)}".strip()


def billed(row: Resource, prices: Iterable[Resource]) -> str:
    """When a subscription that moves to one of these prices is charged for it."""
    now = rhythm(items_of(row)[0]["price"])
    alike = {rhythm(price) == now for price in prices}
    if row["status"] == "trialing":
        return "Nothing is charged before the trial ends."
    if alike == {True}:
        return "The difference goes on the next invoice."
    if alike == {False}:
        return "A new period begins, and the difference is charged at once."
    return "The difference goes on the next invoice; where the period changes, a new one begins and is charged at once."


def day(moment: int) -> Markup:
    """A date; moments are seconds since 1970, shown in UTC."""
    if (when := _when(moment)) is None:
        return tag("span", f"{moment} seconds after 1970")
    return tag("time", f"{when.day} {when:%B %Y}", datetime=f"{when:%Y-%m-%d}")


def clock_time(moment: float) -> Markup:
    """A date and time to the second."""
    if (when := _when(moment)) is None:
        return tag("span", f"{moment} seconds after 1970")
    return tag("time", f"{when.day} {when:%b %Y, %H:%M:%S} UTC", datetime=f"{when:%Y-%m-%dT%H:%M:%SZ}")


def _when(moment: float) -> datetime | None:
    """A moment as a date, unless it is beyond the years that dates have."""
    try:
        return datetime.fromtimestamp(moment, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def badge(state: str) -> Markup:
    """A state as a word on a colour; the word alone says it all."""
    return tag("span", state.replace("_", " "), class_=f"badge {_TONES.get(state, '')}".strip())


def card_number(number: str) -> str:
    """A card's number in groups of four."""
    return " ".join(number[start : start + 4] for start in range(0, len(number), 4))
