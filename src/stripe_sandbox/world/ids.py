"""Ids of the form Stripe gives them, which code under test may well check."""

import random
import string
from typing import Final

_ALPHABET: Final = string.ascii_letters + string.digits
_SHORT: Final = 14
_LONG: Final = 23
_SESSION: Final = 56
_SECRET: Final = 32


class Ids:
    """Makes ids; with a seed, the same ones in the same order, in each run of a world other ones."""

    def __init__(self, seed: int | None = None, *, run: int = 0) -> None:
        # Nothing here guards anything: the ids of a sandbox need to be unique and repeatable, not secret.
        self._random = random.Random(seed if seed is None or run == 0 else f"{seed} in run {run}")  # noqa: S311

    def _letters(self, count: int) -> str:
        return "".join(self._random.choices(_ALPHABET, k=count))

    def short(self, prefix: str) -> str:
        """Customers, products, items: `cus_` and 14 letters."""
        return f"{prefix}_{self._letters(_SHORT)}"

    def long(self, prefix: str) -> str:
        """Prices, subscriptions, invoices, events, endpoints: `sub_1` and 23 letters."""
        return f"{prefix}_1{self._letters(_LONG)}"

    def checkout_session(self) -> str:
        return f"cs_test_a1{self._letters(_SESSION)}"

    def signing_secret(self) -> str:
        return f"whsec_{self._letters(_SECRET)}"

    def invoice_prefix(self) -> str:
        return "".join(self._random.choices(string.ascii_uppercase + string.digits, k=8))
