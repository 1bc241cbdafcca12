"""An HTTP server that answers what a test tells it to, for what no well-behaved stand-in would say."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedAnswer:
    """One answer, sent as it stands."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRequest:
    """One request as it came in; the names of headers are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: str


@dataclass(slots=True)
class ScriptedServer:
    """Answers requests in turn, and the last answer to all that follow."""

    answers: Sequence[ScriptedAnswer]
    seen: list[SeenRequest] = field(default_factory=list[SeenRequest])
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request on a connection, answer it and hang up."""
        request = await _read(reader)
        self.seen.append(request)
        answer = self.answers[min(len(self.seen), len(self.answers)) - 1]
        head = {"Content-Length": str(len(answer.body)), "Connection": "close", **answer.headers}
        lines = [f"HTTP/1.1 {answer.status} Scripted", *(f"{name}: {value}" for name, value in head.items()), "", ""]
        writer.write("\r\n".join(lines).encode() + answer.body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


async def _read(reader: asyncio.StreamReader) -> SeenRequest:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return SeenRequest(method=method, target=target, headers=headers, body=body.decode())


@asynccontextmanager
async def scripted_server(*answers: ScriptedAnswer) -> AsyncGenerator[ScriptedServer]:
    """Serve answers on a free port of 127.0.0.1."""
    scripted = ScriptedServer(answers)
    server = await asyncio.start_server(scripted.serve, "127.0.0.1", 0)
    scripted.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield scripted
