"""What is refused is refused in Stripe's words, changes nothing, and nothing at all is an unexplained error."""

import asyncio
import json
import urllib.parse
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stripe_sandbox.api.dispatch import Request
from stripe_sandbox.api.operation import Operation
from stripe_sandbox.api.params import Array, Check, Choice, ChoiceOr, Clearable, Fields
from stripe_sandbox.billing.cards import CARDS, attach
from stripe_sandbox.resources.routes import OPERATIONS
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.testing import SandboxConfig, SeedPrice

KINDS = (
    "billing_portal.configuration",
    "billing_portal.session",
    "checkout.session",
    "customer",
    "event",
    "invoice",
    "meta",
    "payment_method",
    "price",
    "private",
    "product",
    "subscription",
    "test_helpers.test_clock",
    "webhook_endpoint",
)
MONTHLY = SeedPrice(name="pro", unit_amount=2900, price_id="price_pro")
YEARLY = SeedPrice(name="enterprise", unit_amount=9900, price_id="price_enterprise", interval="year")


def ask(sandbox: Sandbox, method: str, path: str, form: list[tuple[str, str]], *, key: str = "") -> tuple[int, Any]:
    """One API request without a network; answers status and body."""
    text = urllib.parse.urlencode(form)
    reads = method in {"GET", "DELETE"}
    request = Request(
        method=method,
        path=path,
        query=text if reads else "",
        headers={"authorization": f"Bearer {sandbox.config.api_key}", "idempotency-key": key},
        body=b"" if reads else text.encode(),
    )
    answer = asyncio.run(sandbox.dispatcher.answer(request))
    return answer.status, json.loads(answer.body)


def made(sandbox: Sandbox, path: str, *form: tuple[str, str]) -> str:
    status, row = ask(sandbox, "POST", path, list(form))
    assert status == 200, row
    return str(row["id"])


def furnished() -> tuple[Sandbox, list[str]]:
    """A world with one of everything, and the ids in it."""
    sandbox = Sandbox(SandboxConfig(prices=(MONTHLY, YEARLY), random_seed=1))
    customer = made(sandbox, "/v1/customers", ("name", "Ada"))
    deleted = made(sandbox, "/v1/customers", ("name", "Eve"))
    ask(sandbox, "DELETE", f"/v1/customers/{deleted}", [])
    clock = made(sandbox, "/v1/test_helpers/test_clocks", ("frozen_time", "1900000000"))
    line = ("line_items[0][price]", "price_pro")
    session = made(sandbox, "/v1/checkout/sessions", ("mode", "subscription"), ("success_url", "https://x.test/"), line)
    card = attach(sandbox.world, sandbox.world.get("customer", customer), CARDS["authentication_always"])
    item = ("items[0][price]", "price_pro")
    trial = made(sandbox, "/v1/subscriptions", ("customer", customer), item, ("trial_period_days", "7"))
    unpaid = made(sandbox, "/v1/subscriptions", ("customer", customer), item)
    portal = made(sandbox, "/v1/billing_portal/sessions", ("customer", customer))
    endpoint = made(sandbox, "/v1/webhook_endpoints", ("url", "https://x.test/"), ("enabled_events[]", "*"))
    rows = [sandbox.world.get("subscription", key) for key in (trial, unpaid)]
    others = [row["items"]["data"][0]["id"] for row in rows] + [row["latest_invoice"] for row in rows]
    events = list(sandbox.world.rows("event"))[:2]
    products = list(sandbox.world.rows("product"))
    portals = list(sandbox.world.rows("billing_portal.configuration"))
    ids = [
        card["id"],
        *portals,
        customer,
        deleted,
        clock,
        session,
        trial,
        unpaid,
        portal,
        endpoint,
        "price_pro",
        "price_enterprise",
    ]
    return sandbox, [*ids, *others, *events, *products]


SANDBOX, IDS = furnished()
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much, HealthCheck.large_base_example]
PREFIXES = {
    "configuration": "bpc_",
    "customer": "cus_",
    "default_payment_method": "pm_",
    "id": "si_",
    "payment_method": "pm_",
    "price": "price_",
    "product": "prod_",
    "subscription": "sub_",
    "test_clock": "clock_",
}
KEPT = {
    "/v1/billing_portal/configurations/{id}": "bpc_",
    "/v1/checkout/sessions/{id}": "cs_",
    "/v1/customers/{id}": "cus_",
    "/v1/events/{id}": "evt_",
    "/v1/invoices/{id}": "in_",
    "/v1/payment_methods/{id}": "pm_",
    "/v1/prices/{id}": "price_",
    "/v1/products/{id}": "prod_",
    "/v1/subscriptions/{id}": "sub_",
    "/v1/test_helpers/test_clocks/{id}": "clock_",
    "/v1/webhook_endpoints/{id}": "we_",
}
WORDS = ("true", "false", "now", "eur", "usd", "month", "*", "", "0", "1", "-1", "20", "200000", "1900000000")
ODD = (
    "9" * 19,
    "9" * 400,
    "-" + "9" * 19,
    "NaN",
    "Infinity",
    "1e400",
    "0.5",
    "²",
    "\u0663",
    "\x00",
    "é",
    "a.b.c.d.e.f",
)


def leaves(check: Check, name: str) -> st.SearchStrategy[str]:
    """Values for a parameter: often what its check may like."""
    anything = st.sampled_from([*IDS, *WORDS, *ODD]) | st.text(max_size=8).filter(lambda word: word.isprintable())
    if isinstance(check, (Choice, ChoiceOr)):
        return st.sampled_from(check.words) | anything
    last = name.rpartition("[")[2].rstrip("]")
    fitting = [key for key in IDS if key.startswith(PREFIXES.get(last, "?"))]
    return st.sampled_from(fitting or ["1", "7", "true", "eur", "https://x.test/"]) | anything


def pairs(check: Check, name: str) -> st.SearchStrategy[list[tuple[str, str]]]:
    """Form fields for one parameter, nested as its check nests, or flat where it should be nested."""
    flat = leaves(check, name).map(lambda value: [(name, value)])
    misplaced = st.sampled_from(["[]", "[a]", "[0]", "[²]"]).flatmap(
        lambda suffix: leaves(check, name).map(lambda value: [(name + suffix, value)])
    )
    if isinstance(check, Clearable):
        return pairs(check.inner, name)
    if isinstance(check, Array):
        several = st.lists(st.just(0), min_size=1, max_size=2).flatmap(
            lambda items: st.tuples(*(pairs(check.inner, f"{name}[{index}]") for index, _ in enumerate(items)))
        )
        return several.map(lambda parts: [pair for part in parts for pair in part]) | flat | misplaced
    if isinstance(check, Fields):
        return fields(check, name) | fields(check, name) | flat
    return flat | flat | flat | misplaced


@st.composite
def fields(draw: st.DrawFn, group: Fields, name: str = "") -> list[tuple[str, str]]:
    known = sorted(group.checks)
    wanted = set(draw(st.lists(st.sampled_from(known), max_size=5))) if known else set[str]()
    # Without the required ones nearly every request would end at the first check.
    wanted |= group.required if draw(st.integers(0, 9)) else set()
    form: list[tuple[str, str]] = []
    for key in sorted(wanted):
        form += draw(pairs(group.checks[key], f"{name}[{key}]" if name else key))
    if not draw(st.integers(0, 30)):
        form.append((draw(st.text(max_size=5)), "x"))
    return form


def paths(operation: Operation) -> st.SearchStrategy[str]:
    """The operation's path with an id, mostly one of its own kind."""
    kind = next((prefix for path, prefix in KEPT.items() if operation.path.startswith(path)), "")
    fitting = [key for key in IDS if key.startswith(kind)]
    ids = st.sampled_from(fitting) | st.sampled_from(fitting) | st.sampled_from(IDS)
    return ids.map(lambda key: operation.path.replace("{id}", key))


def stored(sandbox: Sandbox) -> str:
    """All that the world holds, as text."""
    return json.dumps({kind: list(sandbox.world.rows(kind).items()) for kind in KINDS})


class Undo(Exception):
    """Ends an example, and takes back what it did."""


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda entry: f"{entry.method} {entry.path}")
@settings(max_examples=40, deadline=None, suppress_health_check=SLOW)
@given(data=st.data())
def test_no_parameters_break_anything(operation: Operation, data: st.DataObject) -> None:
    """Whatever is asked, no answer is a 500, and after a refusal the world is what it was."""
    form = data.draw(fields(operation.params))
    path = data.draw(paths(operation))
    before = stored(SANDBOX)

    def example() -> None:
        with SANDBOX.world.attempt():
            status, body = ask(SANDBOX, operation.method, path, form)
            assert status in {200, 400, 402, 404}, body
            if status in {400, 404}:
                assert stored(SANDBOX) == before
            raise Undo

    with pytest.raises(Undo):
        example()


def test_the_examples_get_far() -> None:
    """The random parameters reach the operations: a good share of them is accepted somewhere."""
    accepted: set[str] = set()

    @settings(max_examples=400, deadline=None, suppress_health_check=SLOW, database=None)
    @given(data=st.data())
    def explore(data: st.DataObject) -> None:
        operation = data.draw(st.sampled_from([entry for entry in OPERATIONS if entry.method == "POST"]))
        path = data.draw(paths(operation))
        form = data.draw(fields(operation.params))
        try:
            with SANDBOX.world.attempt():
                if ask(SANDBOX, operation.method, path, form)[0] == 200:
                    accepted.add(operation.path)
                raise Undo  # noqa: TRY301  # an attempt is taken back in this way only
        except Undo:
            pass

    explore()
    assert len(accepted) >= 8


@pytest.mark.parametrize(
    ("path", "form", "param"),
    [
        ("/v1/prices", "currency=eur&product_data[name]=a&unit_amount_decimal=NaN", "unit_amount_decimal"),
        ("/v1/prices", "currency=eur&product_data[name]=a&unit_amount_decimal=Infinity", "unit_amount_decimal"),
        ("/v1/prices", "currency=eur&product_data[name]=a&unit_amount_decimal=0.5", "unit_amount_decimal"),
        ("/v1/prices", "currency=euro&product_data[name]=a&unit_amount=1", "currency"),
        (
            "/v1/prices",
            "currency=eur&product_data[name]=a&unit_amount=1&recurring[interval]=month&recurring[interval_count]=37",
            "recurring[interval_count]",
        ),
        ("/v1/customers", f"balance={'9' * 5000}", "balance"),
        ("/v1/customers", f"balance={2**63}", "balance"),
        ("/v1/customers", "expand[²]=x", "expand"),
        ("/v1/customers", f"address{'[a]' * 3000}=1", "address"),
        ("/v1/subscriptions", "customer={customer}&items=", "items"),
        ("/v1/subscriptions", "customer={customer}&items[0][price]=price_pro&trial_end=5", "trial_end"),
        ("/v1/subscriptions", "customer={customer}&items[0][price]=price_pro&trial_end=999999999999999", "trial_end"),
        (
            "/v1/subscriptions",
            "customer={customer}&items[0][price]=price_pro&items[1][price]=price_pro",
            "items",
        ),
        (
            "/v1/subscriptions",
            "customer={customer}&items[0][price]=price_pro&default_payment_method=pm_none",
            "default_payment_method",
        ),
        (
            "/v1/subscriptions",
            "customer={customer}&items[0][price]=price_pro&default_payment_method={foreign_method}",
            "default_payment_method",
        ),
        ("/v1/subscriptions/{trial}", "cancel_at=5", "cancel_at"),
        (
            "/v1/checkout/sessions",
            (
                "mode=subscription&success_url=https://x.test/&line_items[0][price]=price_pro"
                "&subscription_data[trial_end]=999999999999999"
            ),
            "subscription_data[trial_end]",
        ),
    ],
)
def test_impossible_values_are_named(path: str, form: str, param: str) -> None:
    """What cannot be is a 400 that names the parameter, and leaves nothing behind."""
    foreign = next(key for key in IDS if key.startswith("pm_"))
    stranger = made(SANDBOX, "/v1/customers", ("name", "Bob"))
    trial = next(row["id"] for row in SANDBOX.world.rows("subscription").values() if row["status"] == "trialing")
    fitted = form.replace(
        "{customer}", stranger if "{foreign_method}" in form else next(key for key in IDS if key.startswith("cus_"))
    ).replace("{foreign_method}", foreign)
    pairs_of = urllib.parse.parse_qsl(fitted, keep_blank_values=True)
    before = stored(SANDBOX)
    status, body = ask(SANDBOX, "POST", path.replace("{trial}", trial), pairs_of)
    assert (status, body["error"].get("param")) == (400, param)
    assert stored(SANDBOX) == before


def test_an_update_that_is_refused_changes_nothing() -> None:
    """A good change and a bad one in one request: neither is made, and nobody is told."""
    sandbox, _ = furnished()
    row = next(iter(sandbox.world.rows("subscription").values()))
    item = row["items"]["data"][0]["id"]
    before = stored(sandbox)
    form = [
        ("items[0][id]", item),
        ("items[0][price]", "price_enterprise"),
        ("metadata[a]", "b"),
        ("default_payment_method", "pm_none"),
    ]
    status, body = ask(sandbox, "POST", f"/v1/subscriptions/{row['id']}", form)
    assert (status, body["error"]["param"]) == (400, "default_payment_method")
    assert stored(sandbox) == before


def test_a_price_takes_no_products_place() -> None:
    """A price made together with a product cannot take the id of one that is there."""
    sandbox, _ = furnished()
    product = made(sandbox, "/v1/products", ("name", "Ours"))
    form = [("currency", "eur"), ("unit_amount", "1"), ("product_data[name]", "Other"), ("product_data[id]", product)]
    status, body = ask(sandbox, "POST", "/v1/prices", form)
    assert (status, body["error"]["code"]) == (400, "resource_already_exists")
    assert sandbox.world.get("product", product)["name"] == "Ours"


def test_an_error_of_the_sandboxs_own_is_a_500_that_stands(caplog: pytest.LogCaptureFixture) -> None:
    """An exception nobody foresaw is logged, changes nothing, and is replayed for its idempotency key."""
    sandbox, _ = furnished()
    price = sandbox.world.get("price", "price_pro")
    customer = made(sandbox, "/v1/customers", ("name", "Ada"))
    price["recurring"] = {"interval": "century"}
    before = stored(sandbox)
    form = [("customer", customer), ("items[0][price]", "price_pro")]
    answers = [ask(sandbox, "POST", "/v1/subscriptions", form, key="k") for _ in range(2)]
    assert [status for status, _ in answers] == [500, 500]
    assert answers[0][1]["error"]["type"] == "api_error"
    assert stored(sandbox) == before
    assert [record.exc_info is not None for record in caplog.records] == [True]


def test_what_cannot_be_done_when_due_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A renewal that breaks is logged and undone; another one that is due after it is still done."""
    sandbox, _ = furnished()
    customer = made(sandbox, "/v1/customers", ("name", "Ada"))
    attach(sandbox.world, sandbox.world.get("customer", customer), CARDS["succeeds"])
    form = (("customer", customer), ("items[0][price]", "price_pro"), ("trial_period_days", "9"))
    broken, sound = (made(sandbox, "/v1/subscriptions", *form) for _ in range(2))
    item = sandbox.world.get("subscription", broken)["items"]["data"][0]
    item["price"]["recurring"] = {"interval": "century"}
    sandbox.advance(10 * 86_400)
    states = [sandbox.world.get("subscription", key)["status"] for key in (broken, sound)]
    assert states == ["trialing", "active"]
    assert any(broken in record.getMessage() for record in caplog.records)
