"""A Stripe that runs in the box: its API, hosted pages, signed webhooks, and faults on demand.

It knows nothing of the service it serves and can be used with any program that talks to Stripe.
"""
