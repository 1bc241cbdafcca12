"""What callers see: every address, every error, the same envelope around all of it."""

import re
from pathlib import Path

import httpx
import pytest

from billing import errors
from billing.checkout import SessionState
from billing.errors import (
    BillingError,
    PayloadInvalid,
    ProviderRefused,
    ProviderUnavailable,
    SignatureInvalid,
)
from billing.events import Unhandled
from billing.idempotency import Alert
from billing.subscription import Status
from billing_http import errors as http_errors
from billing_memory import Call
from support.domain_things import CUSTOMER, changed, completed, delivery, snapshot
from support.http_world import World, failed_event

pytestmark = pytest.mark.anyio


def assert_error(answer: httpx.Response, status: int, code: str) -> str:
    """Check an error's whole form; answer its sentence."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"error", "code"}
    assert body["code"] == code
    assert answer.headers["x-request-id"]
    assert isinstance(body["error"], str)
    return body["error"]


async def subscribe(world: World, status: Status = Status.ACTIVE) -> None:
    """Have the account hold a subscription."""
    said = snapshot(status, account=world.account, cancel=status is Status.ACTIVE)
    await world.deliver(delivery("evt_subscribe", changed(said)))


class TestRead:
    """`GET /v1/billing` and `GET /v1/accounts/me`."""

    async def test_an_account_that_never_subscribed_is_free_with_three_nulls(self, world: World) -> None:
        """All four keys are there before anything was bought."""
        answer = await world.client.get("/v1/billing", headers=world.credential)
        assert answer.status_code == 200
        assert answer.json() == {
            "plan": "free",
            "status": None,
            "current_period_end": None,
            "cancel_at_period_end": None,
        }

    async def test_a_subscriber_sees_plan_status_period_and_cancellation(self, world: World) -> None:
        """The standing is presented with a UTC time in whole seconds."""
        await subscribe(world)
        answer = await world.client.get("/v1/billing", headers=world.credential)
        assert answer.json() == {
            "plan": "pro",
            "status": "active",
            "current_period_end": "2026-03-31T12:00:00Z",
            "cancel_at_period_end": True,
        }

    async def test_the_account_answers_who_it_is(self, world: World) -> None:
        """`/v1/accounts/me` has the id, address, name and tier of the key's account."""
        answer = await world.client.get("/v1/accounts/me", headers=world.credential)
        assert answer.json() == {"id": world.account, "email": "ada@example.com", "name": "Ada", "plan_tier": "free"}

    async def test_reading_while_a_checkout_is_open_has_it_looked_at(self, world: World) -> None:
        """Only an account with an open checkout makes the watcher look."""
        await world.client.get("/v1/billing", headers=world.credential)
        assert world.watch.noticed == []
        await world.client.post("/v1/billing/checkout", headers=world.credential, json={"tier": "pro"})
        await world.client.get("/v1/billing", headers=world.credential)
        assert world.watch.noticed == [world.account]


class TestCredential:
    """All but the webhooks and the health check need one."""

    ADDRESSES = (
        ("GET", "/v1/billing"),
        ("GET", "/v1/accounts/me"),
        ("POST", "/v1/billing/checkout"),
        ("POST", "/v1/billing/portal"),
    )

    @pytest.mark.parametrize(("method", "path"), ADDRESSES)
    async def test_without_a_header_it_is_missing(self, world: World, method: str, path: str) -> None:
        """No header: 401, saying so, before the body is looked at."""
        sentence = assert_error(await world.client.request(method, path), 401, "missing_authorization")
        assert sentence == "missing authorization header"

    @pytest.mark.parametrize(("method", "path"), ADDRESSES)
    @pytest.mark.parametrize(
        "header", ["Bearer nonsense", "Bearer", "Bearer ", "Basic YTpi", "bearer  x", "x" * 5000, "Bearer \u00e9"]
    )
    async def test_a_wrong_one_is_invalid(self, world: World, method: str, path: str, header: str) -> None:
        """Whatever is wrong with it, the answer is the same."""
        answer = await world.client.request(method, path, headers={b"Authorization": header.encode()})
        assert assert_error(answer, 401, "invalid_api_key") == "invalid or revoked api key"
        assert answer.headers["www-authenticate"] == "Bearer"

    async def test_a_revoked_key_is_refused_at_once(self, world: World) -> None:
        """The request after the revocation fails."""
        assert (await world.client.get("/v1/billing", headers=world.credential)).status_code == 200
        for key in await world.manage.list_keys(world.account):
            await world.manage.revoke_key(key.id)
        assert_error(await world.client.get("/v1/billing", headers=world.credential), 401, "invalid_api_key")


class TestCheckout:
    """`POST /v1/billing/checkout`."""

    async def test_it_answers_an_address_and_a_second_click_answers_the_same(self, world: World) -> None:
        """Two clicks are one session."""
        first = await world.client.post("/v1/billing/checkout", headers=world.credential, json={"tier": "pro"})
        assert first.status_code == 200
        assert first.json()["checkout_url"].startswith("https://")
        second = await world.client.post("/v1/billing/checkout", headers=world.credential, json={"tier": "pro"})
        assert second.json() == first.json()
        assert len(world.stripe.sessions) == 1

    @pytest.mark.parametrize(
        ("body", "code", "words"),
        [
            (b"", "missing_body", "needs a JSON body"),
            (b"  ", "missing_body", "needs a JSON body"),
            (b"{", "malformed_body", "not valid JSON"),
            (b"\xff\xfe", "malformed_body", "not valid JSON"),
            (b"[" * 100_0, "malformed_body", "not valid JSON"),
            (b'["pro"]', "malformed_body", "must be a JSON object"),
            (b"null", "malformed_body", "must be a JSON object"),
            (b"{}", "missing_tier", 'needs a "tier"'),
            (b'{"tier": null}', "missing_tier", 'needs a "tier"'),
            (b'{"tier": 1}', "malformed_body", "must be a string"),
            (b'{"tier": ""}', "unknown_tier", "there is no tier ''"),
            (b'{"tier": "Pro"}', "unknown_tier", "the tiers are free, pro, enterprise"),
            (b'{"tier": "free"}', "tier_not_sold_online", "needs no checkout"),
            (b'{"tier": "enterprise"}', "tier_not_sold_online", "arranged with sales"),
        ],
    )
    async def test_each_bad_body_has_its_own_message(self, world: World, body: bytes, code: str, words: str) -> None:
        """Every mistake is a 400 that says what to mend, and creates nothing at Stripe."""
        answer = await world.client.post("/v1/billing/checkout", headers=world.credential, content=body)
        assert words in assert_error(answer, 400, code)
        assert world.stripe.calls.total() == 0

    @pytest.mark.parametrize("status", [Status.TRIALING, Status.ACTIVE, Status.PAST_DUE, Status.UNPAID, Status.PAUSED])
    async def test_a_live_subscription_is_a_conflict(self, world: World, status: Status) -> None:
        """409, pointing to the portal, and nothing is created at Stripe."""
        await subscribe(world, status)
        answer = await world.client.post("/v1/billing/checkout", headers=world.credential, json={"tier": "pro"})
        assert "portal" in assert_error(answer, 409, "already_subscribed")
        assert world.stripe.calls.total() == 0

    async def test_a_session_that_was_paid_meanwhile_is_a_conflict(self, world: World) -> None:
        """Paid, but the webhook is late: never a second session."""
        await world.client.post("/v1/billing/checkout", headers=world.credential, json={"tier": "pro"})
        (session,) = world.stripe.sessions
        world.stripe.pay(session)
        answer = await world.client.post("/v1/billing/checkout", headers=world.credential, json={"tier": "pro"})
        assert_error(answer, 409, "already_subscribed")
        assert [held.session.state for held in world.stripe.sessions.values()] == [SessionState.COMPLETE]

    @pytest.mark.parametrize(
        ("trouble", "status", "code", "retry_after"),
        [
            (ProviderUnavailable(), 503, "payment_provider_unavailable", "5"),
            (ProviderUnavailable(retry_after_seconds=7.2), 503, "payment_provider_unavailable", "8"),
            (ProviderRefused(), 502, "payment_provider_refused", None),
        ],
    )
    async def test_stripes_troubles(
        self,
        world: World,
        trouble: ProviderUnavailable | ProviderRefused,
        status: int,
        code: str,
        retry_after: str | None,
    ) -> None:
        """Unreachable is 503 with Retry-After, refused is 502."""
        world.stripe.fail_next(trouble, call=Call.CREATE_SESSION)
        answer = await world.client.post("/v1/billing/checkout", headers=world.credential, json={"tier": "pro"})
        assert_error(answer, status, code)
        assert answer.headers.get("retry-after") == retry_after

    async def test_a_body_too_large_is_refused(self, world: World) -> None:
        """413, whether the length is announced or not."""
        body = b'{"tier": "' + b"p" * 20_000 + b'"}'
        answer = await world.client.post("/v1/billing/checkout", headers=world.credential, content=body)
        assert_error(answer, 413, "body_too_large")


class TestPortal:
    """`POST /v1/billing/portal`."""

    async def test_it_answers_an_address(self, world: World) -> None:
        """A subscriber is sent to the portal, and the address may not be cached."""
        await world.client.post("/v1/billing/checkout", headers=world.credential, json={"tier": "pro"})
        (session,) = world.stripe.sessions
        await world.deliver(delivery("evt_1", changed(world.stripe.pay(session))))
        answer = await world.client.post("/v1/billing/portal", headers=world.credential)
        assert answer.status_code == 200
        assert answer.json()["portal_url"].startswith("https://")
        assert answer.headers["cache-control"] == "no-store"

    async def test_an_account_that_never_subscribed_is_told_so(self, world: World) -> None:
        """A customer made by an abandoned checkout is no billing history."""
        await world.client.post("/v1/billing/checkout", headers=world.credential, json={"tier": "pro"})
        answer = await world.client.post("/v1/billing/portal", headers=world.credential)
        assert "checkout" in assert_error(answer, 400, "never_subscribed")

    async def test_a_deleted_customer_has_no_history(self, world: World) -> None:
        """What Stripe deleted cannot be shown: 409."""
        await subscribe(world)
        answer = await world.client.post("/v1/billing/portal", headers=world.credential)
        assert_error(answer, 409, "billing_history_deleted")
        assert CUSTOMER not in world.stripe.customers


class TestWebhooks:
    """`POST /v1/billing/webhooks`."""

    async def test_the_raw_body_and_the_signature_are_handed_over(self, world: World) -> None:
        """The controller changes not a byte, and answers the outcome."""
        world.reader.answer = delivery("evt_1", completed(account=world.account))
        answer = await world.client.post(
            "/v1/billing/webhooks", content=b' {"a" : 1}\n', headers={"Stripe-Signature": "t=1,v1=2"}
        )
        assert (answer.status_code, answer.json()) == (200, {"outcome": "applied"})
        assert world.reader.seen == [("t=1,v1=2", b' {"a" : 1}\n')]

    async def test_a_duplicate_is_acknowledged_without_effect(self, world: World) -> None:
        """200 both times, one effect."""
        world.reader.answer = delivery("evt_1", completed(account=world.account))
        outcomes = [(await world.client.post("/v1/billing/webhooks", content=b"{}")).json() for _ in range(2)]
        assert outcomes == [{"outcome": "applied"}, {"outcome": "duplicate"}]

    async def test_an_event_of_another_type_is_remembered_and_ignored(self, world: World) -> None:
        """200, and its id is known from then on."""
        world.reader.answer = delivery("evt_1", Unhandled(reason="nothing for us"))
        first = await world.client.post("/v1/billing/webhooks", content=b"{}")
        second = await world.client.post("/v1/billing/webhooks", content=b"{}")
        assert (first.json(), second.json()) == ({"outcome": "ignored"}, {"outcome": "duplicate"})

    @pytest.mark.parametrize(
        ("error", "status", "code"),
        [
            (SignatureInvalid("no header"), 400, "invalid_signature"),
            (PayloadInvalid("not JSON"), 400, "invalid_payload"),
            (failed_event(delivery("evt_1", Unhandled(reason=""))), 500, "event_not_processed"),
        ],
    )
    async def test_what_is_not_an_event_is_not_acknowledged(
        self, world: World, error: BillingError, status: int, code: str
    ) -> None:
        """Each of the reader's refusals has its status."""
        world.reader.answer = error
        assert_error(await world.client.post("/v1/billing/webhooks", content=b"{}"), status, code)

    async def test_an_event_that_makes_no_sense_is_kept_and_somebody_is_told(self, world: World) -> None:
        """Its payload and the reason are in the store, and an alert names it."""
        world.reader.answer = failed_event(delivery("evt_1", Unhandled(reason="")))
        await world.client.post("/v1/billing/webhooks", content=b"{}")
        (kept,) = world.store.tables.failed_events.values()
        assert (kept.failed.id, kept.failed.reason, kept.failed.payload) == ("evt_1", "no id", b"{}")
        assert world.alarm.alerts == [(Alert.FAILED_EVENT, "evt_1")]

    async def test_a_database_that_is_away_is_503(self, world: World) -> None:
        """Nothing is acknowledged; Stripe is told when to come again."""
        world.store.is_away = True
        world.reader.answer = delivery("evt_1", completed(account=world.account))
        answer = await world.client.post("/v1/billing/webhooks", content=b"{}")
        assert_error(answer, 503, "database_unavailable")
        assert int(answer.headers["retry-after"]) > 0

    async def test_a_megabyte_is_the_limit(self, world: World) -> None:
        """Anything larger is refused before it is verified."""
        answer = await world.client.post("/v1/billing/webhooks", content=b"x" * (1024 * 1024 + 1))
        assert_error(answer, 413, "body_too_large")
        assert world.reader.seen == []


class TestEnvelope:
    """What every answer carries."""

    @pytest.mark.parametrize(
        ("method", "path", "status", "code"),
        [
            ("GET", "/", 404, "not_found"),
            ("GET", "/v1/billing/nothing", 404, "not_found"),
            ("GET", "/v1/billing/checkout", 405, "method_not_allowed"),
            ("DELETE", "/v1/billing", 405, "method_not_allowed"),
            ("GET", "/v1/billing/webhooks", 405, "method_not_allowed"),
        ],
    )
    async def test_wrong_addresses_and_methods(
        self, world: World, method: str, path: str, status: int, code: str
    ) -> None:
        """They get the same form of error, with a request id."""
        assert_error(await world.client.request(method, path), status, code)

    async def test_a_harmless_request_id_is_taken_over(self, world: World) -> None:
        """The caller's own id is repeated, so that its logs and ours meet."""
        answer = await world.client.get("/health", headers={"X-Request-Id": "web-1.2_3"})
        assert answer.headers["x-request-id"] == "web-1.2_3"

    @pytest.mark.parametrize("given", ["a b", "x" * 65, "a;b", ""])
    async def test_a_harmful_one_is_replaced(self, world: World, given: str) -> None:
        """What cannot be logged safely is not repeated."""
        answer = await world.client.get("/health", headers={"X-Request-Id": given})
        assert re.fullmatch(r"[0-9a-f]{24}", answer.headers["x-request-id"])

    async def test_every_answer_has_an_id_of_its_own(self, world: World) -> None:
        """No two requests can be mistaken for each other in the logs."""
        ids = {(await world.client.get("/health")).headers["x-request-id"] for _ in range(3)}
        assert len(ids) == 3

    async def test_health_touches_nothing(self, world: World) -> None:
        """It answers while the database is away."""
        world.store.is_away = True
        answer = await world.client.get("/health")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})

    async def test_a_bug_tells_the_caller_nothing(self, world: World, caplog: pytest.LogCaptureFixture) -> None:
        """500 with our sentence; the traceback goes to the log."""
        world.reader.answer = None
        answer = await world.client.post("/v1/billing/webhooks", content=b"{}")
        assert "AssertionError" not in assert_error(answer, 500, "internal_error")
        assert "AssertionError" in caplog.text


class TestErrorTable:
    """The set of codes is one table in the code and in the docs."""

    INTERNAL = frozenset(
        {
            errors.CustomerMissing,
            errors.SessionNotOpen,
            errors.Conflict,
            errors.Contended,
            errors.KeySpent,
            # The command line's alone:
            errors.AccountExists,
            errors.AccountNotFound,
            errors.ApiKeyNotFound,
            errors.InvalidEmail,
            errors.InvalidName,
        }
    )

    def test_every_error_of_the_domain_has_its_status_or_never_leaves(self) -> None:
        """A new error must be put into the map, or into the list above."""
        leaving = {error.slug for error in BillingError.__subclasses__() if error not in self.INTERNAL}
        assert leaving == set(http_errors.STATUS_BY_SLUG)

    def test_the_docs_list_exactly_the_codes_there_are(self) -> None:
        """docs/errors.md names each code with its status, and no other."""
        expected = {slug: status.value for slug, status in http_errors.STATUS_BY_SLUG.items()}
        expected |= {code: status.value for code, status in http_errors.STATUS_OF_REQUEST_FAULTS.items()}
        expected |= {code: int(status) for status, (code, _) in http_errors.SENTENCE_BY_STATUS.items()}
        expected[http_errors.INTERNAL[0]] = 500
        text = (Path(__file__).parents[3] / "docs" / "errors.md").read_text()
        documented = {
            code: int(status) for code, status in re.findall(r"^\| `(\w+)` \| (\d{3}) \|", text, re.MULTILINE)
        }
        assert documented == expected
