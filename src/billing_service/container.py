"""How everything is put together. Only this module knows dependency-injector, and nothing but `app` knows this module.

The database is handed in by the application's lifespan, which opens and closes it: an asynchronous resource would turn
everything that depends on it into a future.
"""

from collections.abc import Mapping
from typing import TypeVar

from dependency_injector import containers, providers
from litestar.di import Provide

from billing.ports import (
    Accounts,
    Alarm,
    ApiKeys,
    CheckoutAttempts,
    Clock,
    Customers,
    FailedEvents,
    RereadQueue,
    Secrets,
    Transactions,
    WebhookReader,
)
from billing.use_cases.look_at_checkout import LookAtCheckout
from billing.use_cases.manage_accounts import ManageAccounts
from billing.use_cases.open_portal import OpenPortal
from billing.use_cases.read_account import Authenticate, ReadBilling
from billing.use_cases.receive_events import DecideEvents, ReceiveWebhook
from billing.use_cases.settle_subscriptions import SettleSubscriptions
from billing.use_cases.start_checkout import StartCheckout
from billing_http import UseCases
from billing_service.background import CheckoutWatcher, Pace, RereadWorker
from billing_service.group_commit import GroupCommit
from billing_service.settings import Settings
from billing_service.system import LogAlarm, SystemClock, SystemSecrets
from billing_sql import (
    SqlAccounts,
    SqlApiKeys,
    SqlCheckoutAttempts,
    SqlCustomers,
    SqlDatabase,
    SqlFailedEvents,
    SqlRereadQueue,
    SqlTransactions,
)
from billing_stripe import StripeGateway, StripeWebhookReader, is_live_key

Provided = TypeVar("Provided")


class Container(containers.DeclarativeContainer):
    """Every object of one process, made once when it is first needed."""

    settings: providers.Dependency[Settings] = providers.Dependency(instance_of=Settings)
    database: providers.Dependency[SqlDatabase] = providers.Dependency(instance_of=SqlDatabase)

    clock: providers.Provider[Clock] = providers.Singleton(SystemClock)
    secrets: providers.Provider[Secrets] = providers.Singleton(SystemSecrets)
    alarm: providers.Provider[Alarm] = providers.Singleton(LogAlarm)
    gateway = providers.Singleton(
        StripeGateway,
        api_key=settings.provided.stripe.secret_key,
        api_base=settings.provided.stripe.api_base,
        portal_return_url=settings.provided.stripe.portal_return_url,
        portal_configuration=settings.provided.stripe.portal_configuration,
        alarm=alarm,
    )
    pace = providers.Singleton(Pace, settings.provided.stripe.requests_per_second)

    accounts: providers.Provider[Accounts] = providers.Singleton(SqlAccounts, database)
    api_keys: providers.Provider[ApiKeys] = providers.Singleton(SqlApiKeys, database)
    customers: providers.Provider[Customers] = providers.Singleton(SqlCustomers, database)
    attempts: providers.Provider[CheckoutAttempts] = providers.Singleton(SqlCheckoutAttempts, database)
    transactions: providers.Provider[Transactions] = providers.Singleton(SqlTransactions, database)
    failed_events: providers.Provider[FailedEvents] = providers.Singleton(SqlFailedEvents, database)
    reread_queue: providers.Provider[RereadQueue] = providers.Singleton(SqlRereadQueue, database)

    reader: providers.Provider[WebhookReader] = providers.Singleton(
        StripeWebhookReader,
        secrets=settings.provided.stripe.webhook_secrets,
        livemode=providers.Callable(is_live_key, settings.provided.stripe.secret_key),
        clock=clock,
    )

    settle_subscriptions = providers.Singleton(
        SettleSubscriptions,
        transactions=transactions,
        queue=reread_queue,
        gateway=gateway,
        catalogue=settings.provided.catalogue,
        clock=clock,
        secrets=secrets,
        alarm=alarm,
        on_retry_after=pace.provided.pause,
    )
    reread_worker = providers.Singleton(
        RereadWorker, settle_subscriptions=settle_subscriptions, queue=reread_queue, clock=clock, pace=pace
    )
    look_at_checkout = providers.Singleton(
        LookAtCheckout, attempts=attempts, gateway=gateway, transactions=transactions, clock=clock
    )
    checkout_watcher = providers.Singleton(
        CheckoutWatcher,
        look_at_checkout=look_at_checkout,
        pace=pace,
        on_look=reread_worker.provided.wake,
    )

    decide_events = providers.Singleton(
        DecideEvents,
        transactions=transactions,
        failed_events=failed_events,
        catalogue=settings.provided.catalogue,
        clock=clock,
        alarm=alarm,
        on_reread=reread_worker.provided.wake,
    )
    inbox = providers.Singleton(GroupCommit, decide_events)

    authenticate = providers.Singleton(Authenticate, accounts=accounts)
    read_billing = providers.Singleton(ReadBilling, watch=checkout_watcher)
    receive_webhook = providers.Singleton(
        ReceiveWebhook, reader=reader, inbox=inbox, failed_events=failed_events, clock=clock, alarm=alarm
    )
    start_checkout = providers.Singleton(
        StartCheckout,
        accounts=accounts,
        customers=customers,
        attempts=attempts,
        transactions=transactions,
        customer_gateway=gateway,
        checkout_gateway=gateway,
        subscription_gateway=gateway,
        catalogue=settings.provided.catalogue,
        addresses=settings.provided.checkout,
        clock=clock,
        secrets=secrets,
    )
    open_portal = providers.Singleton(
        OpenPortal, accounts=accounts, customers=customers, transactions=transactions, gateway=gateway, clock=clock
    )
    use_cases = providers.Singleton(
        UseCases,
        authenticate=authenticate,
        read_billing=read_billing,
        start_checkout=start_checkout,
        open_portal=open_portal,
    )
    manage_accounts = providers.Singleton(
        ManageAccounts, accounts=accounts, api_keys=api_keys, clock=clock, secrets=secrets
    )


def connect(container: Container, database: SqlDatabase) -> None:
    """Give an open database to everything that needs one, and check that nothing is missing by then."""
    container.override_providers(database=providers.Object(database))
    container.check_dependencies()


def prepare(container: Container) -> None:
    """Build everything that handlers will ask for."""
    container.use_cases()
    container.receive_webhook()


def handler_dependencies(container: Container) -> Mapping[str, Provide]:
    """Answer what the handlers ask for, by the name they ask by."""

    def provide_use_cases() -> UseCases:
        return container.use_cases()

    # They are the same for every request.
    return {"use_cases": Provide(provide_use_cases, use_cache=True, sync_to_thread=False)}
