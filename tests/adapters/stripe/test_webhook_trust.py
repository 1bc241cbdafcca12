"""Whose webhooks are believed: signatures, secrets, times, and everything that an attacker or an accident sends."""

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe
from hypothesis import example, given
from hypothesis import strategies as st

from billing.errors import PayloadInvalid, SignatureInvalid
from billing.events import Delivery
from billing.ports import UndecodableEvent
from billing_memory import MemoryClock
from billing_stripe import SUBSCRIBED_EVENTS, StripeWebhookReader
from support.stripe_payloads import CREATED, SECRET, customer, event, signature_of, signed, subscription

NEXT_SECRET = "whsec_bmV3ZXIgYnkgYSBkYXk"
BODY = event("customer.subscription.updated", subscription())
NOW = datetime.fromtimestamp(CREATED, UTC)


def reader_of(*secrets: str, now: datetime = NOW) -> StripeWebhookReader:
    """Answer a reader that holds these secrets."""
    return StripeWebhookReader(secrets=secrets or (SECRET,), livemode=False, clock=MemoryClock(now))


def test_stripes_own_signature_is_believed() -> None:
    """A header made by Stripe's library, and one made by hand, are both taken."""
    theirs = stripe.WebhookSignature.generate_signature_header(  # pyright: ignore[reportUnknownMemberType] - no annotation
        BODY.decode(), SECRET, CREATED
    )

    assert theirs == signed(BODY, at=CREATED)
    assert reader_of().read(signature=theirs, body=BODY).payload == BODY


V1 = signature_of(BODY, at=CREATED)


@pytest.mark.parametrize(
    "header",
    [
        f"t={CREATED},v1={V1},v0={'0' * 64}",
        f"v1={V1},t={CREATED}",
        f"t={CREATED},v1={'0' * 64},v1={V1}",
        f"t={CREATED},v1={V1},v1={signature_of(BODY, at=CREATED, secret=NEXT_SECRET)}",
        f"t={CREATED},v2=later,v1={V1},",
    ],
)
def test_a_header_with_one_good_signature_is_believed(header: str) -> None:
    """Other schemes, other secrets' signatures and another order do not matter."""
    assert reader_of().read(signature=header, body=BODY).payload == BODY


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(None, id="missing"),
        pytest.param("", id="empty"),
        pytest.param(" ", id="blank"),
        pytest.param("t=,v1=", id="nothing in it"),
        pytest.param(V1, id="the bare signature"),
        pytest.param(f"v1={V1}", id="no timestamp"),
        pytest.param(f"t={CREATED}", id="no signature"),
        pytest.param(f"t={CREATED},v0={V1}", id="another scheme"),
        pytest.param(f"t={CREATED},v1={'0' * 64}", id="wrong"),
        pytest.param(f"t={CREATED},v1={V1[:-1]}", id="cut off"),
        pytest.param(f"t={CREATED},v1={V1.upper()}", id="in capitals"),
        pytest.param(f"t={CREATED},v1={V1[:-1]}é", id="not ASCII"),
        pytest.param(f"t={CREATED},v1=\udcff", id="a lone surrogate"),
        pytest.param(f"t={CREATED + 1},v1={V1}", id="signed another second"),
        pytest.param(f"t={CREATED},t={CREATED},v1={V1}", id="two timestamps"),
        pytest.param(f"t={CREATED - 9999},t={CREATED},v1={signature_of(BODY, at=CREATED - 9999)}", id="a replay"),
        pytest.param(f"t={CREATED}.0,v1={V1}", id="a fraction"),
        pytest.param(f"t=+{CREATED},v1={V1}", id="a plus sign"),
        pytest.param(f"t=-{CREATED},v1={V1}", id="before 1970"),
        pytest.param(f"t={'9' * 5000},v1={V1}", id="the end of time"),
        pytest.param("t=" + "".join(chr(0x660 + int(d)) for d in str(CREATED)) + f",v1={V1}", id="Arabic digits"),
        pytest.param("t=nan,v1=" + V1, id="not a number"),
        pytest.param(f"t={CREATED}=1,v1={V1}", id="two equals signs"),
        pytest.param(f"t={CREATED}," + f"v1={'0' * 64}," * 5000 + f"v1={V1}", id="giant"),
        pytest.param("," * 4096, id="commas"),
    ],
)
def test_a_signature_that_is_not_stripes_is_refused(header: str | None) -> None:
    """Whatever is wrong with the header, the answer is the one error of the port."""
    with pytest.raises(SignatureInvalid):
        reader_of().read(signature=header, body=BODY)


@pytest.mark.parametrize(
    ("seconds", "taken"),
    [(-301, False), (-300, True), (-1, True), (0, True), (1, True), (300, True), (301, False), (86_400, False)],
)
def test_a_timestamp_may_be_five_minutes_off_in_either_direction(seconds: int, *, taken: bool) -> None:
    """Older than the tolerance is a replay, further in the future is no clock of Stripe's."""
    reader = reader_of(now=NOW + timedelta(seconds=seconds))
    header = signed(BODY, at=CREATED)

    if taken:
        assert reader.read(signature=header, body=BODY).payload == BODY
    else:
        with pytest.raises(SignatureInvalid, match="timestamp"):
            reader.read(signature=header, body=BODY)


@pytest.mark.parametrize("held", [(SECRET, NEXT_SECRET), (NEXT_SECRET, SECRET)])
@pytest.mark.parametrize("used", [SECRET, NEXT_SECRET])
def test_while_a_secret_is_rolled_over_both_are_believed(held: tuple[str, str], used: str) -> None:
    """Every secret held is tried, in whatever order they are held."""
    header = signed(BODY, at=CREATED, secret=used)

    assert reader_of(*held).read(signature=header, body=BODY).payload == BODY


def test_after_a_secret_was_rolled_over_the_old_one_is_refused() -> None:
    """A secret that is not held any more signs nothing."""
    with pytest.raises(SignatureInvalid):
        reader_of(NEXT_SECRET).read(signature=signed(BODY, at=CREATED, secret=SECRET), body=BODY)


@pytest.mark.parametrize("changed", [BODY + b" ", BODY[:-1], BODY.replace(b"active", b"Active"), b""])
def test_a_body_that_is_not_the_one_signed_is_refused(changed: bytes) -> None:
    """The signature is over the very bytes."""
    with pytest.raises(SignatureInvalid):
        reader_of().read(signature=signed(BODY, at=CREATED), body=changed)


@pytest.mark.parametrize("secrets", [(), ("",), (" ",), (SECRET, ""), (SECRET, "\t"), ("whsec_ä",), (f"{SECRET} ",)])
def test_a_reader_without_proper_secrets_does_not_start(secrets: tuple[str, ...]) -> None:
    """An endpoint that anybody could sign for, or nobody, fails at start-up."""
    with pytest.raises(ValueError, match="secret"):
        StripeWebhookReader(secrets=secrets, livemode=False, clock=MemoryClock())


def envelope(**changes: Any) -> bytes:
    """Answer an event with a field of its envelope changed, or left out where it is `...`."""
    fields = {**json.loads(event("customer.deleted", customer())), **changes}
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


THIN = json.dumps(
    {
        "id": "evt_test_65S1",
        "object": "v2.core.event",
        "type": "v1.billing.meter.error_report_triggered",
        "created": "2026-03-01T12:00:00.000Z",
        "livemode": False,
        "context": None,
        "related_object": {"id": "mtr_1", "type": "billing.meter", "url": "/v1/billing/meters/mtr_1"},
    }
).encode()

HOSTILE = [
    pytest.param(b"", id="empty"),
    pytest.param(b"\xff\xfe", id="not UTF-8"),
    pytest.param(BODY.replace(b"sub_", b"sub\xe9", 1), id="Latin 1"),
    pytest.param(b"\xef\xbb\xbf" + BODY, id="a byte order mark"),
    pytest.param(b"<html>", id="not JSON"),
    pytest.param(BODY[:-2], id="cut off"),
    pytest.param(BODY + BODY, id="two documents"),
    pytest.param(b"null", id="null"),
    pytest.param(b"[]", id="a list"),
    pytest.param(b'"event"', id="a string"),
    pytest.param(b"{}", id="an empty object"),
    pytest.param(b"[" * 100_000, id="deep and open"),
    pytest.param(b'{"a":' * 20_000 + b"1" + b"}" * 20_000, id="deep and closed"),
    pytest.param(b'{"object":' * 20_000, id="deep where it is looked at"),
    pytest.param(envelope()[:-1] + b', "x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", id="deep in a field"),
    pytest.param(envelope(created=float("nan")), id="NaN"),
    pytest.param(envelope(created=float("inf")), id="infinity"),
    pytest.param(envelope(created=1.5), id="a fraction"),
    pytest.param(envelope(created=True), id="a boolean for a time"),
    pytest.param(envelope(created=10**30), id="a giant time"),
    pytest.param(envelope(created=-1), id="before 1970"),
    pytest.param(envelope(created="now"), id="a time in words"),
    pytest.param(envelope(id=...), id="no id"),
    pytest.param(envelope(id=""), id="an empty id"),
    pytest.param(envelope(id="evt_\x00"), id="an id no database takes"),
    pytest.param(envelope(id="e" * 256), id="a giant id"),
    pytest.param(envelope(id=1), id="a number for an id"),
    pytest.param(envelope(type=...), id="no type"),
    pytest.param(envelope(type="a b"), id="no type's name"),
    pytest.param(envelope(livemode=1), id="a number for a boolean"),
    pytest.param(envelope(livemode=...), id="no mode"),
    pytest.param(envelope(object=...), id="no kind"),
    pytest.param(envelope(object="list"), id="another kind"),
    pytest.param(envelope(object=["event"]), id="a list of kinds"),
    pytest.param(BODY.replace(b"evt_", b"\\ud800", 1), id="half a surrogate"),
    pytest.param(THIN, id="thin"),
]


@pytest.mark.parametrize("body", HOSTILE)
def test_a_signed_body_that_is_no_event_is_refused(body: bytes) -> None:
    """Even somebody who holds the secret gets nothing but the port's error out of the reader."""
    with pytest.raises(PayloadInvalid):
        reader_of().read(signature=signed(body, at=CREATED), body=body)


@pytest.mark.parametrize("body", HOSTILE)
def test_an_unsigned_body_is_refused(body: bytes) -> None:
    """The same bodies without a signature are refused as well, before they are decoded."""
    with pytest.raises((SignatureInvalid, PayloadInvalid)):
        reader_of().read(signature=f"t={CREATED},v1={'0' * 64}", body=body)


@pytest.mark.parametrize("thin", [THIN, envelope(object="v2.core.event")])
def test_a_thin_event_is_refused_with_what_to_do(thin: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """A destination that sends thin events is misconfigured: the sender and the log both hear it."""
    with caplog.at_level(logging.ERROR), pytest.raises(PayloadInvalid, match="thin event"):
        reader_of().read(signature=signed(thin, at=CREATED), body=thin)

    assert "set the payload style of the event destination at Stripe to snapshot" in caplog.text


def test_of_a_key_that_comes_twice_the_last_one_counts() -> None:
    """A key twice in one object is read as Stripe's own library reads it, by both passes alike."""
    body = envelope()[:-1] + b', "id": "evt_last", "type": "hologram.projected"}'

    delivery = reader_of().read(signature=signed(body, at=CREATED), body=body)

    assert (delivery.id, delivery.type) == (json.loads(body)["id"], json.loads(body)["type"])


def test_a_deep_object_is_undecodable_or_read_but_never_a_crash() -> None:
    """Nesting far inside an object of ours meets the decoder's limit, not the interpreter's."""
    deep = event("customer.subscription.updated", subscription(metadata={"x": "HERE"}))
    body = deep.replace(b'"HERE"', b"[" * 50_000 + b"]" * 50_000)

    with pytest.raises((PayloadInvalid, UndecodableEvent)):
        reader_of().read(signature=signed(body, at=CREATED), body=body)


def outcome(reader: StripeWebhookReader, signature: str | None, body: bytes) -> str:
    """Answer what came out; anything but the port's own results is an error of this test."""
    try:
        delivery = reader.read(signature=signature, body=body)
    except (SignatureInvalid, PayloadInvalid) as refused:
        return refused.slug
    except UndecodableEvent as undecodable:
        return f"undecodable {undecodable.failed.type}"
    assert isinstance(delivery, Delivery)
    return delivery.type


HEADERS = st.one_of(
    st.none(),
    st.text(max_size=200),
    st.lists(
        st.tuples(
            st.sampled_from(["t", "v1", "v0", " t", "", "é"]),
            st.one_of(st.text(max_size=70), st.integers().map(str), st.just(str(CREATED)), st.just(V1)),
        ).map("=".join),
        max_size=6,
    ).map(",".join),
)


@given(header=HEADERS, body=st.one_of(st.binary(max_size=200), st.just(BODY)))
@example(header=f"t={CREATED},v1=\N{FULLWIDTH DIGIT ONE}", body=BODY)
def test_no_header_gets_anything_but_the_ports_errors_out(header: str | None, body: bytes) -> None:
    """Whatever header and body a stranger sends, nothing is believed and nothing else is raised."""
    genuine = header is not None and body == BODY and V1 in header
    assert outcome(reader_of(), header, body) in {"invalid_signature", "invalid_payload"} or genuine


PARTS = st.sampled_from(
    [
        f"t={CREATED}",
        f"v1={V1}",
        f"v0={V1}",
        f"v1={'0' * 64}",
        f"v1={V1[:-1]}",
        f"t={CREATED - 1}",
        f"v1={V1}=",
        "",
    ]
)


@given(parts=st.lists(PARTS, max_size=5))
@example(parts=[f"t={CREATED}", f"v1={V1}"])
def test_stripes_library_believes_whatever_is_believed_here(parts: list[str]) -> None:
    """A check of our own must never be the more trusting one, nor refuse what Stripe itself sends."""
    header = ",".join(parts)
    ours = outcome(reader_of(), header, BODY) == "customer.subscription.updated"
    try:
        theirs: bool = stripe.WebhookSignature.verify_header(  # pyright: ignore[reportUnknownMemberType] - no annotation
            BODY.decode(), header, SECRET
        )
    except stripe.SignatureVerificationError:
        theirs = False

    assert theirs or not ours
    assert ours or not (theirs and parts.count(f"t={CREATED}") == 1 and f"v1={V1}" in parts and len(parts) == 2)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@given(
    type_=st.sampled_from(sorted(SUBSCRIBED_EVENTS)) | st.text(max_size=20),
    model=st.sampled_from([subscription("now"), subscription("before basil"), customer()]),
    changes=st.dictionaries(
        st.sampled_from([*subscription("before basil"), "subscription", "parent", "mode", "payment_status"]),
        JSON,
        max_size=4,
    ),
    of_envelope=st.dictionaries(
        st.sampled_from(["id", "type", "created", "livemode", "object", "account", "data"]), JSON, max_size=1
    ),
)
def test_no_signed_event_gets_anything_but_the_ports_results_out(
    type_: str, model: dict[str, Any], changes: dict[str, Any], of_envelope: dict[str, Any]
) -> None:
    """Objects of ours with arbitrary values in their fields are understood, undecodable or refused, never a crash."""
    body = event(type_, {**model, **changes}, **of_envelope)

    assert outcome(reader_of(), signed(body, at=CREATED), body)


@given(body=st.binary(max_size=300))
def test_no_signed_bytes_get_anything_but_the_ports_results_out(body: bytes) -> None:
    """Arbitrary bytes under a good signature are refused."""
    assert outcome(reader_of(), signed(body, at=CREATED), body) == "invalid_payload"
