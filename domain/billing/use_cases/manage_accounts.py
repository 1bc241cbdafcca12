"""An operator makes accounts, and makes and revokes their keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.accounts import Account, AccountView, ApiKey, parse_email, parse_name
from billing.identifiers import AccountId, ApiKeyId
from billing.ports import Accounts, ApiKeys, Clock, Secrets
from billing.use_cases.read_account import hash_of


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key at the only moment at which it can be shown."""

    key: ApiKey
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ManageAccounts:
    """Accounts and keys, for the command line."""

    accounts: Accounts
    api_keys: ApiKeys
    clock: Clock
    secrets: Secrets

    async def create(self, *, email: str, name: str | None) -> tuple[AccountView, NewKey]:
        """Make an account and its first key; raises `InvalidEmail`, `InvalidName`, `AccountExists`."""
        account = Account(
            id=AccountId(self.secrets.new_id("acct")),
            email=parse_email(email),
            name=parse_name(name),
            created_at=self._now(),
        )
        new = self._new_key(account.id)
        await self.accounts.add(account, key=new.key, hash_=hash_of(new.secret))
        return await self.accounts.view(account.id), new

    async def show(self, account: str) -> AccountView:
        """Answer an account by its id or its e-mail address; raises `AccountNotFound`."""
        if "@" in account:
            return await self.accounts.view_by_email(account.strip().lower())
        return await self.accounts.view(AccountId(account))

    async def create_key(self, account: str) -> NewKey:
        """Make another key for an account; raises `AccountNotFound`."""
        view = await self.show(account)
        new = self._new_key(view.account.id)
        await self.api_keys.add(new.key, hash_of(new.secret))
        return new

    async def list_keys(self, account: str) -> Sequence[ApiKey]:
        """Answer an account's keys, revoked ones too; raises `AccountNotFound`."""
        view = await self.show(account)
        return await self.api_keys.of(view.account.id)

    async def revoke_key(self, key: str) -> ApiKey:
        """Revoke a key at once, on every replica; raises `ApiKeyNotFound`."""
        return await self.api_keys.revoke(ApiKeyId(key), at=self._now())

    def _new_key(self, account: AccountId) -> NewKey:
        key = ApiKey(id=ApiKeyId(self.secrets.new_id("key")), account=account, created_at=self._now(), revoked_at=None)
        return NewKey(key=key, secret=self.secrets.new_api_key())

    def _now(self) -> datetime:
        return self.clock.now().replace(microsecond=0)
