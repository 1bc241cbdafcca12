"""What is sent: signed webhooks and status reads, each encoded as the bytes of its HTTP request just before a run.

Accounts and events are numbered; everything about them follows from their numbers, so that what a database holds can
be checked against what was sent without keeping it.
"""

import hashlib
import hmac
import os
import struct
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import BinaryIO

SECRET = "whsec_of_the_benchmark"  # noqa: S105 - it guards nothing
PRICE = "price_pro"
BEGIN = 1_772_366_400
"""The time of day zero, 2026-03-01T12:00:00Z: what is held before any event is as of then."""
PERIOD = 2_300_000_000
"""Seconds in the first period. It ends in 2099: one that is over would be a reason to ask Stripe."""
STRIDE = 7_368_787
"""A prime: going through the accounts in steps of it visits all of them, and neighbours are far apart."""

WEBHOOK_PATH = "/v1/billing/webhooks"
READ_PATH = "/v1/billing"
_TEMPLATE = Path(__file__).with_name("event.json").read_text()


class Workload(StrEnum):
    """What is asked of a server."""

    FRESH = "fresh"
    """Events never seen before, each changing its account's subscription and standing."""
    DUPLICATES = "duplicates"
    """Events that were acknowledged before."""
    MIXED = "mixed"
    """Of ten events six are fresh, three repeat one of this very run, one is of a type without effect."""
    READ = "read"
    """Status reads by API key."""


def account_id(number: int) -> str:
    """Answer an account's id."""
    return f"acct_{_digest('account', number)}"


def customer_id(number: int) -> str:
    """Answer the id of an account's customer."""
    return f"cus_{_digest('customer', number)}"


def subscription_id(number: int) -> str:
    """Answer the id of an account's subscription."""
    return f"sub_{_digest('subscription', number)}"


def api_key(number: int) -> str:
    """Answer an account's API key."""
    return f"billing_{_digest('key', number)}"


def key_hash(number: int) -> str:
    """Answer what is stored of an account's API key."""
    return hashlib.sha256(api_key(number).encode()).hexdigest()


def event_id(number: int) -> str:
    """Answer an event's id. It begins with its number, as Stripe's begin with something like a time."""
    return f"evt_{number:08x}{_digest('event', number)[:16]}"


def number_of(event: str) -> int:
    """Answer the number of an event by its id."""
    return int(event[4:12], 16)


def account_of(event: int, accounts: int) -> int:
    """Answer which account an event is about."""
    return event * STRIDE % accounts


def period_end(event: int) -> int:
    """Answer the period's end that an event tells of: another one with each event."""
    return BEGIN + PERIOD + event


def _digest(kind: str, number: int) -> str:
    return hashlib.md5(f"{kind}{number}".encode(), usedforsecurity=False).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Requests in a file, each preceded by its length as four bytes, the lowest first."""

    path: Path
    size: int


class Writer:
    """Makes corpora for servers that know `accounts` accounts."""

    def __init__(self, folder: Path, *, accounts: int) -> None:
        """Write into `folder`."""
        self._folder = folder
        self._accounts = accounts
        self._next_event = 1

    @property
    def written(self) -> int:
        """How many events have been numbered so far, from 1."""
        return self._next_event - 1

    def write(self, workload: Workload, size: int) -> Corpus:
        """Write so many requests, signed now; events that are to be fresh have not been written before."""
        path = self._folder / f"{workload}.corpus"
        with path.open("wb") as file:
            for request in self._requests(workload, size):
                file.write(struct.pack("<I", len(request)))
                file.write(request)
            _settle(file)
        return Corpus(path=path, size=size)

    def write_known(self, corpus_size: int, distinct: int) -> tuple[Corpus, Corpus]:
        """Write the same few events once, to be sent first, and at least so many times again: a storm of duplicates."""
        first = self._next_event
        self._next_event += distinct
        once = [self._webhook(number) for number in range(first, first + distinct)]
        paths = (self._folder / "known.corpus", self._folder / "duplicates.corpus")
        times_again = -(-corpus_size // distinct)
        for path, times in zip(paths, (1, times_again), strict=True):
            with path.open("wb") as file:
                file.writelines(struct.pack("<I", len(one)) + one for _ in range(times) for one in once)
                _settle(file)
        return Corpus(path=paths[0], size=distinct), Corpus(path=paths[1], size=times_again * distinct)

    def _requests(self, workload: Workload, size: int) -> Iterator[bytes]:
        first = self._next_event
        match workload:
            case Workload.READ:
                return (self._read(number) for number in range(size))
            case Workload.FRESH | Workload.DUPLICATES:
                self._next_event += size
                return (self._webhook(number) for number in range(first, first + size))
            case Workload.MIXED:
                self._next_event += size
                return self._mixed(first, size)

    def _mixed(self, first: int, size: int) -> Iterator[bytes]:
        for ten in range(first, first + size, 10):
            fresh = [self._webhook(number) for number in range(ten, ten + 6)]
            no_effect = self._webhook(ten + 6, type_="invoice.finalized")
            yield from chain.from_iterable(zip(fresh[:3], fresh[3:], strict=True))
            yield from (*fresh[:3], no_effect)

    def _webhook(self, number: int, *, type_: str = "customer.subscription.updated") -> bytes:
        account = account_of(number, self._accounts)
        body = (
            _TEMPLATE.replace("{event}", event_id(number))
            .replace("{type}", type_)
            .replace("{account}", account_id(account))
            .replace("{customer}", customer_id(account))
            .replace("{subscription}", subscription_id(account))
            .replace('"{created}"', str(BEGIN + number))
            .replace('"{period_end}"', str(period_end(number)))
            .encode()
        )
        return _post(WEBHOOK_PATH, body, signature=sign(body, at=int(time.time())))

    def _read(self, number: int) -> bytes:
        key = api_key(account_of(number, self._accounts))
        return (
            f"GET {READ_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n"
            f"Authorization: Bearer {key}\r\n\r\n"
        ).encode()


def _settle(file: BinaryIO) -> None:
    """Have it on the disk now: else it would be written while the first server waits for its commits."""
    file.flush()
    os.fsync(file.fileno())


def sign(body: bytes, *, at: int) -> str:
    """Answer the `Stripe-Signature` header: https://docs.stripe.com/webhooks#verify-manually."""
    digest = hmac.digest(SECRET.encode(), b"%d.%b" % (at, body), "sha256").hex()
    return f"t={at},v1={digest}"


def _post(path: str, body: bytes, *, signature: str) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\n"
        f"Accept: */*; q=0.5, application/xml\r\nCache-Control: no-cache\r\n"
        f"Content-Type: application/json; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
        f"Stripe-Signature: {signature}\r\n\r\n"
    )
    return head.encode() + body


def newest_events(stored: Iterable[str], accounts: int) -> dict[int, int]:
    """Answer the newest event of each account, by number, of those whose ids are stored."""
    newest: dict[int, int] = {}
    for number in map(number_of, stored):
        account = account_of(number, accounts)
        newest[account] = max(number, newest.get(account, 0))
    return newest
