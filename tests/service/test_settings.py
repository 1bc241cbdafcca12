"""Settings are read once, checked at start-up, and every problem is told at once."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from billing.plans import Tier
from billing_service.settings import SettingsInvalid, environment, read_database_settings, read_settings

COMPLETE: Mapping[str, str] = {
    "BILLING_DATABASE_URL": "postgresql://billing@db/billing",
    "BILLING_STRIPE_SECRET_KEY": "sk_test_1",
    "BILLING_STRIPE_WEBHOOK_SECRETS": "whsec_1, whsec_2",
    "BILLING_PRICE_PRO": "price_new,price_old",
    "BILLING_PRICE_ENTERPRISE": "price_big",
    "BILLING_CHECKOUT_SUCCESS_URL": "https://app.example/done?session={CHECKOUT_SESSION_ID}",
    "BILLING_CHECKOUT_CANCEL_URL": "https://app.example/no",
    "BILLING_PORTAL_RETURN_URL": "https://app.example/",
}


def problems(**changes: str | None) -> tuple[str, ...]:
    """Answer what is wrong with the complete settings after some changes; `None` removes."""
    variables = {name: value for name, value in {**COMPLETE, **changes}.items() if value is not None}
    with pytest.raises(SettingsInvalid) as caught:
        read_settings(variables)
    return caught.value.problems


def test_complete_settings_are_read() -> None:
    """Every variable arrives where it belongs."""
    settings = read_settings(COMPLETE)
    assert settings.stripe.webhook_secrets == ("whsec_1", "whsec_2")
    assert settings.stripe.api_base == "https://api.stripe.com"
    assert settings.stripe.portal_configuration is None
    assert settings.catalogue.price_sold(Tier.PRO) == "price_new"
    assert settings.catalogue.tier_of(["price_old"]) is Tier.PRO  # type: ignore[list-item] # a price id is a string
    assert settings.catalogue.tier_of(["price_big"]) is Tier.ENTERPRISE  # type: ignore[list-item] # as above
    assert settings.checkout.success_url.endswith("{CHECKOUT_SESSION_ID}")


def test_everything_that_is_missing_is_told_at_once() -> None:
    """An empty environment names each required variable, and the database has its default."""
    with pytest.raises(SettingsInvalid) as caught:
        read_settings({})
    named = {problem.split()[0] for problem in caught.value.problems}
    assert named == set(COMPLETE) - {"BILLING_DATABASE_URL", "BILLING_PRICE_ENTERPRISE"}
    assert read_database_settings({}).url == "sqlite:///billing.db"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BILLING_DATABASE_URL", "mysql://x"),
        ("BILLING_DATABASE_POOL_SIZE", "0"),
        ("BILLING_DATABASE_PGBOUNCER", "maybe"),
        ("BILLING_STRIPE_SECRET_KEY", "pk_test_1"),
        ("BILLING_STRIPE_SECRET_KEY", " "),
        ("BILLING_STRIPE_WEBHOOK_SECRETS", ","),
        ("BILLING_STRIPE_WEBHOOK_SECRETS", "whsec_1,"),
        ("BILLING_STRIPE_WEBHOOK_SECRETS", "whsec_"),
        ("BILLING_STRIPE_WEBHOOK_SECRETS", "secret"),
        ("BILLING_STRIPE_WEBHOOK_SECRETS", "whsec_ok,whsec_a b"),
        ("BILLING_STRIPE_WEBHOOK_SECRETS", "whsec_\u00e4"),
        ("BILLING_STRIPE_SECRET_KEY", "sk_live_"),
        ("BILLING_STRIPE_SECRET_KEY", "sk_test_\u00e4"),
        ("BILLING_STRIPE_API_BASE", "http://127.0.0.1:99999"),
        ("BILLING_STRIPE_API_BASE", "http://ex ample"),
        ("BILLING_STRIPE_API_BASE", "http://example?x=y"),
        ("BILLING_PRICE_PRO", "price_a b"),
        ("BILLING_CHECKOUT_SUCCESS_URL", "https://app.example/a b"),
        ("BILLING_DATABASE_URL", "postgresql://u:p@h:abc/db"),
        ("BILLING_DATABASE_URL", "postgresql://[::1/db"),
        ("BILLING_DATABASE_URL", "sqlite:///"),
        ("BILLING_STRIPE_API_BASE", "api.stripe.com"),
        ("BILLING_STRIPE_PORTAL_CONFIGURATION", "prod_1"),
        ("BILLING_STRIPE_REQUESTS_PER_SECOND", "fast"),
        ("BILLING_STRIPE_REQUESTS_PER_SECOND", "1000"),
        ("BILLING_STRIPE_REQUESTS_PER_SECOND", "nan"),
        ("BILLING_PRICE_PRO", "prod_1"),
        ("BILLING_PRICE_PRO", "price_1,price_1"),
        ("BILLING_PRICE_ENTERPRISE", "price_old"),
        ("BILLING_CHECKOUT_SUCCESS_URL", "javascript:alert(1)"),
        ("BILLING_CHECKOUT_CANCEL_URL", "https://"),
        ("BILLING_PORTAL_RETURN_URL", "/relative"),
    ],
)
def test_a_wrong_value_is_named_by_its_variable(name: str, value: str) -> None:
    """One wrong value is one problem, which begins with the variable's name."""
    (problem,) = problems(**{name: value})
    assert problem.startswith(name)


def test_a_live_key_is_not_sent_in_the_clear() -> None:
    """Another address than Stripe's may be http for a test key, and not for a live one."""
    base = {"BILLING_STRIPE_API_BASE": "http://127.0.0.1:12111"}
    assert read_settings({**COMPLETE, **base}).stripe.api_base == "http://127.0.0.1:12111"
    (problem,) = problems(**base, BILLING_STRIPE_SECRET_KEY="sk_live_1")
    assert problem.startswith("BILLING_STRIPE_API_BASE")


def test_a_dotenv_that_is_no_text_is_a_problem(tmp_path: Path) -> None:
    """It is named instead of a traceback."""
    (tmp_path / ".env").write_bytes(b"BILLING_PRICE_PRO=\xff\xfe")
    with pytest.raises(SettingsInvalid, match="UTF-8"):
        environment(tmp_path / ".env")


def test_no_secret_is_repeated_in_a_problem() -> None:
    """What may be a secret in the wrong place does not end in a log."""
    told = " ".join(problems(BILLING_STRIPE_SECRET_KEY="hunter2", BILLING_STRIPE_WEBHOOK_SECRETS="hunter3"))
    assert "hunter" not in told


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `.env` file fills in what the environment does not say."""
    dotenv = tmp_path / ".env"
    dotenv.write_text('BILLING_PRICE_PRO="price_file"\nBILLING_PRICE_ENTERPRISE=price_file_too\n')
    monkeypatch.setenv("BILLING_PRICE_PRO", "price_environment")
    variables = environment(dotenv)
    assert variables["BILLING_PRICE_PRO"] == "price_environment"
    assert variables["BILLING_PRICE_ENTERPRISE"] == "price_file_too"
