"""The state converges to Stripe's, whatever happens on the way.

A model of Stripe lives, its events are duplicated, reordered, delayed, tied and delivered in batches, and re-reads
start and finish between any two steps: once through the use cases, driven by Hypothesis, and in greater numbers
through the bare rule, driven by dice. `BILLING_HYPOTHESIS_EXAMPLES` says how many histories are tried.

Rules that are broken on purpose must be found, or the model would prove nothing.
"""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    run_state_machine_as_test,  # pyright: ignore[reportUnknownVariableType]  # its parameters are not annotated
)

from billing.idempotency import Outcome
from billing.identifiers import CustomerId, SubscriptionId
from support.domain_strategies import PROPERTY, examples
from support.domain_things import ANN, CUSTOMER, PRO, changed, delivery, snapshot
from support.model.histories import search
from support.model.machine import Convergence
from support.model.rules import BROKEN, RIGHT
from support.model.service import PlainService
from support.model.stripe import ModelStripe
from support.model.truth import Broken, check_converged

HISTORIES = settings(
    max_examples=examples(150), stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
SEARCH = settings(
    HISTORIES,
    max_examples=2_000,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
)
"""Looks for a mistake that is known to be there: always in the same histories, and without making them small."""
WHERE_MISTAKES_SHOW = 5_000
"""The number of a history soon after which the rarest mistake shows: only a matter of time."""
EASY_TO_FIND = ["a late event revives what has ended", "a re-read is not written"]


def test_the_use_cases_converge() -> None:
    """Whatever comes in whatever order, once all is delivered and settled everything is as at Stripe."""
    run_state_machine_as_test(Convergence, settings=HISTORIES)


@pytest.mark.parametrize("name", EASY_TO_FIND)
def test_a_broken_rule_is_found_through_the_use_cases(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state machine can fail: with a broken rule in place of the right one, it does."""
    monkeypatch.setattr("billing.ledger.decide", BROKEN[name].decide)
    monkeypatch.setattr("billing.use_cases.settle_subscriptions.settle", BROKEN[name].settle)
    with pytest.raises(Broken):
        run_state_machine_as_test(Convergence, settings=SEARCH)


def test_the_rule_converges() -> None:
    """Thousands of random histories of the bare rule end in Stripe's state."""
    assert search(RIGHT, first=0, histories=examples(2_000)) is None


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_found(name: str) -> None:
    """Each way to break the rule shows in some of these histories, which are always the same."""
    assert search(BROKEN[name], first=WHERE_MISTAKES_SHOW, histories=20_000) is not None


def test_the_bare_rule_knows_its_customers() -> None:
    """An event that names no account is its customer's, as in the stores; that of a foreign customer is nobody's."""
    service = PlainService((ANN,))
    service.owners[CUSTOMER] = ANN
    foreign = replace(snapshot(), subscription=SubscriptionId("sub_foreign"), customer=CustomerId("cus_foreign"))
    told = [delivery("evt_1", changed(replace(snapshot(), account=None))), delivery("evt_2", changed(foreign))]
    assert service.deliver(told) == [Outcome.APPLIED, Outcome.IGNORED]


@PROPERTY
@given(moves=st.lists(st.integers(0, 30), max_size=20), is_trial=st.booleans())
def test_in_order_deliveries_need_no_stripe(moves: list[int], *, is_trial: bool) -> None:
    """While Stripe cannot be asked, events that come in their order, a second apart, keep every plan true."""
    stripe, service = ModelStripe(), PlainService((ANN,))
    id_ = stripe.check_out(ANN, price=PRO, is_trial=is_trial, is_named=True)
    for move in moves:
        # A failure that leaves the status alone is the one thing that a payload does not tell.
        possible = [name for name in stripe.moves(id_) if name != "fail_quietly"]
        if possible:
            stripe.tick()
            stripe.move(id_, possible[move % len(possible)])
    for event in stripe.outbox:
        service.deliver([event])
    check_converged(service.subscriptions, service.standings, stripe)
