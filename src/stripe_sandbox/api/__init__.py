"""Stripe's HTTP conventions: forms, parameters, errors, versions, idempotency, lists, expansion."""
