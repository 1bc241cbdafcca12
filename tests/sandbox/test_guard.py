"""What other web pages cannot make a browser do to the sandbox."""

import httpx
import pytest

from stripe_sandbox.testing import SandboxConfig, SandboxServer

FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.test"},
    {"Host": "evil.test"},
    {"Host": "evil.test:12111", "Sec-Fetch-Site": "same-origin"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize("path", ["/_sandbox/reset", "/control/reset", "/v1/customers"])
def test_another_page_changes_nothing(box: SandboxServer, path: str, headers: dict[str, str]) -> None:
    """A request that another page caused, or that came by a foreign name, is a 403, and the world stays as it is."""
    box.control.advance(5)
    # A form can carry the key in its address, which browsers turn into this header.
    signed = {"Authorization": f"Bearer {box.api_key}", "Origin": "null"} if path.startswith("/v1") else {}
    assert httpx.post(box.url + path, headers=signed | headers).status_code == 403
    assert box.control.clock().offset_seconds == 5
    assert httpx.get(f"{box.url}/v1/customers", auth=(box.api_key, "")).json()["data"] == []


@pytest.mark.parametrize("path", ["/", "/_sandbox/clock", "/_sandbox/deliveries"])
def test_a_name_made_to_point_here_reads_nothing(box: SandboxServer, path: str) -> None:
    """By a foreign host name (DNS rebinding) not even the pages can be read."""
    assert httpx.get(box.url + path, headers={"Host": "evil.test"}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
        {"Sec-Fetch-Site": "none"},
        {"Host": "localhost:1"},
        {"Host": "stripe.localhost"},
        {"Host": "[::1]:12111"},
        {"Host": "192.168.1.7:12111"},
        {"Host": "stripe-sandbox:12111"},
    ],
    ids=str,
)
def test_programs_and_its_own_pages_are_welcome(box: SandboxServer, headers: dict[str, str]) -> None:
    """A program, and a form of the sandbox's own, may call it by any local name or number."""
    assert httpx.post(f"{box.url}/_sandbox/reset", headers=headers).status_code == 200


def test_following_a_link_of_a_shop_is_no_attack(box: SandboxServer) -> None:
    """A shop sends its buyers to the checkout by GET, and the page is there."""
    assert httpx.get(box.url, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


def test_the_api_is_reached_by_any_name_with_a_key(box: SandboxServer) -> None:
    """A program in another container calls the sandbox as its network does."""
    named = {"Host": "stripe.internal.test"}
    signed = named | {"Authorization": f"Bearer {box.api_key}"}
    assert httpx.get(f"{box.url}/v1/customers", headers=signed).status_code == 200
    assert httpx.get(f"{box.url}/v1/customers", headers=named).status_code == 403


def test_the_public_name_is_known() -> None:
    """The host of the public URL is the sandbox's own."""
    with SandboxServer(SandboxConfig(public_url="https://pay.shop.test")) as box:
        answer = httpx.get(box.url, headers={"Host": "pay.shop.test", "Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 200
