"""Names of things. Plain strings at run time, told apart by the type checkers."""

from typing import NewType

AccountId = NewType("AccountId", str)
"""Ours: `acct_` and 24 letters and digits."""
ApiKeyId = NewType("ApiKeyId", str)
"""Ours: `key_` and 24 letters and digits. Not secret."""
KeyHash = NewType("KeyHash", str)
"""The SHA-256 of an API key, in hexadecimal: all that is stored of it."""
AttemptId = NewType("AttemptId", str)
"""Ours: names one attempt to buy, and so the idempotency key of its checkout session."""

CustomerId = NewType("CustomerId", str)
"""Stripe's: `cus_...`."""
SubscriptionId = NewType("SubscriptionId", str)
"""Stripe's: `sub_...`."""
SessionId = NewType("SessionId", str)
"""Stripe's: `cs_test_...` or `cs_live_...`."""
PriceId = NewType("PriceId", str)
"""Stripe's: `price_...`."""
EventId = NewType("EventId", str)
"""Stripe's: `evt_...`. The same for every delivery of one event."""
