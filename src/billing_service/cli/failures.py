"""How the command line fails: a sentence on standard error, and an exit code that means something."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager

import click

from billing.errors import BillingError, StoreUnavailable
from billing_service.settings import SettingsInvalid
from billing_sql import SchemaMismatch

REFUSED, USAGE, SETTINGS, SCHEMA, UNAVAILABLE = 1, 2, 3, 4, 5

EXIT_CODES: Mapping[int, str] = {
    0: "done",
    REFUSED: "refused: the sentence says why",
    USAGE: "the command line was not understood",
    SETTINGS: "the settings are incomplete or wrong",
    SCHEMA: "the database's schema is not the one this version needs",
    UNAVAILABLE: "the database cannot be reached",
}


class Failure(click.ClickException):
    """Ends the command with one of `EXIT_CODES`."""

    def __init__(self, exit_code: int, message: str) -> None:
        """Say `message` and leave with `exit_code`."""
        super().__init__(message)
        self.exit_code = exit_code


@contextmanager
def failures() -> Generator[None]:
    """Turn what the program raises into what a person at a terminal can use."""
    try:
        yield
    except SettingsInvalid as invalid:
        lines = "\n".join(f"  - {problem}" for problem in invalid.problems)
        raise Failure(SETTINGS, f"the settings are not complete:\n{lines}") from None
    except SchemaMismatch as mismatch:
        raise Failure(SCHEMA, str(mismatch)) from None
    except StoreUnavailable as unavailable:
        raise Failure(UNAVAILABLE, str(unavailable.__cause__ or unavailable)) from None
    except BillingError as refused:
        raise Failure(REFUSED, str(refused)) from None
