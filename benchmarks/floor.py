"""The floor: the same routes and bodies, written by hand for speed alone.

What a good engineer would write who needs nothing but this: Litestar, the driver, one statement for a batch where the
database allows it, signature check, event-id dedupe, durable before the 2xx. It believes what an event says if it is
newer than what is held: no rules of the domain, no doubts, no re-reads, no alerts, no failed events.

`python -m benchmarks.floor --port 8001` serves it with the options of `billing serve`, on uvicorn's own protocol; it
reads `FLOOR_DATABASE_URL`, `FLOOR_WEBHOOK_SECRET` and `FLOOR_MAX_BATCH` (1: no group commit). `FLOOR_WHOLE_ANSWERS=1`
serves it on the service's protocol, which writes an answer in one piece.
"""

import asyncio
import gc
import hashlib
import hmac
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

import click
import msgspec
import uvicorn
from litestar import Litestar, Request, get, post
from litestar.exceptions import ClientException, NotAuthorizedException

TOLERANCE_SECONDS = 300
TIERS = {"price_pro": "pro", "price_enterprise": "enterprise"}
SUBSCRIPTION_EVENTS = frozenset({"customer.subscription.created", "customer.subscription.updated"})


class Price(msgspec.Struct):
    """A price."""

    id: str


class Item(msgspec.Struct):
    """What is subscribed."""

    price: Price
    current_period_end: int


class Items(msgspec.Struct):
    """Stripe's list of them."""

    data: list[Item]


class Subscription(msgspec.Struct):
    """As much of a subscription as is stored."""

    id: str
    customer: str
    status: str
    created: int
    cancel_at_period_end: bool
    items: Items


class Data(msgspec.Struct):
    """What an event is about, not decoded before its type is known."""

    object: msgspec.Raw


class Event(msgspec.Struct):
    """A webhook."""

    id: str
    type: str
    created: int
    data: Data


class Row(NamedTuple):
    """What is written of an event; without a subscription, the event alone."""

    id: str
    type: str
    created: int
    received_at: int
    payload: bytes
    subscription: str | None = None
    customer: str | None = None
    tier: str | None = None
    status: str | None = None
    period_end: int | None = None
    cancel: bool | None = None
    started_at: int | None = None


Standing = tuple[str, str | None, int | None, bool | None]


class Store(Protocol):
    """A database."""

    async def write(self, rows: Sequence[Row]) -> set[str]:
        """Write events and what they say, durably; answer the ids of those that were not there before."""
        ...

    async def read(self, key_hash: str) -> Standing | None:
        """Answer the standing of whoever has this key."""
        ...

    async def close(self) -> None:
        """Close it."""
        ...


class WebhookAnswer(msgspec.Struct):
    """What became of an event."""

    outcome: str


class BillingAnswer(msgspec.Struct):
    """A standing."""

    plan: str
    status: str | None
    current_period_end: str | None
    cancel_at_period_end: bool | None


_EVENT = msgspec.json.Decoder(Event)
_SUBSCRIPTION = msgspec.json.Decoder(Subscription)


def check_signature(header: str, body: bytes, secret: bytes) -> None:
    """Raise unless the body was signed with the secret just now."""
    timestamp, _, signature = header.partition(",v1=")
    at = timestamp[2:]
    if not at.isdigit() or abs(time.time() - int(at)) > TOLERANCE_SECONDS:
        raise ClientException("stale signature")
    expected = hmac.digest(secret, at.encode() + b"." + body, "sha256").hex()
    if not hmac.compare_digest(expected, signature):
        raise ClientException("wrong signature")


def row_of(body: bytes) -> Row:
    """Decode what is stored of an event."""
    event = _EVENT.decode(body)
    received_at = time.time_ns() // 1000
    if event.type not in SUBSCRIPTION_EVENTS:
        return Row(event.id, event.type, event.created, received_at, body)
    said = _SUBSCRIPTION.decode(event.data.object)
    item = said.items.data[0]
    return Row(
        event.id,
        event.type,
        event.created,
        received_at,
        body,
        said.id,
        said.customer,
        TIERS.get(item.price.id, "free"),
        said.status,
        item.current_period_end,
        said.cancel_at_period_end,
        said.created,
    )


class GroupCommit:
    """What arrives while a write is under way goes together in the next one."""

    def __init__(self, write: Callable[[Sequence[Row]], Awaitable[set[str]]], max_batch: int) -> None:
        """Write with `write`."""
        self._write = write
        self._max_batch = max_batch
        self._waiting: list[tuple[Row, asyncio.Future[bool]]] = []
        self._work: asyncio.Task[None] | None = None

    async def put(self, row: Row) -> bool:
        """Answer, once it is durable, whether the event is new."""
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, answer))
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._write_all())
        return await answer

    async def _write_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[: self._max_batch], self._waiting[self._max_batch :]
            try:
                fresh = await self._write([row for row, _ in batch])
            except Exception as error:  # noqa: BLE001 - whatever it is, the callers hear it
                for _, answer in batch:
                    answer.set_exception(error)
                continue
            for row, answer in batch:
                answer.set_result(row.id in fresh)
                fresh.discard(row.id)


async def open_store(url: str) -> Store:
    """Open the database at a URL."""
    if url.startswith("sqlite:///"):
        from benchmarks.floor_sqlite import SqliteStore  # noqa: PLC0415 - one of the two is needed

        return SqliteStore(url.removeprefix("sqlite:///"))
    from benchmarks.floor_postgres import PostgresStore  # noqa: PLC0415 - one of the two is needed

    return await PostgresStore.open(url)


def create_app() -> Litestar:
    """Build the application from the environment."""
    secret = os.environ["FLOOR_WEBHOOK_SECRET"].encode()
    max_batch = int(os.environ.get("FLOOR_MAX_BATCH", "64"))
    store: Store
    put: Callable[[Row], Awaitable[bool]]

    async def put_alone(row: Row) -> bool:
        return bool(await store.write([row]))

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncGenerator[None]:
        nonlocal store, put
        store = await open_store(os.environ["FLOOR_DATABASE_URL"])
        put = GroupCommit(store.write, max_batch).put if max_batch > 1 else put_alone
        yield
        await store.close()

    @post("/v1/billing/webhooks", status_code=200)
    async def receive(request: Request[Any, Any, Any]) -> WebhookAnswer:
        body = await request.body()
        check_signature(request.headers.get("stripe-signature", ""), body, secret)
        row = row_of(body)
        if not await put(row):
            return WebhookAnswer("duplicate")
        return WebhookAnswer("applied" if row.subscription else "ignored")

    @get("/v1/billing")
    async def read(request: Request[Any, Any, Any]) -> BillingAnswer:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise NotAuthorizedException
        standing = await store.read(hashlib.sha256(key.encode()).hexdigest())
        if standing is None:
            raise NotAuthorizedException
        plan, status, period_end, cancel = standing
        end = period_end and datetime.fromtimestamp(period_end, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return BillingAnswer(plan, status, end or None, None if cancel is None else bool(cancel))

    @get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    app = Litestar([receive, read, health], lifespan=[lifespan], debug=False, logging_config=None, openapi_config=None)
    # The collector as the service has it, so that what is compared is not this.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    return app


@click.command()
@click.option("--port", type=int, required=True)
@click.option("--workers", type=int, default=1)
def main(port: int, workers: int) -> None:
    """Serve the floor as `billing serve` serves the service."""
    # By its name, so that nothing of the service is imported where it is not wanted.
    whole_answers = os.environ.get("FLOOR_WHOLE_ANSWERS")
    uvicorn.run(
        "benchmarks.floor:create_app",
        factory=True,
        host="127.0.0.1",
        port=port,
        workers=workers,
        loop="uvloop",
        http="billing_service.http_protocol:BoundedHttpProtocol" if whole_answers else "httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=20,
    )


if __name__ == "__main__":
    main()
