"""What the composition root connects, where a wrong wire would only make things slower."""

from pathlib import Path

import pytest

from billing_service.container import Container
from billing_service.settings import read_settings
from billing_sql import SqlDatabase
from support.service import settings_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """The service runs on asyncio."""
    return "asyncio"


async def test_a_reread_that_an_event_asks_for_is_looked_at_now(tmp_path: Path) -> None:
    """Not a second later, when the worker of the same process would look by itself."""
    url = f"sqlite:///{tmp_path}/billing.db"
    await SqlDatabase.migrate(url)
    database = await SqlDatabase.open(url)
    try:
        container = Container(settings=read_settings(settings_of(url, "http://127.0.0.1:9")), database=database)
        wake = container.reread_worker().wake
        assert container.decide_events().on_reread == wake
        await container.gateway().close()
    finally:
        await database.close()
