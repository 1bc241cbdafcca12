"""What makes a run count: the database holds what was acknowledged, and the server answers what the database holds."""

import contextlib
import http.client
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import chain
from typing import Any

import msgspec

from benchmarks.corpus import (
    BEGIN,
    PERIOD,
    READ_PATH,
    account_id,
    account_of,
    api_key,
    newest_events,
    period_end,
    subscription_id,
)
from benchmarks.databases import Databases

READS_CHECKED = 100
READERS = 16
"""So many connections ask at once, for what is asked at once may be answered together."""
_STORED = "SELECT id FROM events WHERE type = 'customer.subscription.updated'"
# Our own numbers, and the same statement for every database.
_HELD = f"SELECT id, period_end FROM subscriptions WHERE as_of > {BEGIN}"  # noqa: S608
_STANDING = f"SELECT id, current_period_end FROM accounts WHERE current_period_end > {BEGIN + PERIOD}"  # noqa: S608
_STATUS = "SELECT id, plan_tier, status, current_period_end, cancel_at_period_end FROM accounts"


class AcknowledgedIsMissing(Exception):
    """A server has acknowledged what its database does not hold. Its speed is then worth nothing."""


class AnswerIsWrong(Exception):
    """A server has answered a status read with something else than its database holds."""


class Status(msgspec.Struct, frozen=True):
    """What a status read answers."""

    plan: str
    status: str | None
    current_period_end: datetime | None
    cancel_at_period_end: bool | None


def check(databases: Databases, name: str, *, accounts: int, least: int, most: int) -> None:
    """Raise `AcknowledgedIsMissing` unless a copy holds all that was acknowledged, with its effect.

    Of the events that change something between `least` and `most` must be stored (a generator that stops abruptly does
    not hear the last answers), and subscriptions and standings must be what the newest event stored says.
    """
    stored = [row[0] for row in databases.query(name, _STORED)]
    if not least <= len(stored) <= most:
        raise AcknowledgedIsMissing(f"{name}: {least} events were acknowledged, {len(stored)} are stored")
    newest = newest_events(stored, accounts)
    expected = {number: period_end(event) for number, event in newest.items()}
    _compare(name, databases.query(name, _HELD), ((subscription_id(n), end) for n, end in expected.items()))
    _compare(name, databases.query(name, _STANDING), ((account_id(n), end) for n, end in expected.items()))


def _compare(name: str, found: Sequence[tuple[Any, ...]], expected: Iterator[tuple[str, int]]) -> None:
    wrong = set(expected) ^ set(found)
    if wrong:
        raise AcknowledgedIsMissing(
            f"{name}: {len(wrong)} rows are not as the events say, such as {min(wrong, key=str)}"
        )


def check_reads(databases: Databases, name: str, *, accounts: int, events: int, port: int) -> None:
    """Raise `AnswerIsWrong` unless a server answers of some accounts what its database holds.

    That is what it held before they were asked for, or after: the last events of a run may still be on their way. The
    accounts are those that some of the `events` numbered so far are about.
    """
    some = range(1, events + 1, max(1, events // READS_CHECKED))
    numbers = sorted({account_of(event, accounts) for event in some})
    before = _held(databases, name, numbers)
    with ThreadPoolExecutor(READERS) as pool:
        asked = pool.map(_answers, (numbers[first::READERS] for first in range(READERS)), [port] * READERS)
        answers = dict(chain.from_iterable(asked))
    after = _held(databases, name, numbers)
    for id_, answer in answers.items():
        if answer not in (before.get(id_), after.get(id_)):
            raise AnswerIsWrong(f"{name}: {id_} holds {after.get(id_)}, but {answer} was answered")


def _held(databases: Databases, name: str, numbers: Sequence[int]) -> dict[str, Status]:
    ids = ", ".join(f"'{account_id(number)}'" for number in numbers)
    return {
        id_: Status(
            plan=plan,
            status=status,
            current_period_end=None if end is None else datetime.fromtimestamp(end, UTC),
            cancel_at_period_end=None if cancels is None else bool(cancels),
        )
        for id_, plan, status, end, cancels in databases.query(name, f"{_STATUS} WHERE id IN ({ids})")
    }


def _answers(numbers: Sequence[int], port: int) -> list[tuple[str, Status]]:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        return [(account_id(number), _answer(connection, number)) for number in numbers]


def _answer(connection: http.client.HTTPConnection, number: int) -> Status:
    connection.request("GET", READ_PATH, headers={"Authorization": f"Bearer {api_key(number)}"})
    response = connection.getresponse()
    body = response.read()
    if response.status != HTTPStatus.OK:
        raise AnswerIsWrong(f"{response.status} for {account_id(number)}: {body.decode()}")
    try:
        return msgspec.json.decode(body, type=Status)
    except msgspec.DecodeError as error:
        raise AnswerIsWrong(f"{account_id(number)}: {body.decode()} was answered: {error}") from error
