"""Stripe's resources, one module each: the operations on them and what they accept."""
