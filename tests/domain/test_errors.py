"""The domain's errors, and the addresses and waits that are plain functions."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.accounts import parse_email
from billing.errors import (
    AlreadySubscribed,
    BillingError,
    InvalidEmail,
    Overloaded,
    ProviderRefused,
    ProviderUnavailable,
    StoreUnavailable,
)
from billing.use_cases.settle_subscriptions import BACK_OFF_LONGEST, back_off
from support.domain_strategies import PROPERTY


def _errors(of: type[BillingError] = BillingError) -> Iterator[type[BillingError]]:
    for error in of.__subclasses__():
        yield error
        yield from _errors(error)


def test_each_error_has_a_slug_of_its_own() -> None:
    """No two errors look alike to a program, and each slug is one that never needs quoting."""
    slugs = Counter(error.slug for error in _errors())
    assert len(slugs) > 20
    assert set(slugs.values()) == {1}
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", slug) for slug in slugs)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (Overloaded(), 1),
        (StoreUnavailable(), 5),
        (ProviderUnavailable(), None),
        (ProviderUnavailable(retry_after_seconds=2.5), 2.5),
    ],
)
def test_an_error_that_passes_says_when_to_come_back(
    error: Overloaded | StoreUnavailable | ProviderUnavailable, seconds: float | None
) -> None:
    """What may help later says how much later, if anybody knows."""
    assert error.retry_after_seconds == seconds


def test_what_stripe_refused_is_not_told() -> None:
    """The caller of a refused request learns nothing about keys, prices or configurations."""
    assert str(ProviderRefused()) == "the payment provider refused the request; the operator has been told"
    assert "portal" in str(AlreadySubscribed())


@pytest.mark.parametrize(
    ("text", "email"),
    [
        ("ann@example.com", "ann@example.com"),
        ("  Ann@Example.COM \n", "ann@example.com"),
        ("ann+billing@mail.example.co.uk", "ann+billing@mail.example.co.uk"),
        ("änne@exämple.de", "änne@exämple.de"),
        ("a@b", "a@b"),
        ("a" * 64 + "@" + "b" * 189, "a" * 64 + "@" + "b" * 189),
    ],
)
def test_an_address_is_read_in_lower_case(text: str, email: str) -> None:
    """One @ with something on both sides is an address, however it was typed."""
    assert parse_email(text) == email


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "@",
        "ann@",
        "@example.com",
        "ann@@example.com",
        "ann@ex@ample.com",
        "ann smith@example.com",
        "ann@example.com,bob@example.com",
        "ann@example.com;bob",
        "Ann <ann@example.com>",
        "ann\x00@example.com",
        "ann\n@example.com",
        "a" * 65 + "@example.com",
        "a@" + "b" * 190,
    ],
)
def test_what_cannot_be_an_address_is_refused(text: str) -> None:
    """Anything that a mail header would break on is no address, and a long one is not repeated."""
    with pytest.raises(InvalidEmail) as caught:
        parse_email(text)
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize(
    ("attempts", "shortest", "longest"),
    [(0, 0.5, 1), (1, 1, 2), (2, 2, 4), (5, 16, 32), (6, 30, 60), (7, 30, 60), (1_000_000, 30, 60)],
)
def test_waiting_doubles_up_to_a_minute(attempts: int, shortest: float, longest: float) -> None:
    """A wait doubles with each failure, is bounded, and jitter spreads it over its upper half."""
    assert back_off(attempts=attempts, jitter=0) == timedelta(seconds=shortest)
    assert back_off(attempts=attempts, jitter=0.5) == timedelta(seconds=(shortest + longest) / 2)
    assert back_off(attempts=attempts, jitter=0.999_999) < timedelta(seconds=longest)


@PROPERTY
@given(attempts=st.integers(0, 10_000), jitter=st.floats(0, 1, exclude_max=True))
def test_a_wait_is_never_nothing_and_never_for_ever(attempts: int, jitter: float) -> None:
    """Whatever the attempts and the jitter: half a second at least, a minute at most, and no shorter than before."""
    wait = back_off(attempts=attempts, jitter=jitter)
    assert timedelta(seconds=0.5) <= wait <= BACK_OFF_LONGEST
    assert wait <= back_off(attempts=attempts + 1, jitter=jitter)
