"""A run counts only if the database holds what was acknowledged, and the server answers what the database holds."""

import json
import sqlite3
import threading
from collections.abc import Generator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from benchmarks.checks import AcknowledgedIsMissing, AnswerIsWrong, check, check_reads
from benchmarks.corpus import BEGIN, account_of, event_id, period_end, subscription_id
from benchmarks.databases import Sqlite

ACCOUNTS = 3
HELD = {
    "plan": "pro",
    "status": "active",
    # BEGIN and PERIOD of the corpus, as the API has times.
    "current_period_end": "2099-01-17T20:53:20Z",
    "cancel_at_period_end": False,
}


@pytest.fixture
def databases(tmp_path: Path) -> Sqlite:
    """SQLite files, of which `a` is a copy of one with three accounts."""
    databases = Sqlite(tmp_path)
    databases.prepare(ACCOUNTS)
    databases.copy(ACCOUNTS, "a")
    return databases


@contextmanager
def answering(status: int, answer: object) -> Generator[int]:
    """Serve an answer to whatever is asked; the port is that of the server."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer."""
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_right_answers_pass(databases: Sqlite) -> None:
    """What the database holds is what was answered."""
    with answering(200, HELD) as port:
        check_reads(databases, "a", accounts=ACCOUNTS, port=port)


@pytest.mark.parametrize(
    "wrong",
    [
        {"plan": "free"},
        {"status": "past_due"},
        {"current_period_end": "2099-01-17T20:53:21Z"},
        {"current_period_end": None},
        {"cancel_at_period_end": True},
    ],
)
def test_a_wrong_answer_is_found(databases: Sqlite, wrong: dict[str, object]) -> None:
    """Whatever is wrong of it."""
    with answering(200, {**HELD, **wrong}) as port, pytest.raises(AnswerIsWrong, match="was answered"):
        check_reads(databases, "a", accounts=ACCOUNTS, port=port)


def test_a_refusal_is_a_wrong_answer(databases: Sqlite) -> None:
    """It is shown."""
    with answering(401, {"error": "no"}) as port, pytest.raises(AnswerIsWrong, match="401 for acct_"):
        check_reads(databases, "a", accounts=ACCOUNTS, port=port)


def test_what_was_acknowledged_must_be_there(databases: Sqlite, tmp_path: Path) -> None:
    """The event, and what it says of the subscription and of the standing."""
    check(databases, "a", accounts=ACCOUNTS, least=0, most=0)
    with pytest.raises(AcknowledgedIsMissing, match="1 events were acknowledged, 0 are stored"):
        check(databases, "a", accounts=ACCOUNTS, least=1, most=1)

    insert = "INSERT INTO events (id, type, created, received_at, outcome, payload) VALUES (?, ?, ?, ?, 'applied', x'')"
    execute(tmp_path / "a.db", insert, event_id(1), "customer.subscription.updated", BEGIN + 1, BEGIN + 1)
    with pytest.raises(AcknowledgedIsMissing, match="rows are not as the events say"):
        check(databases, "a", accounts=ACCOUNTS, least=1, most=1)

    subscription = subscription_id(account_of(1, ACCOUNTS))
    update = "UPDATE subscriptions SET period_end = ?, as_of = ? WHERE id = ?"
    execute(tmp_path / "a.db", update, period_end(1), BEGIN + 1, subscription)
    with pytest.raises(AcknowledgedIsMissing, match="rows are not as the events say"):
        check(databases, "a", accounts=ACCOUNTS, least=1, most=1)

    update = "UPDATE accounts SET current_period_end = ? WHERE id = (SELECT account_id FROM subscriptions WHERE id = ?)"
    execute(tmp_path / "a.db", update, period_end(1), subscription)
    check(databases, "a", accounts=ACCOUNTS, least=1, most=1)


def execute(path: Path, statement: str, *values: object) -> None:
    """Write."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, values)
