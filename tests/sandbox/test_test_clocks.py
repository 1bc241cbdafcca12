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


def test_what_is_on_a_test_clock_is_listed_with_it_only(client: stripe.StripeClient, box: SandboxServer) -> None:
    """Customers and subscriptions of a test clock are left out of lists that name neither the clock nor them."""
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": START}).id
    plain, tested = client.v1.customers.create({}).id, client.v1.customers.create({"test_clock": clock}).id
    made: dict[str, str] = {}
    for customer in (plain, tested):
        box.control.change_card(customer, "succeeds")
        made[customer] = client.v1.subscriptions.create({"customer": customer, "items": [{"price": "price_pro"}]}).id
    customers, subscriptions = client.v1.customers, client.v1.subscriptions
    assert [row.id for row in customers.list().data] == [plain]
    assert [row.id for row in customers.list({"test_clock": clock}).data] == [tested]
    assert [row.id for row in subscriptions.list({"status": "all"}).data] == [made[plain]]
    assert [row.id for row in subscriptions.list({"test_clock": clock}).data] == [made[tested]]
    assert [row.id for row in subscriptions.list({"customer": tested}).data] == [made[tested]]
