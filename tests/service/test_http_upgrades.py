"""A request that offers another protocol is answered in this one, and so is what follows it."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest
from litestar.types import Receive, Send

from support.uvicorn_server import Streams, connected, rest_of, served

pytestmark = pytest.mark.anyio

# What Java's own client sends.
OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk\r\n"
HOST = b"Host: billing.internal\r\n"
PLAIN = b"POST /plain?a=1 HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nplain"
WITH_LENGTH = b"POST /offer?a=1 HTTP/1.1\r\n" + HOST + OFFER + b"Content-Length: 5\r\n\r\noffer"
CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n5\r\noffer\r\n0\r\n\r\n"
IN_CHUNKS = b"POST /offer?a=1 HTTP/1.1\r\n" + HOST + OFFER + CHUNKS
WITHOUT_BODY = b"GET /offer?a=1 HTTP/1.1\r\n" + HOST + OFFER + b"\r\n"


@pytest.fixture
def anyio_backend() -> str:
    """The service runs on asyncio."""
    return "asyncio"


async def _echo(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer with what was asked."""
    body = b""
    more = True
    while more:
        message: Any = await receive()
        body += message["body"]
        more = message["more_body"]
    names = b" ".join(sorted(name for name, _ in scope["headers"]))
    asked = scope["method"].encode() + b" " + scope["raw_path"] + b"?" + scope["query_string"]
    line = b"%b [%b] %b\n" % (asked, names, body)
    head = [(b"content-length", str(len(line)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": line, "more_body": False})


@pytest.fixture
async def streams() -> AsyncGenerator[Streams]:
    """A connection to the echo."""
    async with served(_echo) as origin, connected(origin) as streams:
        yield streams


async def answers(reader: asyncio.StreamReader, count: int) -> list[bytes]:
    """Read so many of the echo's lines."""
    lines: list[bytes] = []
    async with asyncio.timeout(10):
        for _ in range(count):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            lines.append(await reader.readline())
    return lines


ECHO_OF_PLAIN = b"POST /plain?a=1 [content-length host] plain\n"
ECHOES = [
    (WITH_LENGTH, b"POST /offer?a=1 [connection content-length host http2-settings] offer\n"),
    (IN_CHUNKS, b"POST /offer?a=1 [connection host http2-settings transfer-encoding] offer\n"),
    (WITHOUT_BODY, b"GET /offer?a=1 [connection host http2-settings] \n"),
]


@pytest.mark.parametrize(("offer", "echo"), ECHOES, ids=["with a length", "in chunks", "without a body"])
@pytest.mark.parametrize("size", [1, 50, 10_000], ids=["byte by byte", "in pieces", "at once"])
async def test_an_offer_is_answered_as_if_there_were_none(
    streams: Streams, offer: bytes, echo: bytes, size: int
) -> None:
    """However it arrives, with its body, once; and so is what comes behind it, with and without an offer."""
    reader, writer = streams
    said = PLAIN + offer + offer + PLAIN
    for begin in range(0, len(said), size):
        writer.write(said[begin : begin + size])
        await asyncio.sleep(0)

    assert await answers(reader, 4) == [ECHO_OF_PLAIN, echo, echo, ECHO_OF_PLAIN]

    writer.write(offer)
    assert await answers(reader, 1) == [echo]


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_an_offer_has_the_version_it_had(streams: Streams, version: bytes) -> None:
    """An older client's connection is closed behind the answer."""
    reader, writer = streams
    writer.write(WITHOUT_BODY.replace(b"1.1", version))
    (line,) = await answers(reader, 1)
    assert line.startswith(b"GET /offer?a=1 ")
    async with asyncio.timeout(10):
        if version == b"1.0":
            assert await rest_of(reader) == b""
        else:
            writer.write(PLAIN)
            assert await answers(reader, 1) == [ECHO_OF_PLAIN]


@pytest.mark.parametrize(
    "said",
    [[b"CONNECT billing.internal:80 HTTP/1.1\r\n" + HOST + b"\r\n"], [WITHOUT_BODY] * 50],
    ids=["a tunnel", "too many offers"],
)
async def test_what_is_not_taken_is_refused(streams: Streams, said: Sequence[bytes]) -> None:
    """Nobody gets a tunnel, and offers do not pile up any more than other requests."""
    reader, writer = streams
    writer.write(b"".join(said))
    assert b"HTTP/1.1 400 " in await rest_of(reader)
