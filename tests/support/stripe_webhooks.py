"""What tests of the sandbox's webhooks share."""

import stripe

from stripe_sandbox.testing import Delivery

SECRET = "whsec_test"


def signed_by(delivery: Delivery, secret: str, *, tolerance_seconds: int | None = 300) -> bool:
    """Whether the official SDK accepts a delivery under a secret."""
    try:
        # The SDK leaves the tolerance untyped.
        stripe.WebhookSignature.verify_header(  # pyright: ignore[reportUnknownMemberType]
            delivery.body.decode(), delivery.signature, secret, tolerance_seconds
        )
    except stripe.SignatureVerificationError:
        return False
    return True


def change_something(client: stripe.StripeClient, count: int = 1) -> None:
    """Make products, each of which sends one event."""
    for number in range(count):
        client.v1.products.create({"name": f"Product {number}"})
