"""What is sold: tiers and the catalogue."""

import pytest

from billing.errors import TierNotSoldOnline, UnknownTier
from billing.identifiers import PriceId
from billing.plans import Catalogue, Plan, Tier
from support.domain_things import CATALOGUE, ENTERPRISE, FOREIGN_PRICE, OLD_PRO, PRO


@pytest.mark.parametrize(("slug", "tier"), [("free", Tier.FREE), ("pro", Tier.PRO), ("enterprise", Tier.ENTERPRISE)])
def test_each_tier_is_read_by_its_slug(slug: str, tier: Tier) -> None:
    """A tier's slug is what it is read from and written as."""
    assert Tier.parse(slug) is tier
    assert tier.slug == slug


@pytest.mark.parametrize("slug", ["", "PRO", " pro", "pro ", "premium", "1", "pró", "FREE", "x" * 10_000])
def test_anything_else_is_no_tier(slug: str) -> None:
    """Only the exact slug counts, and the message names the tiers without repeating a long input."""
    with pytest.raises(UnknownTier, match="the tiers are free, pro, enterprise") as caught:
        Tier.parse(slug)
    assert len(str(caught.value)) < 120


def test_the_tiers_are_a_ladder() -> None:
    """A higher tier compares as more."""
    assert Tier.FREE < Tier.PRO < Tier.ENTERPRISE


@pytest.mark.parametrize(
    ("prices", "tier"),
    [
        pytest.param((PRO,), Tier.PRO, id="the price sold"),
        pytest.param((OLD_PRO,), Tier.PRO, id="an older price of the same tier"),
        pytest.param((PRO, ENTERPRISE), Tier.ENTERPRISE, id="the highest of several counts"),
        pytest.param((ENTERPRISE, PRO), Tier.ENTERPRISE, id="in whatever order"),
        pytest.param((FOREIGN_PRICE, PRO), Tier.PRO, id="an add-on beside it changes nothing"),
        pytest.param((FOREIGN_PRICE,), None, id="a price of something else means nothing"),
        pytest.param((), None, id="no price means nothing"),
    ],
)
def test_a_subscriptions_prices_mean_a_tier(prices: tuple[PriceId, ...], tier: Tier | None) -> None:
    """The catalogue answers the highest tier of its own prices, and never takes a foreign price for one."""
    assert CATALOGUE.tier_of(prices) is tier


def test_the_first_price_is_the_one_sold() -> None:
    """Of several prices of a tier, Checkout sells the first."""
    assert CATALOGUE.price_sold(Tier.PRO) == PRO


@pytest.mark.parametrize(
    ("tier", "message"),
    [(Tier.FREE, "the free tier needs no checkout"), (Tier.ENTERPRISE, "arranged with sales")],
)
def test_what_is_not_sold_online_says_what_to_do(tier: Tier, message: str) -> None:
    """The free tier points to the portal, the enterprise tier to sales."""
    with pytest.raises(TierNotSoldOnline, match=message):
        CATALOGUE.price_sold(tier)


def test_a_tier_that_is_not_in_the_catalogue_is_not_sold() -> None:
    """An operator who configures no price for a tier does not sell it by accident."""
    with pytest.raises(TierNotSoldOnline):
        Catalogue.of([]).price_sold(Tier.PRO)


@pytest.mark.parametrize(
    ("plans", "message"),
    [
        pytest.param(
            [Plan(tier=Tier.FREE, prices=(PRO,), sold_online=False)], "free cannot be planned", id="the free tier"
        ),
        pytest.param(
            [
                Plan(tier=Tier.PRO, prices=(PRO,), sold_online=True),
                Plan(tier=Tier.PRO, prices=(OLD_PRO,), sold_online=True),
            ],
            "planned twice",
            id="a tier twice",
        ),
        pytest.param([Plan(tier=Tier.PRO, prices=(), sold_online=True)], "has no price", id="sold without a price"),
        pytest.param(
            [
                Plan(tier=Tier.PRO, prices=(PRO,), sold_online=True),
                Plan(tier=Tier.ENTERPRISE, prices=(PRO,), sold_online=False),
            ],
            "price_pro means both pro and enterprise",
            id="one price for two tiers",
        ),
    ],
)
def test_a_contradictory_catalogue_is_refused(plans: list[Plan], message: str) -> None:
    """A configuration that could grant the wrong tier does not start."""
    with pytest.raises(ValueError, match=message):
        Catalogue.of(plans)


def test_a_price_may_be_named_twice_for_one_tier() -> None:
    """Repeating a price of the same tier is no contradiction."""
    catalogue = Catalogue.of([Plan(tier=Tier.PRO, prices=(PRO, PRO), sold_online=True)])
    assert catalogue.tier_of([PRO]) is Tier.PRO
