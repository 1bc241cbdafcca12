"""What is sold: tiers, plans, and the catalogue that ties them to Stripe's prices."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from billing.errors import TierNotSoldOnline, UnknownTier
from billing.identifiers import PriceId


class Tier(IntEnum):
    """The rungs of the ladder, in order: a higher one includes the lower ones."""

    FREE = 0
    PRO = 1
    ENTERPRISE = 2

    @property
    def slug(self) -> str:
        """The tier's name on the wire, in the database and in Stripe's metadata."""
        return self.name.lower()

    @classmethod
    def parse(cls, slug: str) -> "Tier":
        """Read a tier's name; raises `UnknownTier` for anything that is not exactly one."""
        try:
            return _TIERS[slug]
        except KeyError:
            raise UnknownTier(tier=slug[:40], known=tuple(_TIERS)) from None


_TIERS = {tier.slug: tier for tier in Tier}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A tier that is for sale, and the prices at Stripe that mean it."""

    tier: Tier
    prices: tuple[PriceId, ...]
    """Every price id that means this tier. The first is the one sold; the others are older ones still paid."""
    sold_online: bool
    """Whether Checkout sells it. The others are arranged with sales and set up at Stripe by hand."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All plans, looked up by tier and by price."""

    plans: Mapping[Tier, Plan]
    tiers_by_price: Mapping[PriceId, Tier]

    @classmethod
    def of(cls, plans: Iterable[Plan]) -> "Catalogue":
        """Build a catalogue; raises `ValueError` if a price means two tiers or a sold plan has none."""
        by_tier: dict[Tier, Plan] = {}
        by_price: dict[PriceId, Tier] = {}
        for plan in plans:
            if plan.tier is Tier.FREE or plan.tier in by_tier:
                raise ValueError(f"the tier {plan.tier.slug} cannot be planned here, or is planned twice")
            if plan.sold_online and not plan.prices:
                raise ValueError(f"the tier {plan.tier.slug} is sold online but has no price")
            by_tier[plan.tier] = plan
            for price in plan.prices:
                if by_price.setdefault(price, plan.tier) is not plan.tier:
                    raise ValueError(f"the price {price} means both {by_price[price].slug} and {plan.tier.slug}")
        return cls(plans=by_tier, tiers_by_price=by_price)

    def price_sold(self, tier: Tier) -> PriceId:
        """Answer the price that Checkout sells for a tier; raises `TierNotSoldOnline`."""
        plan = self.plans.get(tier)
        if plan is None or not plan.sold_online:
            raise TierNotSoldOnline(tier=tier.slug)
        return plan.prices[0]

    def tier_of(self, prices: Iterable[PriceId]) -> Tier | None:
        """Answer the highest tier that any of a subscription's prices means; `None` if none is ours."""
        tiers = [self.tiers_by_price[price] for price in prices if price in self.tiers_by_price]
        return max(tiers, default=None)
