"""https://docs.stripe.com/api/customer_portal."""

from typing import Any, Final, cast

from stripe_sandbox.api.errors import ApiError, missing_parameter
from stripe_sandbox.api.lists import equal, page_of
from stripe_sandbox.api.operation import Call, Operation, operation
from stripe_sandbox.api.params import (
    PAGE,
    array,
    boolean,
    choice,
    clearable,
    group,
    ignored,
    integer,
    metadata,
    text,
    unsupported,
    url,
)
from stripe_sandbox.billing.portal import CONFIGURATION
from stripe_sandbox.objects.portal import portal_configuration, portal_session
from stripe_sandbox.objects.subscription import ENDED
from stripe_sandbox.resource import Resource, part, snapshot
from stripe_sandbox.resources.common import LOCALES, assign, fresh_metadata, live_customer, merge_metadata
from stripe_sandbox.world.world import World

_FLOWS: Final = (
    "customer_update",
    "payment_method_update",
    "subscription_cancel",
    "subscription_pause",
    "subscription_update",
    "subscription_update_confirm",
)
_SUBSCRIPTION_FLOWS: Final = _FLOWS[2:]
_FLOW_DEFAULTS: Final[dict[str, Resource]] = {
    "subscription_cancel": {"retention": None},
    "subscription_update_confirm": {"discounts": None},
}


def default_configuration(world: World) -> Resource:
    """The account's default; Stripe refuses portal sessions where nobody has ever saved one."""
    for row in world.rows(CONFIGURATION).values():
        if row["is_default"]:
            return row
    if not world.config.portal_configuration:
        raise ApiError(
            "No configuration provided and your test mode default configuration has not been created. Provide a "
            "configuration or create your default by saving your customer portal settings in test mode."
        )
    row = portal_configuration(world.ids.long("bpc"), created=world.now(), is_default=True)
    world.put(row)
    return row


def _create_session(world: World, call: Call) -> Resource:
    params = call.params
    customer = live_customer(world, params["customer"])
    named = params.get("configuration")
    configuration = (
        default_configuration(world) if named is None else world.get(CONFIGURATION, named, param="configuration")
    )
    session_id = world.ids.long("bps")
    row = portal_session(
        session_id,
        configuration_id=configuration["id"],
        customer_id=customer["id"],
        url=f"{world.config.base_url}/portal/{session_id}",
        created=world.now(customer["test_clock"]),
    )
    assign(row, params, "locale")
    row["return_url"] = params.get("return_url") or configuration["default_return_url"]
    row["flow"] = _flow(world, customer, configuration, params.get("flow_data"))
    world.emit("billing_portal.session.created", row)
    return row


def _flow(world: World, customer: Resource, configuration: Resource, given: dict[str, Any] | None) -> Resource | None:
    """A page for one thing: https://docs.stripe.com/customer-management/portal-deep-links."""
    if given is None:
        return None
    kind: str = given["type"]
    details: Resource = given.get(kind) or {}
    _check_offered(configuration, kind)
    if kind in _SUBSCRIPTION_FLOWS:
        if "subscription" not in details:
            raise missing_parameter(f"flow_data[{kind}][subscription]")
        _check_subscription(world, customer, details["subscription"], param=f"flow_data[{kind}][subscription]")
    for item in details.get("items", []):
        if item.get("price") is not None:
            world.get("price", item["price"], param=f"flow_data[{kind}][items][0][price]")
    flow: Resource = dict.fromkeys(_SUBSCRIPTION_FLOWS)
    completion = {"type": "portal_homepage", "redirect": None, "hosted_confirmation": None}
    flow.update(after_completion={**completion, **given.get("after_completion", {})}, type=kind)
    if kind in flow:
        flow[kind] = {**_FLOW_DEFAULTS.get(kind, {}), **details}
    return flow


def _check_offered(configuration: Resource, kind: str) -> None:
    """A flow to what the portal does not offer would lead nowhere."""
    feature = "subscription_update" if kind == "subscription_update_confirm" else kind
    if not configuration["features"][feature]["enabled"]:
        raise ApiError(
            f"This session cannot be created because the `{feature}` feature in the portal configuration is disabled.",
            param="flow_data[type]",
        )


def _check_subscription(world: World, customer: Resource, subscription_id: str, *, param: str) -> None:
    row = world.get("subscription", subscription_id, param=param)
    if row["customer"] != customer["id"]:
        raise ApiError(f"The subscription {subscription_id} is not one of the customer's.", param=param)
    if row["status"] in ENDED:
        raise ApiError(f"The subscription {subscription_id} has ended: it is {row['status']}.", param=param)


def _create_configuration(world: World, call: Call) -> Resource:
    row = portal_configuration(world.ids.long("bpc"), created=world.now(), is_default=False)
    row["metadata"] = fresh_metadata(call.params)
    _apply(world, row, call.params)
    world.emit("billing_portal.configuration.created", row)
    return row


def _apply(world: World, row: Resource, params: dict[str, Any]) -> None:
    assign(row, params, "active", "default_return_url", "name")
    if "mode" in part(params, "features", "subscription_cancel"):
        world.keep(row["id"], cancel_mode_chosen=True)
    for name in ("business_profile", "features"):
        _merge(row[name], params.get(name, {}))


def _merge(target: Resource, changes: dict[str, Any]) -> None:
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(target.get(name), dict):
            _merge(target[name], cast("Resource", value))
        else:
            target[name] = value


def _update_configuration(world: World, call: Call) -> Resource:
    row = world.get(CONFIGURATION, call.target)
    before = snapshot(row)
    if "metadata" in call.params:
        merge_metadata(row, call.params["metadata"])
    _apply(world, row, call.params)
    if row != before:
        row["updated"] = world.now()
        world.emit("billing_portal.configuration.updated", row, before=before)
    return row


def _retrieve_configuration(world: World, call: Call) -> Resource:
    return world.get(CONFIGURATION, call.target)


def _list_configurations(world: World, call: Call) -> Resource:
    return page_of(world, call, CONFIGURATION, lambda row: equal(call.params, row, "active", "is_default"))


_FEATURES: Final = group(
    customer_update=group(enabled=boolean(), allowed_updates=array(text())),
    invoice_history=group(enabled=boolean()),
    payment_method_update=group(enabled=boolean(), unused=("payment_method_configuration",)),
    subscription_cancel=group(
        enabled=boolean(),
        mode=choice("at_period_end", "immediately"),
        proration_behavior=choice("always_invoice", "create_prorations", "none"),
        cancellation_reason=group(enabled=boolean(), options=array(text()), unused=("feedback_options",)),
    ),
    subscription_pause=group(enabled=boolean(), unused=("duration",)),
    subscription_update=group(
        enabled=boolean(),
        default_allowed_updates=array(choice("price", "promotion_code", "quantity")),
        products=array(
            group(required=("product", "prices"), product=text(), prices=array(text()), unused=("adjustable_quantity",))
        ),
        proration_behavior=choice("always_invoice", "create_prorations", "none"),
        unused=(
            "billing_cycle_anchor",
            "schedule_at_period_end",
            "trial_update_behavior",
        ),
    ),
)
_CONFIGURATION: Final = {
    "business_profile": group(headline=text(), privacy_policy_url=text(), terms_of_service_url=text()),
    "default_return_url": url(),
    "features": _FEATURES,
    "metadata": metadata(),
    "name": text(),
    **ignored("login_page"),
}
_SUBSCRIPTION_FLOW: Final = group(required=("subscription",), subscription=text(clearable=False))
_FLOW: Final = group(
    required=("type",),
    type=choice(*_FLOWS),
    after_completion=group(
        required=("type",),
        type=choice("hosted_confirmation", "portal_homepage", "redirect"),
        hosted_confirmation=group(custom_message=text(longest=500)),
        redirect=group(required=("return_url",), return_url=text(clearable=False)),
    ),
    subscription_cancel=group(unsupported("retention"), required=("subscription",), subscription=text(clearable=False)),
    subscription_pause=_SUBSCRIPTION_FLOW,
    subscription_update=_SUBSCRIPTION_FLOW,
    subscription_update_confirm=group(
        unsupported("discounts"),
        required=("items", "subscription"),
        subscription=text(clearable=False),
        items=array(
            group(required=("id",), id=text(clearable=False), price=text(clearable=False), quantity=integer(least=0)),
            most=1,
        ),
    ),
)
OPERATIONS: Final[tuple[Operation, ...]] = (
    operation(
        "POST",
        "/v1/billing_portal/sessions",
        _create_session,
        required=("customer",),
        params={
            "configuration": text(clearable=False),
            "customer": text(clearable=False),
            "flow_data": _FLOW,
            "locale": clearable(choice(*LOCALES)),
            "return_url": url(),
            **ignored("after_expiration", "customer_account", "on_behalf_of"),
        },
    ),
    operation(
        "POST",
        "/v1/billing_portal/configurations",
        _create_configuration,
        required=("features",),
        params=_CONFIGURATION,
    ),
    operation(
        "GET",
        "/v1/billing_portal/configurations",
        _list_configurations,
        params={**PAGE, "active": boolean(), "is_default": boolean()},
    ),
    operation("GET", "/v1/billing_portal/configurations/{id}", _retrieve_configuration),
    operation(
        "POST",
        "/v1/billing_portal/configurations/{id}",
        _update_configuration,
        params={**_CONFIGURATION, "active": boolean()},
    ),
)
