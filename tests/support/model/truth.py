"""What must hold: after every step, and when everything has been delivered and the queue is empty."""

from collections.abc import Mapping

from billing.identifiers import AccountId, SubscriptionId
from billing.plans import Tier
from billing.standing import NEVER_SUBSCRIBED, Standing, standing_of
from billing.subscription import Subscription
from support.domain_things import at
from support.model.stripe import ModelStripe

Held = Mapping[SubscriptionId, Subscription]


class Broken(AssertionError):
    """Something that must hold does not."""


def check_step(before: Held, after: Held, standings: Mapping[AccountId, Standing], stripe: ModelStripe) -> None:
    """Raise `Broken` unless one step has led to where it may lead."""
    for id_, was in before.items():
        _check_follows(was, after[id_])
    for id_, held in after.items():
        if id_ not in stripe.owners or held.account != stripe.owners[id_]:
            raise Broken(f"{id_} is not {held.account}'s")
        if held.granted not in stripe.tiers_ever.get(id_, {Tier.FREE}):
            raise Broken(f"{id_} grants {held.granted!r}, which it never had a price of")
    _check_standings(after, standings)


def check_converged(held: Held, standings: Mapping[AccountId, Standing], stripe: ModelStripe) -> None:
    """Raise `Broken` unless all that we hold is what Stripe has."""
    truths = {id_: _truth(stripe, id_, held.get(id_)) for id_ in stripe.owners}
    for id_, truth in truths.items():
        if id_ not in held or _facts(held[id_]) != _facts(truth):
            raise Broken(f"{id_} should be {truth}, and is {held.get(id_)}")
    for account in set(stripe.owners.values()):
        due = standing_of(truth for truth in truths.values() if truth.account == account)
        if standings.get(account) != due:
            raise Broken(f"{account} should stand {due}, and stands {standings.get(account)}")


def _check_follows(was: Subscription, now: Subscription) -> None:
    if was.status.has_ended and not now.status.has_ended:
        raise Broken(f"{was.id} was revived: {was.status} became {now.status}")
    if now.version < was.version:
        raise Broken(f"the version of {was.id} went back from {was.version} to {now.version}")
    if was.as_of is not None and (now.as_of is None or now.as_of < was.as_of):
        raise Broken(f"the clock of {was.id} went back from {was.as_of} to {now.as_of}")


def _check_standings(held: Held, standings: Mapping[AccountId, Standing]) -> None:
    for account, standing in standings.items():
        due = standing_of(subscription for subscription in held.values() if subscription.account == account)
        if standing != due:
            raise Broken(f"{account} stands {standing}, and should {due}")
    for subscription in held.values():
        if subscription.account not in standings and not subscription.is_only_heard_of:
            raise Broken(f"{subscription.account} has no standing, not even {NEVER_SUBSCRIBED}")


def _truth(stripe: ModelStripe, id_: SubscriptionId, held: Subscription | None) -> Subscription:
    snapshot = stripe.subscriptions[id_]
    tier = stripe.catalogue.tier_of(snapshot.prices)
    if tier is None:
        # Of a price that is not ours the last good tier is kept, and which one was last, only the arrivals say.
        tier = held.tier if held is not None and held.tier in stripe.tiers_ever[id_] else Tier.FREE
    return Subscription(
        id=id_,
        account=stripe.owners[id_],
        customer=snapshot.customer,
        tier=tier,
        status=snapshot.status,
        period_end=snapshot.period_end,
        cancel_at_period_end=snapshot.cancel_at_period_end and not snapshot.status.has_ended,
        started_at=snapshot.started_at,
        as_of=at(stripe.second),
        version=0,
    )


def _facts(subscription: Subscription) -> tuple[object, ...]:
    return (
        subscription.account,
        subscription.customer,
        subscription.tier,
        subscription.status,
        subscription.period_end,
        subscription.cancel_at_period_end,
        subscription.started_at,
    )
