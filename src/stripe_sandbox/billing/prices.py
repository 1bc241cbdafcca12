"""Which prices go together on a subscription, and which go on one at all."""

from collections.abc import Sequence

from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.resource import Resource


def must_be_active(price: Resource, *, param: str) -> None:
    if not price["active"]:
        raise ApiError(
            f"The price specified is inactive: {price['id']}. This field only accepts active prices.", param=param
        )


def must_recur(price: Resource, *, param: str) -> None:
    if price["recurring"] is None:
        raise ApiError(
            f"The price specified is set to `type=one_time` but this field only accepts prices with "
            f"`type=recurring`: {price['id']}",
            param=param,
        )


def must_match(prices: Sequence[Resource], *, billing_mode: str, param: str = "items") -> None:
    """One currency for all; one interval for all that recur, too, unless billing is flexible."""
    rhythms = {rhythm_of(price) for price in prices if price["recurring"] is not None}
    if len({price["currency"] for price in prices}) > 1:
        field = "currency"
    elif billing_mode == "classic" and len(rhythms) > 1:
        field = "interval"
    else:
        return
    raise ApiError(
        "Currency and interval fields must match across all plans on this subscription. "
        f"Found mismatch in {field} field.",
        param=param,
    )


def must_differ(prices: Sequence[Resource], *, param: str = "items") -> None:
    """A price stands on a subscription once; more of it is a quantity."""
    ids = [price["id"] for price in prices]
    for price_id in ids:
        if ids.count(price_id) > 1:
            raise ApiError(
                f"Cannot add multiple subscription items with the same plan: {price_id}",
                param=param,
            )


def rhythm_of(price: Resource) -> tuple[str, int]:
    """Interval and how many of it, of a price that recurs."""
    return price["recurring"]["interval"], price["recurring"]["interval_count"]
