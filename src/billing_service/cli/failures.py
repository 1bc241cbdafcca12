"""How the command line fails: a sentence on standard error, and an exit code that means something."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager

import click

from billing.errors import BillingError, StoreUnavailable
from billing_service.settings import SettingsInvalid
from billing_sql import DatabaseUnusable, SchemaMismatch

EXIT_CODES: Mapping[int, str] = {
    0: "done",
    1: "refused: the sentence says why",
    2: "the command line was not understood",
    3: "the settings are incomplete or wrong",
    4: "the database's schema is not the one this version needs",
    5: "the database cannot be reached",
    6: "the service could not be started",
}


class Refused(click.ClickException):
    """The command was understood, and cannot be done."""

    exit_code = 1


class SettingsWrong(click.ClickException):
    """The environment does not describe a service that may start."""

    exit_code = 3


class SchemaWrong(click.ClickException):
    """The database was not migrated, or by a newer version."""

    exit_code = 4


class Unreachable(click.ClickException):
    """The database does not answer."""

    exit_code = 5


class NotStarted(click.ClickException):
    """The settings are complete, and still the service did not come up."""

    exit_code = 6


@contextmanager
def failures() -> Generator[None]:
    """Turn what the program raises into what a person at a terminal can use."""
    try:
        yield
    except SettingsInvalid as invalid:
        lines = "\n".join(f"  - {problem}" for problem in invalid.problems)
        raise SettingsWrong(f"the settings are not complete:\n{lines}") from None
    except SchemaMismatch as mismatch:
        raise SchemaWrong(str(mismatch)) from None
    except DatabaseUnusable as unusable:
        raise Unreachable(str(unusable)) from None
    except StoreUnavailable as unavailable:
        raise Unreachable(str(unavailable.__cause__ or unavailable)) from None
    except BillingError as refused:
        raise Refused(str(refused)) from None
    except UnicodeError:
        raise Refused("an argument is not valid text") from None
