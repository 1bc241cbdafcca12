"""How far test clocks go."""

import pytest
import stripe

from stripe_sandbox.testing import SandboxServer

DAY = 86_400
START = 1_801_396_800  # 2027-01-31


def test_a_test_clock_moves_two_intervals_at_once_at_most(client: stripe.StripeClient, box: SandboxServer) -> None:
    """With a monthly subscription on it, two months are taken and a day more is refused, as Stripe refuses it."""
    clocks = client.v1.test_helpers.test_clocks
    clock = clocks.create({"frozen_time": START})
    customer = client.v1.customers.create({"test_clock": clock.id})
    session = client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "customer": customer.id,
            "line_items": [{"price": "price_pro", "quantity": 1}],
            "success_url": "https://shop.test/",
        }
    )
    box.control.pay(session.id)
    two_months = START + (28 + 31) * DAY
    with pytest.raises(stripe.InvalidRequestError, match="two intervals") as refused:
        clocks.advance(clock.id, {"frozen_time": two_months + DAY})
    assert "frozen_time" in str(refused.value.json_body)
    assert clocks.retrieve(clock.id).frozen_time == START
    assert clocks.advance(clock.id, {"frozen_time": two_months}).frozen_time == two_months


@pytest.mark.parametrize("moment", [-1, 32_503_680_000, 10**15])
def test_a_test_clock_stands_within_our_years(client: stripe.StripeClient, moment: int) -> None:
    """Before 1970 and from the year 3000 on there is no test clock."""
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.test_helpers.test_clocks.create({"frozen_time": moment})
