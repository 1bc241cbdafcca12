"""`billing accounts` and `billing keys`."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

import click
from rich.console import Console
from rich.table import Table

from billing.accounts import AccountView, ApiKey
from billing.use_cases.manage_accounts import ManageAccounts, NewKey
from billing_http.wire import present_time
from billing_service.cli.failures import failures
from billing_service.container import Container
from billing_service.settings import environment, read_database_settings
from billing_sql import SqlDatabase

Answer = TypeVar("Answer")

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for a program to read.")


@click.group()
def accounts() -> None:
    """Make accounts and look at them."""


@click.group()
def keys() -> None:
    """Make, list and revoke API keys."""


@accounts.command("create")
@click.option("--email", required=True, help="The account's e-mail address; Stripe's receipts go there.")
@click.option("--name", help="The account's name, as Stripe's invoices show it.")
@as_json
def create_account(*, email: str, name: str | None, as_json: bool) -> None:
    """Make an account and its first API key, which is shown this once."""
    view, new = manage(lambda use_case: use_case.create(email=email, name=name))
    if as_json:
        _print_json({"account": account_fields(view), "api_key": new.secret})
        return
    _print_account(view)
    _print_secret(new)


@accounts.command("show")
@click.argument("account")
@as_json
def show_account(*, account: str, as_json: bool) -> None:
    """Show ACCOUNT, given by its id or its e-mail address, and what it has."""
    view = manage(lambda use_case: use_case.show(account))
    if as_json:
        _print_json({"account": account_fields(view), "billing": _billing_fields(view)})
        return
    _print_account(view)


@keys.command("create")
@click.argument("account")
@as_json
def create_key(*, account: str, as_json: bool) -> None:
    """Make another API key for ACCOUNT (id or e-mail address); it is shown this once."""
    new = manage(lambda use_case: use_case.create_key(account))
    if as_json:
        _print_json({"key": _key_fields(new.key), "api_key": new.secret})
        return
    _print_secret(new)


@keys.command("list")
@click.argument("account")
@as_json
def list_keys(*, account: str, as_json: bool) -> None:
    """List the API keys of ACCOUNT (id or e-mail address), revoked ones too."""
    listed = manage(lambda use_case: use_case.list_keys(account))
    if as_json:
        _print_json({"keys": [_key_fields(key) for key in listed]})
        return
    table = Table("id", "created", "revoked")
    for key in listed:
        table.add_row(key.id, _time(key.created_at), _time(key.revoked_at))
    Console().print(table)


@keys.command("revoke")
@click.argument("key")
@as_json
def revoke_key(*, key: str, as_json: bool) -> None:
    """Revoke KEY, given by its id; it is refused from now on, by every replica."""
    revoked = manage(lambda use_case: use_case.revoke_key(key))
    if as_json:
        _print_json({"key": _key_fields(revoked)})
        return
    click.echo(f"{revoked.id} is revoked")


def manage(do: Callable[[ManageAccounts], Awaitable[Answer]]) -> Answer:
    """Do something with accounts in the database of the settings."""
    with failures():
        settings = read_database_settings(environment())
        return asyncio.run(manage_in(settings.url, do, behind_pgbouncer=settings.behind_pgbouncer))


async def manage_in(
    database_url: str, do: Callable[[ManageAccounts], Awaitable[Answer]], *, behind_pgbouncer: bool = False
) -> Answer:
    """Do something with accounts in a database whose schema is current."""
    database = await SqlDatabase.open(database_url, behind_pgbouncer=behind_pgbouncer)
    try:
        await database.check_schema()
        return await do(Container(database=database).manage_accounts())
    finally:
        await database.close()


def account_fields(view: AccountView) -> dict[str, object]:
    """Answer an account as JSON shows it."""
    account = view.account
    return {"id": account.id, "email": account.email, "name": account.name, "plan_tier": view.standing.plan.slug}


def _billing_fields(view: AccountView) -> dict[str, object]:
    standing = view.standing
    return {
        "plan": standing.plan.slug,
        "status": standing.status,
        "current_period_end": present_time(standing.period_end),
        "cancel_at_period_end": standing.cancel_at_period_end,
    }


def _key_fields(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "account": key.account,
        "created_at": present_time(key.created_at),
        "revoked_at": present_time(key.revoked_at),
    }


def _print_account(view: AccountView) -> None:
    table = Table(show_header=False, box=None)
    for name, value in {**account_fields(view), **_billing_fields(view)}.items():
        table.add_row(name, "" if value is None else str(value))
    Console().print(table)


def _print_secret(new: NewKey) -> None:
    click.echo(f"\napi key {new.key.id}, shown this once:\n{new.secret}")


def _print_json(fields: dict[str, object]) -> None:
    click.echo(json.dumps(fields))


def _time(time: datetime | None) -> str:
    return present_time(time) or ""
