"""The command line: `billing`."""

from billing_service.cli.main import main

__all__ = ["main"]
