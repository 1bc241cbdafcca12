"""Accounts and their API keys."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from billing.accounts import Account, AccountView, ApiKey
from billing.errors import AccountExists, AccountNotFound, ApiKeyNotFound
from billing.identifiers import AccountId, ApiKeyId, KeyHash
from billing.standing import NEVER_SUBSCRIBED
from billing.subscription import Subscription
from billing_memory.store import KeyRow, MemoryStore, Tables


class MemoryAccounts:
    """The accounts."""

    def __init__(self, store: MemoryStore) -> None:
        """Keep them in `store`."""
        self._store = store

    async def add(self, account: Account, *, key: ApiKey, hash_: KeyHash) -> None:
        """See `billing.ports.Accounts`."""
        async with self._store.write() as tables:
            if account.email.lower() in tables.accounts_by_email:
                raise AccountExists(email=account.email)
            tables.accounts[account.id] = account
            tables.accounts_by_email[account.email.lower()] = account.id
            tables.standings[account.id] = NEVER_SUBSCRIBED
            tables.api_keys[key.id] = KeyRow(key=key, hash=hash_)

    async def view(self, account: AccountId) -> AccountView:
        """See `billing.ports.Accounts`."""
        tables = await self._store.read()
        if account not in tables.accounts:
            raise AccountNotFound(account=account)
        return _view(tables, account)

    async def view_by_email(self, email: str) -> AccountView:
        """See `billing.ports.Accounts`."""
        tables = await self._store.read()
        account = tables.accounts_by_email.get(email.lower())
        if account is None:
            raise AccountNotFound(account=email)
        return _view(tables, account)

    async def view_by_key(self, key: KeyHash) -> AccountView | None:
        """See `billing.ports.Accounts`."""
        tables = await self._store.read()
        for row in tables.api_keys.values():
            if row.hash == key and row.key.revoked_at is None:
                return _view(tables, row.key.account)
        return None

    async def subscriptions(self, account: AccountId) -> Sequence[Subscription]:
        """See `billing.ports.Accounts`."""
        return (await self._store.read()).subscriptions_of(account)


class MemoryApiKeys:
    """The API keys."""

    def __init__(self, store: MemoryStore) -> None:
        """Keep them in `store`."""
        self._store = store

    async def add(self, key: ApiKey, hash_: KeyHash) -> None:
        """See `billing.ports.ApiKeys`."""
        async with self._store.write() as tables:
            if key.account not in tables.accounts:
                raise AccountNotFound(account=key.account)
            tables.api_keys[key.id] = KeyRow(key=key, hash=hash_)

    async def of(self, account: AccountId) -> Sequence[ApiKey]:
        """See `billing.ports.ApiKeys`."""
        tables = await self._store.read()
        keys = [row.key for row in tables.api_keys.values() if row.key.account == account]
        return sorted(keys, key=lambda key: key.created_at)

    async def revoke(self, key: ApiKeyId, *, at: datetime) -> ApiKey:
        """See `billing.ports.ApiKeys`."""
        async with self._store.write() as tables:
            row = tables.api_keys.get(key)
            if row is None:
                raise ApiKeyNotFound(key=key)
            if row.key.revoked_at is None:
                row = replace(row, key=replace(row.key, revoked_at=at))
                tables.api_keys[key] = row
            return row.key


def _view(tables: Tables, account: AccountId) -> AccountView:
    return AccountView(
        account=tables.accounts[account],
        standing=tables.standings[account],
        checkout_open=account in tables.attempts,
    )
