"""Stripe's HTTP conventions: keys, errors, versions, lists, expansion, as the official SDK meets them."""

from collections.abc import Callable

import httpx
import pytest
import stripe

from stripe_sandbox.testing import SandboxServer


def test_no_key_and_a_wrong_key_are_refused(box: SandboxServer) -> None:
    """Without the right key every call is a 401 with a JSON error, raised as AuthenticationError."""
    for key in ("sk_test_wrong_key_1234", "sk_test"):
        client = stripe.StripeClient(key, base_addresses={"api": box.url})
        with pytest.raises(stripe.AuthenticationError, match="Invalid API Key"):
            client.v1.customers.list()
    bare = httpx.get(f"{box.url}/v1/customers")
    assert (bare.status_code, bare.json()["error"]["type"]) == (401, "invalid_request_error")


def test_basic_authentication_works_as_with_curl(box: SandboxServer) -> None:
    """The key as a basic-auth user name is accepted, as Stripe's own examples send it."""
    assert httpx.get(f"{box.url}/v1/customers", auth=(box.api_key, "")).status_code == 200


def test_every_answer_names_its_request_and_version(client: stripe.StripeClient) -> None:
    """Each answer carries a Request-Id and the API version it was rendered in; errors too."""
    response = client.v1.customers.create({}).last_response
    assert response is not None
    assert response.headers["stripe-version"] == stripe.api_version
    assert str(response.headers["request-id"]).startswith("req_")
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.customers.retrieve("cus_none")
    assert str(caught.value.request_id).startswith("req_")


@pytest.mark.parametrize("version", ["2025-03-31.acacia", "2026-13", "newest", "2024-06-20.basil"])
def test_a_version_that_never_was_is_refused(client: stripe.StripeClient, version: str) -> None:
    """An impossible Stripe-Version is a 400."""
    with pytest.raises(stripe.InvalidRequestError, match="Invalid Stripe API version"):
        client.v1.customers.list({}, {"stripe_version": version})


def test_what_does_not_exist_is_a_404(client: stripe.StripeClient, raw: Callable[..., object]) -> None:
    """An unknown id is `resource_missing`; an unknown address says what was asked for."""
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.subscriptions.retrieve("sub_none")
    assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")
    with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL") as caught:
        raw("get", "/v1/charges")
    assert caught.value.http_status == 404


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ("colour=red", "parameter_unknown", "colour"),
        ("balance=much", "parameter_invalid_integer", "balance"),
        ("metadata[a][b]=c", None, "metadata[a]"),
        ("email[x]=y", None, "email"),
        ("address[planet]=mars", "parameter_unknown", "address[planet]"),
        ("tax_exempt=maybe", None, "tax_exempt"),
        ("[x]=y", None, "[x]"),
        ("email=a&email[b]=c", None, "email[b]"),
    ],
)
def test_bad_parameters_are_named(box: SandboxServer, body: str, code: str | None, param: str) -> None:
    """A parameter that is unknown, ill-typed or ill-formed is a 400 with its name and Stripe's code."""
    answer = httpx.post(
        f"{box.url}/v1/customers",
        content=body,
        headers={"Authorization": f"Bearer {box.api_key}", "Content-Type": "application/x-www-form-urlencoded"},
    )
    error = answer.json()["error"]
    assert (answer.status_code, error.get("code"), error["param"]) == (400, code, param)


@pytest.mark.parametrize("body", [b"\xff\xfe=1", b"email=%ff"])
def test_bytes_that_are_no_text_are_a_400(box: SandboxServer, body: bytes) -> None:
    """A body that is not UTF-8 is refused instead of breaking anything."""
    headers = {"Authorization": f"Bearer {box.api_key}"}
    assert httpx.post(f"{box.url}/v1/customers", content=body, headers=headers).status_code == 400


def test_lists_page_in_both_directions(client: stripe.StripeClient) -> None:
    """Lists are newest first; both cursors walk them, and auto-paging sees each object once."""
    made = [client.v1.customers.create({"name": str(number)}).id for number in range(7)]
    newest_first = made[::-1]
    first = client.v1.customers.list({"limit": 3})
    assert ([row.id for row in first.data], first.has_more, first.url) == (newest_first[:3], True, "/v1/customers")
    after = client.v1.customers.list({"limit": 3, "starting_after": newest_first[2]})
    assert [row.id for row in after.data] == newest_first[3:6]
    before = client.v1.customers.list({"limit": 3, "ending_before": newest_first[4]})
    assert ([row.id for row in before.data], before.has_more) == (newest_first[1:4], True)
    assert [row.id for row in first.auto_paging_iter()] == newest_first
    oldest_up = client.v1.customers.list({"limit": 2, "ending_before": made[0]})
    assert [row.id for row in oldest_up.auto_paging_iter()] == made[1:]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("starting_after=cus_none", "starting_after"),
        ("starting_after=a&ending_before=b", None),
        ("created[around]=1", "created[around]"),
    ],
)
def test_bad_pages_are_refused(box: SandboxServer, query: str, param: str | None) -> None:
    """A limit outside 1-100, an unknown cursor or both cursors at once are 400s."""
    answer = httpx.get(f"{box.url}/v1/customers?{query}", headers={"Authorization": f"Bearer {box.api_key}"})
    assert (answer.status_code, answer.json()["error"].get("param")) == (400, param)


def test_expansion_replaces_ids_by_objects(client: stripe.StripeClient, subscription: stripe.Subscription) -> None:
    """Ids become objects where asked, in lists too, and what cannot be expanded is a 400."""
    found = client.v1.subscriptions.retrieve(
        subscription.id,
        {"expand": ["customer", "latest_invoice", "items.data.price.product", "default_payment_method"]},
    )
    assert isinstance(found.customer, stripe.Customer)
    assert isinstance(found.latest_invoice, stripe.Invoice)
    assert isinstance(found["items"].data[0].price.product, stripe.Product)
    assert isinstance(found.default_payment_method, stripe.PaymentMethod)
    (listed,) = client.v1.subscriptions.list({"expand": ["data.customer"]}).data
    assert isinstance(listed.customer, stripe.Customer)
    for path in ("status", "colour", "customer.email.x"):
        with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
            client.v1.subscriptions.retrieve(subscription.id, {"expand": [path]})


def test_expanding_does_not_change_the_world(client: stripe.StripeClient, subscription: stripe.Subscription) -> None:
    """After an expanded read a plain one shows plain ids again."""
    client.v1.subscriptions.retrieve(subscription.id, {"expand": ["customer", "items.data.price.product"]})
    plain = client.v1.subscriptions.retrieve(subscription.id)
    assert isinstance(plain.customer, str)
    assert isinstance(plain["items"].data[0].price.product, str)


def test_lists_are_filtered_by_creation(client: stripe.StripeClient, box: SandboxServer) -> None:
    """`created` as a range keeps the older and leaves the newer out."""
    old = client.v1.customers.create({})
    box.control.advance(100)
    new = client.v1.customers.create({})
    assert [row.id for row in client.v1.customers.list({"created": {"gt": old.created}}).data] == [new.id]
    assert [row.id for row in client.v1.customers.list({"created": {"lte": old.created}}).data] == [old.id]
    assert [row.id for row in client.v1.customers.list({"created": new.created}).data] == [new.id]
