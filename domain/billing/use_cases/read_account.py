"""Whose key is this, and what does the account have: one round trip."""

import hashlib
from dataclasses import dataclass

from billing.accounts import AccountView
from billing.errors import InvalidApiKey
from billing.identifiers import KeyHash
from billing.ports import Accounts, CheckoutWatch
from billing.standing import Standing

MAX_KEY_LENGTH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticate:
    """Tells accounts by their API keys."""

    accounts: Accounts

    async def execute(self, api_key: str) -> AccountView:
        """Answer the key's account with its standing; raises `InvalidApiKey`, also for a key revoked just now."""
        if not api_key or len(api_key) > MAX_KEY_LENGTH:
            raise InvalidApiKey
        view = await self.accounts.view_by_key(hash_of(api_key))
        if view is None:
            raise InvalidApiKey
        return view


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBilling:
    """What `GET /v1/billing` answers."""

    watch: CheckoutWatch

    def execute(self, view: AccountView) -> Standing:
        """Answer the standing that was read with the credential.

        A person who returns from Stripe may be faster than the webhook: while a checkout is open, reading is a
        reason to look at it.
        """
        if view.checkout_open:
            self.watch.notice(view.account.id)
        return view.standing


def hash_of(api_key: str) -> KeyHash:
    """Answer what is stored of a key. It has 256 random bits, so a plain hash is enough: there is no guessing."""
    return KeyHash(hashlib.sha256(api_key.encode("utf-8", "surrogatepass")).hexdigest())
