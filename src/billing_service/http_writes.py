"""How answers are written to their connections: each in one piece.

uvicorn writes an answer's head and its body one after the other, and uvloop makes a call to the kernel of each, a
packet of each. For answers of some hundred bytes that is a good part of what they cost, here and at the caller's.
"""

import asyncio
from typing import Any

_HEAD = b"HTTP/"


class WholeAnswers(asyncio.Transport):
    """A transport that holds an answer's head back until its body follows, or the event loop has nothing else to do.

    It has what uvicorn asks of a transport.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        """Write to `transport`."""
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._head: bytes | None = None

    def write(self, data: Any) -> None:
        """Write, with the head that was held back. To a caller who is gone nothing is written: uvloop would raise."""
        if self._transport.is_closing():
            self._head = None
            return
        head = self._head
        if head is not None:
            self._head = None
            self._transport.write(head + data)
        elif data.startswith(_HEAD):
            self._head = data
            # Whoever makes the body may take long over it.
            self._loop.call_soon(self.flush)
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """Send what is held back."""
        head, self._head = self._head, None
        if head is not None and not self._transport.is_closing():
            self._transport.write(head)

    def close(self) -> None:
        """Close, after what was written is on its way."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """Close at once; what was not sent is lost."""
        self._transport.abort()

    def is_closing(self) -> bool:
        """Whether it is closed or being closed."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Answer what is known of the connection."""
        return self._transport.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hand what arrives to another protocol."""
        self._transport.set_protocol(protocol)

    def pause_reading(self) -> None:
        """Let the caller wait."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self._transport.resume_reading()
