"""A load generator for machines without wrk, and for corpora that must be sent to their end.

`python -m benchmarks.generator --port 8000 --connections 64 --seconds 2 requests.corpus`: each connection sends its
next request when it has its answer; what is in flight in the end is waited for.
"""

import asyncio
import json
import re
import struct
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import click
import uvloop

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_OUTCOME = re.compile(rb'"outcome":"(\w+)"')


def requests_of(path: Path) -> Iterator[bytes]:
    """Read a corpus."""
    content = path.read_bytes()
    at = 0
    while at < len(content):
        (length,) = struct.unpack_from("<I", content, at)
        yield content[at + 4 : at + 4 + length]
        at += 4 + length


class Tally:
    """What was sent and answered."""

    def __init__(self, requests: list[bytes], *, seconds: float) -> None:
        """Send these, for so long."""
        self.requests = iter(requests)
        self.ends_at = time.perf_counter() + seconds
        self.statuses: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.latencies: list[float] = []
        self.failures = 0

    def next_request(self) -> bytes | None:
        """Answer what to send next; `None`: it is over."""
        return next(self.requests, None) if time.perf_counter() < self.ends_at else None


class Connection(asyncio.Protocol):
    """One connection."""

    def __init__(self, tally: Tally) -> None:
        """Count in `tally`."""
        self._tally = tally
        self._received = b""
        self._sent_at = 0.0
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # uvloop's transports are transports in all but their class.
        self._transport = cast("asyncio.Transport", transport)
        self._send_next()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - as asyncio asks
        """Note a connection that the server closed."""
        if not self.over.done():
            self._tally.failures += 1
            self.over.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Take an answer when it is complete."""
        self._received += data
        head_end = self._received.find(b"\r\n\r\n")
        if head_end < 0:
            return
        length = _LENGTH.search(self._received, 0, head_end)
        if len(self._received) < head_end + 4 + int(length[1] if length else 0):
            return
        tally = self._tally
        tally.latencies.append(time.perf_counter() - self._sent_at)
        tally.statuses[self._received[9:12].decode()] += 1
        if outcome := _OUTCOME.search(self._received, head_end):
            tally.outcomes[outcome[1].decode()] += 1
        self._received = b""
        self._send_next()

    def _send_next(self) -> None:
        request = self._tally.next_request()
        if request is None:
            if not self.over.done():
                self.over.set_result(None)
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)


async def _send(port: int, connections: int, seconds: float, requests: list[bytes]) -> dict[str, object]:
    began = time.perf_counter()
    tally = Tally(requests, seconds=seconds)
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(lambda: Connection(tally), "127.0.0.1", port) for _ in range(connections)]
    await asyncio.gather(*(protocol.over for _, protocol in made))
    latencies = sorted(tally.latencies) or [0.0]
    return {
        "seconds": time.perf_counter() - began,
        "statuses": tally.statuses,
        "outcomes": tally.outcomes,
        "failures": tally.failures,
        "p50_ms": latencies[len(latencies) // 2] * 1000,
        "p99_ms": latencies[min(len(latencies) - 1, len(latencies) * 99 // 100)] * 1000,
    }


@click.command()
@click.option("--port", type=int, required=True)
@click.option("--connections", type=int, required=True)
@click.option("--seconds", type=float, required=True)
@click.argument("corpus", type=click.Path(path_type=Path))
def main(port: int, connections: int, seconds: float, corpus: Path) -> None:
    """Send a corpus, and write one line of JSON."""
    requests = list(requests_of(corpus))
    click.echo(json.dumps(uvloop.run(_send(port, connections, seconds, requests))))


if __name__ == "__main__":
    main()
