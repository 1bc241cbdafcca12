"""The parts without I/O: dates, forms, signatures, parameters."""

from datetime import UTC, datetime

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.api.forms import decode_form
from stripe_sandbox.billing.periods import period_end
from stripe_sandbox.webhooks.signature import signature_header


def moment(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, 12, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("anchor", "start", "interval", "count", "end"),
    [
        (moment(2027, 1, 31), moment(2027, 1, 31), "month", 1, moment(2027, 2, 28)),
        (moment(2027, 1, 31), moment(2027, 2, 28), "month", 1, moment(2027, 3, 31)),
        (moment(2027, 11, 30), moment(2027, 11, 30), "month", 3, moment(2028, 2, 29)),
        (moment(2028, 2, 29), moment(2028, 2, 29), "year", 1, moment(2029, 2, 28)),
        (moment(2028, 2, 29), moment(2031, 2, 28), "year", 1, moment(2032, 2, 29)),
        (moment(2027, 12, 31), moment(2027, 12, 31), "week", 2, moment(2028, 1, 14)),
        (moment(2027, 12, 31), moment(2027, 12, 31), "day", 1, moment(2028, 1, 1)),
    ],
)
def test_periods_end_on_the_anchors_day(anchor: int, start: int, interval: str, count: int, end: int) -> None:
    """A period ends on the anchor's day, or on the last day of a month too short for it."""
    assert period_end(anchor, start, interval=interval, interval_count=count) == end


@given(
    anchor=st.integers(0, 4_000_000_000),
    interval=st.sampled_from(["day", "week", "month", "year"]),
    count=st.integers(1, 12),
)
def test_periods_always_move_forward(anchor: int, interval: str, count: int) -> None:
    """Whatever the anchor and rhythm, each period ends after it begins."""
    start = anchor
    for _ in range(5):
        end = period_end(anchor, start, interval=interval, interval_count=count)
        assert end > start
        start = end


@pytest.mark.parametrize(
    ("form", "tree"),
    [
        ("a=1&b=", {"a": "1", "b": ""}),
        ("a[b][c]=1&a[b][d]=2", {"a": {"b": {"c": "1", "d": "2"}}}),
        ("a[0][b]=1&a[1][b]=2", {"a": {"0": {"b": "1"}, "1": {"b": "2"}}}),
        ("a[]=x&a[]=y", {"a": {"0": "x", "1": "y"}}),
        ("a%5Bb%5D=%C3%A9+1", {"a": {"b": "é 1"}}),
        ("", {}),
    ],
)
def test_forms_become_trees(form: str, tree: dict[str, object]) -> None:
    """Brackets nest, indices and empty brackets number, percent-encoding is undone."""
    assert decode_form(form) == tree


@given(st.text(alphabet="ab[]=&%0", max_size=40))
def test_no_form_breaks_the_decoder(form: str) -> None:
    """Any text is a tree or a 400, never another error."""
    try:
        decode_form(form)
    except ApiError as error:
        assert error.status == 400  # noqa: PT017  # most examples raise nothing at all


def test_each_secret_signs_and_the_sdk_agrees() -> None:
    """A header made with two secrets passes the SDK's check with either, and with no third."""
    header = signature_header(b'{"a": 1}', secrets=["whsec_a", "whsec_b"], timestamp=1_800_000_000)
    verify = stripe.WebhookSignature.verify_header  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # untyped in the SDK
    for secret in ("whsec_a", "whsec_b"):
        assert verify('{"a": 1}', header, secret, None)
    with pytest.raises(stripe.SignatureVerificationError):
        verify('{"a": 1}', header, "whsec_c", None)
