"""`billing`: every command of it."""

from importlib.metadata import version

import click

from billing_service.cli.accounts import accounts, keys
from billing_service.cli.dev import dev
from billing_service.cli.failures import EXIT_CODES
from billing_service.cli.serve import migrate, serve

_EXIT_CODES = "\n".join(f"  {code}  {meaning}" for code, meaning in EXIT_CODES.items())


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=f"\b\nExit codes:\n{_EXIT_CODES}",
)
@click.version_option(version("billing-service"), prog_name="billing")
def main() -> None:
    """Sell a plan through Stripe, and keep each account's plan true.

    Settings come from the environment and from a .env file in the current folder; the README lists them. To look
    around, `billing dev` needs none.
    """


main.add_command(serve)
main.add_command(migrate)
main.add_command(accounts)
main.add_command(keys)
main.add_command(dev)
