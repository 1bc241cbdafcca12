"""What a request has to look like: its address, its content type, its key, and what is said of one that is off."""

from typing import cast

import httpx
import pytest
import stripe

from stripe_sandbox.testing import SandboxServer


def param_of(error: stripe.InvalidRequestError) -> str:
    """The parameter that a refusal names."""
    return cast("dict[str, dict[str, str]]", error.json_body)["error"]["param"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/customers/",
        "/v1/customers//",
        "/v1/customers/search?query=x",
        "/v1/prices/search?query=x",
        "/v1/subscriptions/search?query=x",
        "/v1/invoices/search?query=x",
        "/v1/invoices/upcoming?customer=x",
        "/v1/invoices/upcoming/lines",
    ],
)
def test_what_is_not_there_is_no_id(box: SandboxServer, path: str) -> None:
    """Search, an invoice that is to come, and no id at all are addresses that the sandbox does not know."""
    answer = httpx.get(box.url + path, headers={"Authorization": f"Bearer {box.api_key}"})
    assert answer.status_code == 404
    assert answer.json()["error"]["message"].startswith(f"Unrecognized request URL (GET: {path.partition('?')[0]})")


@pytest.mark.parametrize("kind", ["application/json", "text/plain; charset=utf-8", "multipart/form-data; boundary=x"])
def test_a_body_that_is_no_form_is_refused(box: SandboxServer, kind: str) -> None:
    """Another content type than a form's is a 400 that says which one is wanted."""
    headers = {"Authorization": f"Bearer {box.api_key}", "Content-Type": kind}
    answer = httpx.post(f"{box.url}/v1/customers", content=b'{"email": "a@b.c"}', headers=headers)
    assert answer.status_code == 400
    assert "application/x-www-form-urlencoded" in answer.json()["error"]["message"]
    assert httpx.post(f"{box.url}/v1/customers", headers=headers).status_code == 200


@pytest.mark.parametrize("kind", [None, "application/x-www-form-urlencoded; charset=utf-8"])
def test_a_form_need_not_say_what_it_is(box: SandboxServer, kind: str | None) -> None:
    """With a form's content type, or with none, a body is a form."""
    headers = {"Authorization": f"Bearer {box.api_key}"} | ({"Content-Type": kind} if kind else {})
    answer = httpx.post(f"{box.url}/v1/customers", content=b"name=Ada", headers=headers)
    assert (answer.status_code, answer.json().get("name")) == (200, "Ada")


@pytest.mark.parametrize(
    ("key", "shown"),
    [("abc", "***"), ("sk_test_abcd", "************"), ("sk_test_wrong_key_1234", "sk_test_**********1234")],
)
def test_a_wrong_key_is_not_shown_in_full(box: SandboxServer, key: str, shown: str) -> None:
    """The middle of a wrong key is hidden, and all of one that is short."""
    answer = httpx.get(f"{box.url}/v1/customers", headers={"Authorization": f"Bearer {key}"})
    assert (answer.status_code, answer.json()["error"]["message"]) == (401, f"Invalid API Key provided: {shown}")


@pytest.mark.parametrize("wanted", ["my/id é", "a+b", "100%"])
def test_a_chosen_id_may_hold_anything(client: stripe.StripeClient, wanted: str) -> None:
    """A product whose id has a slash, a space or a sign of quoting can be read, changed and deleted."""
    client.v1.products.create({"name": "Odd", "id": wanted})
    assert client.v1.products.retrieve(wanted).id == wanted
    assert client.v1.products.update(wanted, {"name": "Odder"}).name == "Odder"
    assert client.v1.products.delete(wanted).deleted is True


@pytest.mark.parametrize(
    ("path", "query", "said"),
    [
        ("/v1/events", "types=customer.created", "Invalid array"),
        ("/v1/customers", "expand=foo", "Invalid array"),
        ("/v1/customers", "created[gt][x]=1", "Invalid string: {created[gt]}"),
        ("/v1/prices", "&".join(f"lookup_keys[]={number}" for number in range(11)), "at most 10 values; there are 11"),
    ],
)
def test_an_array_that_is_none_or_too_long_is_told_so(box: SandboxServer, path: str, query: str, said: str) -> None:
    """What is wanted is named, and so is the limit."""
    answer = httpx.get(f"{box.url}{path}?{query}", headers={"Authorization": f"Bearer {box.api_key}"})
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]


def test_the_advice_on_expanding_fits_the_answer(
    client: stripe.StripeClient, subscription: stripe.Subscription
) -> None:
    """Only for a list it is advised to look into its `data`."""
    with pytest.raises(stripe.InvalidRequestError, match=r"expanded \(nonsense\)\.$"):
        client.v1.subscriptions.retrieve(subscription.id, {"expand": ["nonsense"]})
    with pytest.raises(stripe.InvalidRequestError, match=r"try expanding 'data\.customer' instead"):
        client.v1.subscriptions.list({"expand": ["customer"]})


@pytest.mark.parametrize("address", ["a\x00@example.com", "a@exa\x00mple.com", "a@example.com\n"])
def test_an_address_holds_no_control_characters(client: stripe.StripeClient, address: str) -> None:
    """A NUL or a line end in an e-mail address is refused."""
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.customers.create({"email": address})
    assert caught.value.code == "email_invalid"
    assert param_of(caught.value) == "email"
