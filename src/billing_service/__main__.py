"""`python -m billing_service` is `billing`."""

from billing_service.cli import main

main()
