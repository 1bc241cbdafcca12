"""More than can be kept in memory: refused with a 503 that says when to come again, and nothing else suffers."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.types import ASGIApp

from billing.errors import BillingError
from billing.events import Delivery, Unhandled
from billing.idempotency import Outcome
from billing.use_cases.receive_events import ReceiveWebhook
from billing_http import EXCEPTION_HANDLERS, RequestEnvelope, webhook_route
from billing_memory import MemoryAlarm, MemoryClock, MemoryFailedEvents, MemoryStore
from billing_service import group_commit, http_protocol
from billing_service.group_commit import GroupCommit
from billing_service.http_protocol import BoundedHttpProtocol
from support.domain_things import delivery
from support.http_world import ScriptedReader
from support.uvicorn_server import connected, rest_of, served

pytestmark = pytest.mark.anyio

PATH = "/v1/billing/webhooks"


@pytest.fixture
def anyio_backend() -> str:
    """The service runs on asyncio."""
    return "asyncio"


class SlowDecisions:
    """Decides when it is allowed to."""

    def __init__(self) -> None:
        self.allowed = asyncio.Event()
        self.waiting = 0

    async def execute(self, deliveries: Sequence[Delivery], *, patient: bool) -> list[Outcome | BillingError]:
        """Answer, later; nobody needs patience."""
        assert not patient
        self.waiting += 1
        await self.allowed.wait()
        self.waiting -= 1
        return [Outcome.IGNORED for _ in deliveries]


def app_of(decisions: SlowDecisions, reader: ScriptedReader | None = None) -> ASGIApp:
    """The webhooks' route before an inbox of two."""
    store = MemoryStore()
    decide: Any = decisions
    reader = reader or ScriptedReader()
    reader.answer = delivery("evt_1", Unhandled(reason="nothing for us"))
    receive = ReceiveWebhook(
        reader=reader,
        inbox=GroupCommit(decide, max_batch=1, max_waiting=2),
        failed_events=MemoryFailedEvents(store),
        clock=MemoryClock(),
        alarm=MemoryAlarm(),
    )
    routes = [webhook_route(lambda: receive)]
    handlers = dict(EXCEPTION_HANDLERS)
    return RequestEnvelope(Litestar(routes, exception_handlers=handlers, logging_config=None, openapi_config=None))


def assert_asks_to_come_again(answer: httpx.Response) -> None:
    """It is our own 503, with all that it must have."""
    assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["x-request-id"]


async def test_what_the_inbox_cannot_hold_is_asked_to_come_again() -> None:
    """One delivery is being committed, two wait, the fourth is refused; then all goes on as before."""
    decisions, reader = SlowDecisions(), ScriptedReader()
    app = app_of(decisions, reader)
    async with served(app) as origin, httpx.AsyncClient(base_url=origin) as client:
        held = [asyncio.create_task(client.post(PATH))]
        await until(lambda: decisions.waiting == 1)
        held += [asyncio.create_task(client.post(PATH)) for _ in range(2)]
        await until(lambda: len(reader.seen) == 3)
        assert_asks_to_come_again(await client.post(PATH))

        decisions.allowed.set()
        assert [(await one).status_code for one in held] == [200, 200, 200]
        assert (await client.post(PATH)).status_code == 200


class Small(BoundedHttpProtocol):
    """Takes two connections, and has little patience."""

    max_connections = 2
    message_seconds = 2.0
    refusal_seconds = 2.0


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that must come to pass."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.01)


REQUEST = b"POST /v1/billing/webhooks HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
async def small() -> AsyncGenerator[str]:
    """The origin of a service that takes two connections."""
    decisions = SlowDecisions()
    decisions.allowed.set()
    async with served(app_of(decisions), Small) as origin:
        yield origin


async def test_one_connection_too_many_is_asked_to_come_again(small: str) -> None:
    """It is answered in our words and closed; the others keep theirs, and there is room again when one goes."""
    clients = [httpx.AsyncClient(base_url=small) for _ in range(3)]
    assert [(await client.post(PATH)).status_code for client in clients[:2]] == [200, 200]
    refused = await clients[2].post(PATH)
    assert_asks_to_come_again(refused)
    assert refused.headers["connection"] == "close"
    assert (await clients[0].post(PATH)).status_code == 200

    await clients[0].aclose()

    async with asyncio.timeout(10):
        while (await clients[2].post(PATH)).status_code != 200:  # noqa: ASYNC110 - nobody tells when there is room
            await asyncio.sleep(0.01)
    for client in clients[1:]:
        await client.aclose()


async def test_whoever_is_one_too_many_takes_nothing_from_the_others(small: str) -> None:
    """Connections that were there before are served while others, too many, say nothing; and these are hung up on."""
    async with connected(small) as (reader, writer), AsyncExitStack() as stack:
        await ask(reader, writer)
        idle = [await stack.enter_async_context(connected(small)) for _ in range(4)]
        await until(lambda: len(BoundedHttpProtocol.refused) == 3)
        await ask(reader, writer)

        idle[0][1].close()
        await asyncio.sleep(0.2)
        async with connected(small) as (new_reader, new_writer):
            # The room is for whoever comes, not for those that were refused.
            await ask(new_reader, new_writer)
        assert [await rest_of(one) for one, _ in idle[1:]] == [b""] * 3
        await ask(reader, writer)


async def test_beyond_those_that_are_told_nobody_is_listened_to(small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """To tell somebody takes a connection, too."""
    monkeypatch.setattr(http_protocol, "MAX_REFUSALS", 1)
    async with AsyncExitStack() as stack:
        kept = [await stack.enter_async_context(connected(small)) for _ in range(3)]
        await until(lambda: len(BoundedHttpProtocol.refused) == 1)
        reader, writer = await stack.enter_async_context(connected(small))
        writer.write(REQUEST)
        assert await rest_of(reader) == b""
        kept[2][1].write(REQUEST)
        assert (await rest_of(kept[2][0])).startswith(b"HTTP/1.1 503 ")


@pytest.mark.parametrize("begun", [REQUEST[:-4], REQUEST.replace(b": 0", b": 9") + b"{"], ids=["head", "body"])
async def test_a_request_that_does_not_arrive_is_hung_up_on(small: str, begun: bytes) -> None:
    """Whether it stops in its head or in its body; also the second one of a connection."""
    async with connected(small) as (reader, writer):
        await ask(reader, writer)
        began = asyncio.get_running_loop().time()
        writer.write(begun)
        assert await rest_of(reader) == b""
        assert 1.5 < asyncio.get_running_loop().time() - began < 8


async def test_bytes_that_begin_nothing_hold_no_connection(small: str) -> None:
    """Behind an answered request, and behind one that was answered before all of its body had come."""
    async with connected(small) as (reader, writer), connected(small) as (other_reader, other_writer):
        await ask(reader, writer)
        writer.write(b"\r\n")
        other_writer.write(REQUEST.replace(b": 0", b": 2000000"))
        assert b" 413 " in await other_reader.readline()
        assert await rest_of(reader) == b""
        await rest_of(other_reader)


async def test_slow_requests_have_their_time(small: str) -> None:
    """Each has it for itself: several that take their time are not hung up on, nor is their connection."""
    async with connected(small) as (reader, writer):
        for _ in range(3):
            writer.write(REQUEST[:20])
            await asyncio.sleep(0.9)
            await ask(reader, writer, REQUEST[20:])


async def test_requests_do_not_pile_up_on_a_connection() -> None:
    """A few may wait for the answer to the one before; whoever sends on and on is hung up on."""
    decisions = SlowDecisions()
    async with served(app_of(decisions)) as origin, connected(origin) as (reader, writer):
        writer.write(REQUEST * (http_protocol.MAX_PIPELINED + 1))
        await until(lambda: decisions.waiting == 1)
        decisions.allowed.set()
        await ask(reader, writer, b"")
        for _ in range(http_protocol.MAX_PIPELINED):
            await ask(reader, writer, b"")

        decisions.allowed.clear()
        writer.write(REQUEST * 20)
        answer = await rest_of(reader)
        decisions.allowed.set()
        # The 400 itself is lost where there are bytes that nobody has read.
        assert answer == b"" or b"HTTP/1.1 400 " in answer


async def test_large_bodies_do_not_wait_behind_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody reads them yet, and nobody counts them."""
    monkeypatch.setattr(http_protocol, "MAX_PIPELINED_BODY_BYTES", 100)
    decisions = SlowDecisions()
    large = REQUEST.replace(b": 0", b": 101") + b"x" * 101
    async with served(app_of(decisions)) as origin, connected(origin) as (reader, writer):
        writer.write(REQUEST + large)
        answer = await rest_of(reader)
        decisions.allowed.set()
        # The 400 itself is lost where there are bytes that nobody has read.
        assert answer == b"" or b"HTTP/1.1 400 " in answer


@pytest.mark.parametrize("where", ["in the head", "behind a body"])
async def test_headers_do_not_pile_up(small: str, where: str) -> None:
    """Each costs more memory than it has bytes; those that follow a body count, too."""
    headers = b"".join(b"a%d: b\r\n" % number for number in range(http_protocol.MAX_HEADERS + 2))
    begun = b"POST /v1/billing/webhooks HTTP/1.1\r\n"
    if where == "behind a body":
        begun += b"Host: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
    async with connected(small) as (reader, writer):
        writer.write(begun + headers)
        assert b"HTTP/1.1 400 " in await rest_of(reader)


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes = REQUEST) -> None:
    """Send a request, or the rest of one, and read its answer."""
    writer.write(request)
    async with asyncio.timeout(10):
        assert b" 200 " in await reader.readline()
        await reader.readuntil(b"}")


def test_the_inbox_is_full_before_the_connections_are() -> None:
    """Every delivery that waits has a connection: else the inbox could never be full, and its bound would be none."""
    assert group_commit.MAX_WAITING + group_commit.MAX_BATCH < http_protocol.MAX_CONNECTIONS
