"""More than can be kept in memory: refused with a 503 that says when to come again, and nothing else suffers."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn
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

    async def execute(self, deliveries: Sequence[Delivery]) -> list[Outcome | BillingError]:
        """Answer, later."""
        await self.allowed.wait()
        return [Outcome.IGNORED for _ in deliveries]


def app_of(decisions: SlowDecisions) -> ASGIApp:
    """The webhooks' route before an inbox of two."""
    store = MemoryStore()
    decide: Any = decisions
    reader = ScriptedReader()
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


@asynccontextmanager
async def served(app: ASGIApp, protocol: type[BoundedHttpProtocol]) -> AsyncGenerator[str]:
    """Serve it by the protocol of `billing serve`; answer its origin."""
    application: Any = app
    config = uvicorn.Config(application, port=0, http=protocol, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn sets nothing that could be waited for
        await asyncio.sleep(0.01)
    try:
        host, port = server.servers[0].sockets[0].getsockname()
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        await task


def assert_asks_to_come_again(answer: httpx.Response) -> None:
    """It is our own 503, with all that it must have."""
    assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["x-request-id"]


async def test_what_the_inbox_cannot_hold_is_asked_to_come_again() -> None:
    """One delivery is being committed, two wait, the fourth is refused; then all goes on as before."""
    decisions = SlowDecisions()
    async with served(app_of(decisions), BoundedHttpProtocol) as origin, httpx.AsyncClient(base_url=origin) as client:
        held = [asyncio.create_task(client.post(PATH))]
        await asyncio.sleep(0.2)
        held += [asyncio.create_task(client.post(PATH)) for _ in range(2)]
        await asyncio.sleep(0.2)
        assert_asks_to_come_again(await client.post(PATH))

        decisions.allowed.set()
        assert [(await one).status_code for one in held] == [200, 200, 200]
        assert (await client.post(PATH)).status_code == 200


async def test_one_connection_too_many_is_asked_to_come_again() -> None:
    """It is answered in our words and closed; the others keep theirs, and there is room again when one goes."""

    class Two(BoundedHttpProtocol):
        max_connections = 2

    decisions = SlowDecisions()
    decisions.allowed.set()
    async with served(app_of(decisions), Two) as origin:
        clients = [httpx.AsyncClient(base_url=origin) for _ in range(3)]
        assert [(await client.post(PATH)).status_code for client in clients[:2]] == [200, 200]
        refused = await clients[2].post(PATH)
        assert_asks_to_come_again(refused)
        assert refused.headers["connection"] == "close"
        assert (await clients[0].post(PATH)).status_code == 200

        await clients[0].aclose()
        await asyncio.sleep(0.2)
        assert (await clients[2].post(PATH)).status_code == 200
        for client in clients[1:]:
            await client.aclose()


def test_the_inbox_is_full_before_the_connections_are() -> None:
    """Every delivery that waits has a connection: else the inbox could never be full, and its bound would be none."""
    assert group_commit.MAX_WAITING + group_commit.MAX_BATCH < http_protocol.MAX_CONNECTIONS
