"""Answers are written in one piece, and nothing of them is lost or late."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from billing_service.http_writes import WholeAnswers
from support.uvicorn_server import connected, origin_of, served, serving

pytestmark = pytest.mark.anyio

HEAD, BODY = b"HTTP/1.1 200 OK\r\n\r\n", b"{}"
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Wire(asyncio.Transport):
    """A transport that keeps what is written, call by call."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.is_closed = False

    def write(self, data: Any) -> None:
        assert not self.is_closed
        self.written.append(bytes(data))

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """Run on the event loop of the service, whose transports are special."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
def wire() -> Wire:
    """What goes out."""
    return Wire()


@pytest.fixture
async def answers(wire: Wire) -> WholeAnswers:
    """The transport that is tested, on that wire."""
    return WholeAnswers(wire, asyncio.get_running_loop())


async def test_head_and_body_are_one_write(answers: WholeAnswers, wire: Wire) -> None:
    """However often the server calls, the kernel is called once for an answer."""
    answers.write(HEAD)
    answers.write(BODY)
    await asyncio.sleep(0)

    assert wire.written == [HEAD + BODY]


async def test_a_head_does_not_wait_for_a_slow_body(answers: WholeAnswers, wire: Wire) -> None:
    """What is written in a later turn of the loop is a write of its own."""
    answers.write(HEAD)
    await asyncio.sleep(0)
    assert wire.written == [HEAD]

    answers.write(BODY)
    assert wire.written == [HEAD, BODY]


async def test_answers_keep_their_order(answers: WholeAnswers, wire: Wire) -> None:
    """Also where a caller has sent several requests at once, and one of the answers has no body."""
    for part in (HEAD, HEAD, BODY, HEAD, BODY):
        answers.write(part)
    await asyncio.sleep(0)

    assert b"".join(wire.written) == HEAD + HEAD + BODY + HEAD + BODY


async def test_a_close_sends_what_was_held_back(answers: WholeAnswers, wire: Wire) -> None:
    """An application that fails after the head is cut off behind it, not before."""
    answers.write(HEAD)
    answers.close()
    await asyncio.sleep(0)

    assert wire.written == [HEAD]
    assert wire.is_closed


async def test_after_an_abort_nothing_is_sent(answers: WholeAnswers, wire: Wire) -> None:
    """What was held back is lost, and the closed connection is left alone."""
    answers.write(HEAD)
    answers.abort()
    await asyncio.sleep(0)

    assert wire.written == []


async def test_to_a_caller_who_is_gone_nothing_is_written(answers: WholeAnswers, wire: Wire) -> None:
    """Neither a head, nor a body, nor a head that was held back: the connection would raise."""
    answers.write(HEAD)
    answers.abort()
    for part in (BODY, HEAD, BODY):
        answers.write(part)
    await asyncio.sleep(0)

    assert wire.written == []


async def _slow(scope: dict[str, Any], _: object, send: Send) -> None:
    """Answer, at `/slow` with half a second between head and body."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    if scope["path"] == "/slow":
        await asyncio.sleep(0.5)
    await send({"type": "http.response.body", "body": BODY})


async def test_a_client_gets_whole_answers_from_the_real_server() -> None:
    """Quick, slow and pipelined requests on one connection are answered in order, the slow one's head at once."""
    async with serving(_slow) as server, connected(origin_of(server)) as (reader, writer):
        writer.write(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        began = asyncio.get_running_loop().time()
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        assert asyncio.get_running_loop().time() - began < 0.4
        assert await reader.readexactly(2) == BODY
        assert [type(one.transport) for one in server.server_state.connections] == [WholeAnswers]

        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 3 + b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        for _ in range(3):
            assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(2) == BODY
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")


@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_who_has_no_more_to_say_is_answered(method: str) -> None:
    """A caller that closes its side behind a request still gets the answer, also one that is a head alone."""
    async with served(_slow) as origin, connected(origin) as (reader, writer):
        writer.write(f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        writer.write_eof()
        async with asyncio.timeout(10):
            assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")
