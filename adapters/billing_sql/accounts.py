"""Accounts and their API keys."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, insert, select, update
from sqlalchemy.sql.expression import Executable

from billing.accounts import Account, AccountView, ApiKey
from billing.errors import AccountExists, AccountNotFound, ApiKeyNotFound
from billing.identifiers import AccountId, ApiKeyId, KeyHash
from billing.standing import NEVER_SUBSCRIBED
from billing.subscription import Subscription
from billing_sql.database import SqlDatabase
from billing_sql.gathering import Gathering
from billing_sql.rows import (
    ACCOUNT,
    API_KEY,
    STANDING,
    SUBSCRIPTION,
    api_key_of,
    standing_row,
    subscription_of,
    view_of,
)
from billing_sql.tables import accounts, api_keys, checkout_attempts, subscriptions

_VIEW = (
    *ACCOUNT,
    *STANDING,
    select(checkout_attempts.c.id).where(checkout_attempts.c.account_id == accounts.c.id).exists(),
)
_VIEW_BY_ID = select(*_VIEW).where(accounts.c.id == bindparam("wanted"))
_VIEW_BY_EMAIL = select(*_VIEW).where(accounts.c.email == bindparam("wanted"))
_SUBSCRIPTIONS = (
    select(*SUBSCRIPTION).where(subscriptions.c.account_id == bindparam("account")).order_by(subscriptions.c.id)
)
_KEYS = select(*API_KEY).where(api_keys.c.account_id == bindparam("account")).order_by(*API_KEY[2:3], api_keys.c.id)
_REVOKE = (
    update(api_keys)
    .where(api_keys.c.id == bindparam("key"))
    .values(revoked_at=func.coalesce(api_keys.c.revoked_at, bindparam("at", type_=api_keys.c.revoked_at.type)))
    .returning(*API_KEY)
)
_ADD_KEY = insert(api_keys).from_select(
    ["id", "hash", "account_id", "created_at", "revoked_at"],
    select(
        *(bindparam(column.name, type_=column.type) for column in (api_keys.c.id, api_keys.c.hash)),
        accounts.c.id,
        *(bindparam(column.name, type_=column.type) for column in API_KEY[2:]),
    ).where(accounts.c.id == bindparam("account")),
)


class SqlAccounts:
    """The accounts."""

    def __init__(self, database: SqlDatabase) -> None:
        """Keep them in `database`."""
        self._database = database
        difference = database.difference
        # A constraint decides whether the address is taken.
        self._insert = difference.insert(accounts).on_conflict_do_nothing(index_elements=["email"])
        self._texts = difference.texts
        self._view_by_keys = difference.prepare_query(
            select(api_keys.c.hash, *_VIEW)
            .join(accounts, accounts.c.id == api_keys.c.account_id)
            .where(difference.among(api_keys.c.hash, "hashes"), api_keys.c.revoked_at.is_(None))
        )
        self._by_key = Gathering(self._read_views)

    async def add(self, account: Account, *, key: ApiKey, hash_: KeyHash) -> None:
        """See `billing.ports.Accounts`."""
        row = {
            "id": account.id,
            "email": account.email.lower(),
            "name": account.name,
            "created_at": account.created_at,
            **{column.name: value for column, value in zip(STANDING, standing_row(NEVER_SUBSCRIBED), strict=True)},
        }

        def insert_both(connection: Connection) -> None:
            if connection.execute(self._insert, row).rowcount == 0:
                raise AccountExists(email=account.email)
            connection.execute(_ADD_KEY, _key_row(key, hash_))

        await self._database.write(insert_both)

    async def view(self, account: AccountId) -> AccountView:
        """See `billing.ports.Accounts`."""
        return await self._view(_VIEW_BY_ID, account, asked=account)

    async def view_by_email(self, email: str) -> AccountView:
        """See `billing.ports.Accounts`."""
        return await self._view(_VIEW_BY_EMAIL, email.lower(), asked=email)

    async def view_by_key(self, key: KeyHash) -> AccountView | None:
        """See `billing.ports.Accounts`. Those asked for at the same time are read in the same round trip."""
        return await self._by_key.ask(key)

    async def subscriptions(self, account: AccountId) -> Sequence[Subscription]:
        """See `billing.ports.Accounts`."""
        rows = await self._database.read(
            lambda connection: connection.execute(_SUBSCRIPTIONS, {"account": account}).all()
        )
        return [subscription_of(row) for row in rows]

    async def _view(self, statement: Executable, wanted: str, *, asked: str) -> AccountView:
        row = await self._database.read(
            lambda connection: connection.execute(statement, {"wanted": wanted}).one_or_none()
        )
        if row is None:
            raise AccountNotFound(account=asked)
        return view_of(row)

    async def _read_views(self, keys: Sequence[KeyHash]) -> dict[KeyHash, AccountView]:
        rows = await self._database.ask(self._view_by_keys, {"hashes": self._texts(set(keys))})
        return {key: view_of(view) for key, *view in rows}


class SqlApiKeys:
    """The API keys."""

    def __init__(self, database: SqlDatabase) -> None:
        """Keep them in `database`."""
        self._database = database

    async def add(self, key: ApiKey, hash_: KeyHash) -> None:
        """See `billing.ports.ApiKeys`."""
        row = _key_row(key, hash_)
        added = await self._database.write(lambda connection: connection.execute(_ADD_KEY, row).rowcount)
        if added == 0:
            raise AccountNotFound(account=key.account)

    async def of(self, account: AccountId) -> Sequence[ApiKey]:
        """See `billing.ports.ApiKeys`."""
        rows = await self._database.read(lambda connection: connection.execute(_KEYS, {"account": account}).all())
        return [api_key_of(row) for row in rows]

    async def revoke(self, key: ApiKeyId, *, at: datetime) -> ApiKey:
        """See `billing.ports.ApiKeys`."""
        row = await self._database.write(
            lambda connection: connection.execute(_REVOKE, {"key": key, "at": at}).one_or_none()
        )
        if row is None:
            raise ApiKeyNotFound(key=key)
        return api_key_of(row)


def _key_row(key: ApiKey, hash_: KeyHash) -> dict[str, object]:
    return {
        "id": key.id,
        "hash": hash_,
        "account": key.account,
        "created_at": key.created_at,
        "revoked_at": key.revoked_at,
    }
