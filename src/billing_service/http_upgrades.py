"""Requests that offer to go on in another protocol are answered in this one.

Java's own HTTP client, among others, offers HTTP/2 with the first request of each connection over plain http. A server
may ignore that (RFC 9110, 7.8). The parser that uvicorn uses cannot: to it HTTP ends with such a head, so that the
request's body, and whatever the connection brings after it, would be lost.
"""

from typing import Protocol

import httptools


class Caller(Protocol):
    """Who is told what is parsed, and keeps the parser."""

    parser: httptools.HttpRequestParser
    url: bytes
    """The target of the head that is being told, and its headers, with names in lower case."""
    headers: list[tuple[bytes, bytes]]


class ParserWithoutUpgrades(httptools.HttpRequestParser):
    """A parser that reads on after an offer as if there had been none.

    It tells of such a request twice: until its head is complete, and then again, from the beginning, without the offer.
    The first time it says of itself that it `should_upgrade`, and nothing is to be done when the head is complete, nor
    when it tells of the end. The second time another parser does the telling, which has taken its place.
    """

    def __init__(self, caller: Caller) -> None:
        """Tell `caller`, whose parser this is."""
        super().__init__(caller)
        # As uvicorn has it: a client may send more after what it called its last request.
        self.set_dangerous_leniencies(lenient_data_after_close=True)
        self._caller = caller

    # httptools takes views, too; uvicorn hands it bytes.
    def feed_data(self, data: bytes) -> None:  # type: ignore[override]
        """Parse. Raises `httptools.HttpParserError` for what is no HTTP, or asks for a tunnel."""
        try:
            super().feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            (end_of_head,) = offer.args
        else:
            return
        if self.get_method() == b"CONNECT":
            # This one has no offer that could be left out.
            raise httptools.HttpParserError("a tunnel")
        self._caller.parser = ParserWithoutUpgrades(self._caller)
        self._caller.parser.feed_data(self._head_without_offer() + data[end_of_head:])

    def _head_without_offer(self) -> bytes:
        lines = [b"%b %b HTTP/%b" % (self.get_method(), self._caller.url, self.get_http_version().encode())]
        lines += [b"%b: %b" % header for header in self._caller.headers if header[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])
