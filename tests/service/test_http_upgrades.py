"""A request that offers another protocol is answered in this one, and so is what follows it."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from typing import Any

import httptools
import pytest
from litestar.types import Receive, Send

from billing_service.http_protocol import MAX_HEADERS, BoundedHttpProtocol
from billing_service.http_upgrades import ParserWithoutUpgrades
from support.uvicorn_server import connected, rest_of, served

pytestmark = pytest.mark.anyio

# What Java's own client sends.
OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk\r\n"
BEGIN = b"POST /offer?a=1 HTTP/1.1\r\nHost: billing.internal\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n5\r\noffer\r\n0\r\n"
ODD = b"a:b\r\nA:  c \r\nEmpty:\r\nLatin: \xe4\r\nUPGRADE: foo/2\r\n"
WITH_LENGTH = BEGIN + OFFER + b"Content-Length: 5\r\n\r\noffer"
WITHOUT_BODY = b"GET /offer?a=1 HTTP/1.1\r\n" + OFFER + b"\r\n"
REQUESTS = {
    "with a length": WITH_LENGTH,
    "in chunks": BEGIN + OFFER + CHUNKED + b"\r\n",
    "with trailers": BEGIN + OFFER + CHUNKED + b"Trailer: a\r\n\r\n",
    "without a body": WITHOUT_BODY,
    "in full": b"GET http://billing.internal/offer?a=%C3%A4 HTTP/1.1\r\n" + OFFER + b"\r\n",
    "that waits to be told to go on": BEGIN + b"Expect: 100-continue\r\n" + OFFER + b"Content-Length: 5\r\n\r\noffer",
    "of a websocket": BEGIN + b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\noffer",
    "in odd words": BEGIN + ODD + OFFER + b"Content-Length: 5\r\n\r\noffer",
}
LAST_REQUESTS = {
    "of an old client": BEGIN.replace(b"1.1", b"1.0") + OFFER + b"Content-Length: 5\r\n\r\noffer",
    "that is the last": BEGIN + b"Connection: close, upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\noffer",
}
LAST = b"PUT /last HTTP/1.1\r\nConnection: close\r\nContent-Length: 4\r\n\r\nlast"
SAID = {
    **{name: WITH_LENGTH + request + request + LAST for name, request in REQUESTS.items()},
    **{name: WITH_LENGTH + request for name, request in LAST_REQUESTS.items()},
}


@pytest.fixture
def anyio_backend() -> str:
    """The service runs on asyncio."""
    return "asyncio"


async def _echo(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer with all that was asked."""
    body = b""
    more = True
    while more:
        message: Any = await receive()
        if message["type"] != "http.request":
            return
        body += message["body"]
        more = message["more_body"]
    target = (scope["raw_path"] + b"?" + scope["query_string"]).decode()
    headers = [(name.decode(), value.decode("latin-1")) for name, value in scope["headers"]]
    asked = json.dumps([scope["method"], target, scope["http_version"], headers, body.decode()]).encode()
    head = [(b"content-length", str(len(asked)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": asked, "more_body": False})


@pytest.fixture
async def echo() -> AsyncGenerator[str]:
    """The origin of the echo."""
    async with served(_echo) as origin:
        yield origin


async def answers(origin: str, said: bytes, *, size: int = 100_000) -> bytes:
    """Say it in pieces; read until the connection is closed. Answers have no date."""
    async with connected(origin) as (reader, writer):
        for begin in range(0, len(said), size):
            writer.write(said[begin : begin + size])
            await asyncio.sleep(0)
        return re.sub(rb"date: .*\r\n", b"", await rest_of(reader))


@pytest.mark.parametrize("said", SAID.values(), ids=SAID.keys())
@pytest.mark.parametrize("size", [1, 50, 100_000], ids=["byte by byte", "in pieces", "at once"])
async def test_an_offer_is_answered_as_if_there_were_none(echo: str, said: bytes, size: int) -> None:
    """However it arrives: with its head and body as they were, once; and so is what comes before and behind it."""
    without = re.sub(rb"(?i)upgrade: .*\r\n", b"", said)
    assert without.count(b"\r\n") < said.count(b"\r\n") - 1

    answer = await answers(echo, said, size=size)

    assert answer == await answers(echo, without)
    assert b'"offer"]' in answer
    assert answer.count(b"HTTP/1.1 200 ") >= 2


@pytest.mark.parametrize("offer", [b"Connection: close", b"Connection: close, upgrade\r\nUpgrade: h2c"])
async def test_what_follows_a_last_request_takes_nothing_from_it(echo: str, offer: bytes) -> None:
    """With an offer and without, the answer comes before the connection is closed."""
    answer = await answers(echo, b"GET / HTTP/1.1\r\n" + offer + b"\r\n\r\n" + LAST)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(("headers", "status"), [(MAX_HEADERS, b"200"), (MAX_HEADERS + 1, b"400")])
async def test_the_headers_of_an_offer_are_counted_once(echo: str, headers: int, status: bytes) -> None:
    """It may have as many as any other request."""
    begin = b"GET / HTTP/1.1\r\nConnection: close, upgrade\r\nUpgrade: h2c\r\n"
    more = b"".join(b"a%d: b\r\n" % number for number in range(headers - 2))
    assert (await answers(echo, begin + more + b"\r\n")).startswith(b"HTTP/1.1 " + status)


async def test_offers_do_not_pile_up(echo: str) -> None:
    """Any more than other requests."""
    assert b"HTTP/1.1 400 " in await answers(echo, WITHOUT_BODY * 50)


async def test_nobody_gets_a_tunnel(echo: str) -> None:
    """The application does not hear of who asks for one."""
    answer = await answers(echo, b"CONNECT billing.internal:80 HTTP/1.1\r\nHost: billing.internal\r\n\r\n" + LAST)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


class Told:
    """Who is told what is parsed."""

    def __init__(self) -> None:
        self.parser: httptools.HttpRequestParser = ParserWithoutUpgrades(self)
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.heads = 0

    def on_headers_complete(self) -> None:
        """Count."""
        self.heads += 1


async def test_a_tunnel_is_told_of_once() -> None:
    """It has nothing that could be left out."""
    told = Told()
    with pytest.raises(httptools.HttpParserError, match="tunnel"):
        told.parser.feed_data(b"CONNECT billing.internal:80 HTTP/1.1\r\n\r\n")
    assert told.heads == 1


class Impatient(BoundedHttpProtocol):
    """Waits for two seconds."""

    message_seconds = 2.0


async def test_an_offer_has_the_time_of_any_other_request() -> None:
    """From its first byte, though it is told of twice."""

    async def seconds(head: bytes) -> float:
        async with connected(origin) as (reader, writer):
            began = asyncio.get_running_loop().time()
            writer.write(head[:-2])
            await asyncio.sleep(1.5)
            writer.write(head[-2:])
            assert await rest_of(reader) == b""
            return asyncio.get_running_loop().time() - began

    async with served(_echo, Impatient) as origin:
        head = BEGIN + b"Content-Length: 5\r\n"
        of_offer, of_other = await asyncio.gather(seconds(head + OFFER + b"\r\n"), seconds(head + b"\r\n"))
    assert min(of_offer, of_other) >= Impatient.message_seconds
    assert abs(of_offer - of_other) < 0.75
