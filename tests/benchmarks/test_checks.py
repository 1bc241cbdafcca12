"""A run counts only if the database holds what was acknowledged, and the server answers what the database holds."""

import json
import sqlite3
import threading
from collections.abc import Generator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from benchmarks.checks import AcknowledgedIsMissing, AnswerIsWrong, check, check_reads
from benchmarks.corpus import BEGIN, account_id, account_of, api_key, event_id, period_end, subscription_id
from benchmarks.databases import Kind, Sqlite
from benchmarks.measuring import Place, arena
from benchmarks.processes import Target

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


class Handler(BaseHTTPRequestHandler):
    """Answers a status read by its API key."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        assert isinstance(self.server, Answering)
        asked = (self.path, self.headers["Authorization"])
        self.server.asked.append(asked)
        status, answer = self.server.answers.get(asked, (401, b"unknown"))
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""


class Answering(ThreadingHTTPServer):
    """A server that says of every account that it is as it was made, unless it is told otherwise."""

    def __init__(self) -> None:
        """Listen."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[tuple[str, str], tuple[int, bytes]] = {}
        self.asked: list[tuple[str, str]] = []
        for account in range(ACCOUNTS):
            self.answer(account)

    def answer(self, account: int, **changes: object) -> None:
        """Answer so of one account."""
        self.answers["/v1/billing", f"Bearer {api_key(account)}"] = (200, json.dumps({**HELD, **changes}).encode())


@pytest.fixture
def server() -> Generator[Answering]:
    """Serve in a thread."""
    with Answering() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def check_answers(databases: Sqlite, server: Answering, *, events: int = ACCOUNTS) -> None:
    """Check what the server says of the accounts of some events."""
    check_reads(databases, "a", accounts=ACCOUNTS, events=events, port=server.server_port)


def test_right_answers_pass(databases: Sqlite, server: Answering) -> None:
    """What the database holds is what was answered, of each account."""
    check_answers(databases, server)
    assert sorted(server.asked) == sorted(server.answers)


@pytest.mark.parametrize(
    "wrong",
    [
        {"plan": "free"},
        {"status": "past_due"},
        {"current_period_end": "2099-01-17T20:53:21Z"},
        {"current_period_end": None},
        {"cancel_at_period_end": True},
        {"cancel_at_period_end": None},
    ],
)
def test_a_wrong_answer_is_found(databases: Sqlite, server: Answering, wrong: dict[str, object]) -> None:
    """Whatever is wrong of it, if it is of one account alone."""
    server.answer(2, **wrong)
    with pytest.raises(AnswerIsWrong, match=f"{account_id(2)} holds .* was answered"):
        check_answers(databases, server)


def test_answers_of_the_accounts_of_late_events_are_checked(databases: Sqlite, server: Answering) -> None:
    """What is asked for is spread over all events: a wrong answer about the last one's account is found."""
    databases.prepare(accounts := 1_000)
    databases.copy(accounts, "many")
    for account in range(accounts):
        server.answer(account)
    server.answer(account_of(991, accounts), plan="free")
    with pytest.raises(AnswerIsWrong, match="was answered"):
        check_reads(databases, "many", accounts=accounts, events=1_000, port=server.server_port)


def test_the_account_of_an_answer_must_be_there(databases: Sqlite, server: Answering, tmp_path: Path) -> None:
    """To answer of an account that is not held is wrong."""
    execute(tmp_path / "a.db", "DELETE FROM api_keys")
    execute(tmp_path / "a.db", "DELETE FROM subscriptions")
    execute(tmp_path / "a.db", "DELETE FROM customers")
    execute(tmp_path / "a.db", "DELETE FROM accounts WHERE id = ?", account_id(1))
    with pytest.raises(AnswerIsWrong, match=f"{account_id(1)} holds None"):
        check_answers(databases, server)


@pytest.mark.parametrize("answered", ["active", "past_due"])
def test_what_changes_meanwhile_may_be_answered_either_way(
    databases: Sqlite, server: Answering, tmp_path: Path, answered: str
) -> None:
    """The last events of a run may still be on their way: what was held before is right, and what is held after."""

    class Changing(Sqlite):
        def query(self, name: str, statement: str) -> list[tuple[Any, ...]]:
            """Change an account after the first look."""
            rows = super().query(name, statement)
            execute(tmp_path / "a.db", "UPDATE accounts SET status = 'past_due' WHERE id = ?", account_id(2))
            return rows

    server.answer(2, status=answered)
    check_answers(Changing(tmp_path), server)


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (401, b"no", "401 for acct_.*: no"),
        (200, b"{}", "acct_.*: {} was answered: .*missing"),
        (200, b"no", "no was answered"),
    ],
)
def test_what_is_no_status_is_wrong(
    databases: Sqlite, server: Answering, status: int, answer: bytes, said: str
) -> None:
    """A refusal, another shape, or no JSON: it is shown."""
    server.answers = dict.fromkeys(server.answers, (status, answer))
    with pytest.raises(AnswerIsWrong, match=said):
        check_answers(databases, server)


@pytest.mark.parametrize("wrong", ["plan_tier", "events"])
def test_a_run_ends_with_the_checks(tmp_path: Path, wrong: str) -> None:
    """Of a server that was measured: what it answers, and what its database holds."""

    class Wrong(Sqlite):
        def query(self, name: str, statement: str) -> list[tuple[Any, ...]]:
            """Answer nothing of what is wrong."""
            return [] if wrong in statement else super().query(name, statement)

    place = Place(kind=Kind.SQLITE, accounts=ACCOUNTS, workers=1)
    failure = {"plan_tier": AnswerIsWrong, "events": AcknowledgedIsMissing}[wrong]
    with (
        pytest.raises(failure),
        arena(Wrong(tmp_path), place, [Target.FLOOR], folder=tmp_path, seconds=1, told=lambda _: None) as ring,
    ):
        ring.warm_up()


def test_what_was_acknowledged_must_be_there(databases: Sqlite, tmp_path: Path) -> None:
    """The event, and what it says of the subscription and of the standing."""
    check(databases, "a", accounts=ACCOUNTS, least=0, most=0)
    with pytest.raises(AcknowledgedIsMissing, match="1 events were acknowledged, 0 are stored"):
        check(databases, "a", accounts=ACCOUNTS, least=1, most=1)

    insert = "INSERT INTO events (id, type, created, received_at, outcome, payload) VALUES (?, ?, ?, ?, 'applied', x'')"
    execute(tmp_path / "a.db", insert, event_id(1), "customer.subscription.updated", BEGIN + 1, BEGIN + 1)
    with pytest.raises(AcknowledgedIsMissing, match="0 events were acknowledged, 1 are stored"):
        check(databases, "a", accounts=ACCOUNTS, least=0, most=0)
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
