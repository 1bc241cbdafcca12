"""The webhooks' route, which reads its requests itself: what comes in pieces, too late, too large or not at all."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from billing.errors import SignatureInvalid
from billing.events import Delivery, Unhandled
from billing_http import bodies
from billing_http import turns as turns_of_callers
from support.domain_things import delivery
from support.http_world import World

pytestmark = pytest.mark.anyio

PATH = "/v1/billing/webhooks"


@pytest.fixture(autouse=True)
def _an_event_for_nobody(world: World) -> None:
    """Have every body read as an event of no interest."""
    world.reader.answer = delivery("evt_1", Unhandled(reason="nothing for us"))


async def pieces(*parts: bytes) -> AsyncGenerator[bytes]:
    """Send a body in these pieces."""
    for part in parts:
        await asyncio.sleep(0)
        yield part


async def test_a_body_in_pieces_is_put_together(world: World) -> None:
    """Whatever the network cut up arrives as it was sent."""
    answer = await world.client.post(PATH, content=pieces(b'{"id": ', b"", b'"evt_1"}'))
    assert (answer.status_code, answer.json()) == (200, {"outcome": "ignored"})
    assert answer.headers["content-type"] == "application/json"
    assert world.reader.seen == [(None, b'{"id": "evt_1"}')]


async def test_an_empty_body_is_read_as_such(world: World) -> None:
    """It is the reader who refuses it."""
    await world.client.post(PATH)
    assert world.reader.seen == [(None, b"")]


async def test_a_body_that_grows_too_large_is_cut_off(world: World) -> None:
    """One that does not say its length is refused as soon as it is too long, and the rest is not waited for."""
    sent: list[int] = []

    async def endless() -> AsyncGenerator[bytes]:
        while len(sent) < 1000:
            sent.append(1)
            yield b"x" * 65536

    answer = await world.client.post(PATH, content=endless())
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert len(sent) < 20
    assert world.reader.seen == []


async def test_a_body_that_is_declared_too_large_is_not_read(world: World) -> None:
    """Whoever announces more than is taken is refused before the first byte of it."""
    read: list[int] = []

    async def body() -> AsyncGenerator[bytes]:
        read.append(1)
        yield b"{}"

    answer = await world.client.post(PATH, content=body(), headers={"Content-Length": "99999999"})
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert read == []


@pytest.mark.parametrize("declared", ["", "two", "-1", "²", "9" * 5000])
async def test_a_length_that_makes_no_sense_is_not_believed(world: World, declared: str) -> None:
    """What the head says of the body only ever refuses it."""
    headers = [(b"content-length", declared.encode("latin-1"))]
    answer = await world.client.post(PATH, content=pieces(b"{}"), headers=headers)
    assert answer.status_code == 200


async def test_a_body_that_does_not_arrive_is_a_408(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends a head and then nothing does not hold the request for ever."""
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.05)

    async def silence() -> AsyncGenerator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    answer = await world.client.post(PATH, content=silence())
    assert (answer.status_code, answer.json()["code"]) == (408, "body_timeout")
    assert world.reader.seen == []


async def test_a_caller_who_hangs_up_is_not_read(world: World) -> None:
    """Half an event is no event, and a caller who left is nothing to log."""
    messages: list[Any] = [
        {"type": "http.request", "body": b"{", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": PATH,
        "raw_path": PATH.encode(),
        "headers": [],
        "root_path": "",
    }
    app: Any = world.app
    await app({**scope, "query_string": b"", "http_version": "1.1", "scheme": "http"}, receive, send)
    assert sent[0]["status"] == 400
    assert world.reader.seen == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "HEAD"])
async def test_only_post_is_taken(world: World, method: str) -> None:
    """Every other method is told so, and what would be taken."""
    answer = await world.client.request(method, PATH)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("in_pieces", [False, True])
async def test_of_requests_that_come_at_once_each_has_a_turn_of_its_own(
    world: World, monkeypatch: pytest.MonkeyPatch, *, in_pieces: bool
) -> None:
    """So what the database answers meanwhile waits for one of them to be verified and decoded, not for all."""
    monkeypatch.setattr(turns_of_callers, "PACE_SECONDS", 3600.0)
    turns = 0
    read_in: list[int] = []

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def read(*, signature: str | None, body: bytes) -> Delivery:
        read_in.append(turns)
        return delivery(body.decode(), Unhandled(reason="nothing for us"))

    monkeypatch.setattr(world.reader, "read", read)
    counting = asyncio.create_task(count())
    arrived, rest = asyncio.Semaphore(0), asyncio.Event()

    async def held_up(body: bytes) -> AsyncGenerator[bytes]:
        yield body[:4]
        arrived.release()
        await rest.wait()
        yield body[4:]

    sent = [f"evt_{number}".encode() for number in range(8)]
    posted = [
        asyncio.create_task(world.client.post(PATH, content=held_up(body) if in_pieces else body)) for body in sent
    ]
    if in_pieces:
        # The rest of all of them arrives in one turn.
        for _ in posted:
            await arrived.acquire()
        rest.set()
    assert [(await answer).status_code for answer in posted] == [200] * 8
    counting.cancel()
    assert len(set(read_in)) == 8


async def test_large_bodies_cannot_fill_the_memory(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many at a time and no more, also of callers who have not signed yet; events of the usual size get through."""
    monkeypatch.setattr(bodies, "MAX_LARGE_BODIES", 2)
    arrived, rest = asyncio.Semaphore(0), asyncio.Event()

    async def large() -> AsyncGenerator[bytes]:
        yield b"x" * (bodies.LARGE_BYTES + 1)
        arrived.release()
        await rest.wait()
        yield b"x"

    held = [asyncio.create_task(world.client.post(PATH, content=large())) for _ in range(2)]
    for _ in held:
        await arrived.acquire()

    refused = await world.client.post(PATH, content=b"x" * (bodies.LARGE_BYTES + 1))
    assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
    assert refused.headers["retry-after"] == "1"
    assert (await world.client.post(PATH, content=b"x" * bodies.LARGE_BYTES)).status_code == 200

    rest.set()
    assert [(await one).status_code for one in held] == [200, 200]
    for _ in range(3):
        assert (await world.client.post(PATH, content=b"x" * bodies.MAX_WEBHOOK_BYTES)).status_code == 200


async def test_a_large_body_that_is_refused_is_forgotten(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever became of it, it does not count any more."""
    monkeypatch.setattr(bodies, "MAX_LARGE_BODIES", 1)
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.05)

    async def stops() -> AsyncGenerator[bytes]:
        yield b"x" * (bodies.LARGE_BYTES + 1)
        await asyncio.sleep(10)

    for _ in range(2):
        too_large = await world.client.post(PATH, content=pieces(*[b"x" * 65536] * 17))
        assert too_large.status_code == 413
        assert (await world.client.post(PATH, content=stops())).status_code == 408
    world.reader.answer = SignatureInvalid("no signature in it matches the body")
    assert (await world.client.post(PATH, content=b"x" * (bodies.LARGE_BYTES + 1))).status_code == 400
    world.reader.answer = delivery("evt_1", Unhandled(reason="nothing for us"))
    assert (await world.client.post(PATH, content=b"x" * (bodies.LARGE_BYTES + 1))).status_code == 200
