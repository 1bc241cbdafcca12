"""The control room's forms: clock, delivery, faults, endpoints, reset."""

from typing import Final, get_args

from stripe_sandbox.api.faults import Fault, Kind
from stripe_sandbox.pages.control_actions import NUMBERS, SWITCHES
from stripe_sandbox.pages.frame import button, section, select, spread
from stripe_sandbox.pages.markup import Markup, tag
from stripe_sandbox.pages.words import badge, clock_time
from stripe_sandbox.resource import Resource
from stripe_sandbox.resources.webhook_endpoints import ENDPOINT, secrets_of
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.timesteps import next_renewal
from stripe_sandbox.webhooks.settings import DeliverySettings
from stripe_sandbox.world.world import World

_DAY_SECONDS: Final = 86_400
_FAULTS: Final = {
    "latency": "Slow answers",
    "drop_before": "Cut the connection before the change",
    "drop_after": "Cut the connection after the change",
    "too_many_requests": "429, too many requests",
    "stored_500": "500, stored under the idempotency key",
    "key_in_use": "409, idempotency key in use",
    "not_json": "An answer that is not JSON",
    "rate_limit": "A limit of requests a second",
}


def clock(world: World) -> Markup:
    """What time it is in the world, and buttons to move it."""
    ahead = world.clock.offset_seconds
    due = next_renewal(world)
    steps = {"day": "Advance a day", "renewal": "Advance to the next renewal", "month": "Advance a month"}
    if due is None:
        del steps["renewal"]
    moved = tag("div", *(button("/control/clock", words, step=step) for step, words in steps.items()), class_="row")
    facts = tag(
        "dl",
        *(tag("dt", "In here it is"), tag("dd", clock_time(world.clock.now()), class_="strong")),
        *((tag("dt", "Ahead by"), tag("dd", f"{ahead / _DAY_SECONDS:.1f} days")) if ahead else ()),
        *((tag("dt", "Next renewal"), tag("dd", clock_time(due))) if due else ()),
        class_="facts",
    )
    return section("Clock", spread(facts, moved), key="clock")


def connection(sandbox: Sandbox) -> Markup:
    """What a program needs to talk to this sandbox."""
    facts = {
        "API base": sandbox.config.base_url,
        "API key": sandbox.config.api_key,
        "API version": sandbox.config.api_version,
    }
    rows = [(tag("dt", name), tag("dd", value, class_="code")) for name, value in facts.items()]
    return section("Connect", tag("dl", *rows, class_="facts"), key="connect")


def endpoints(world: World) -> Markup:
    """Where webhooks go."""
    rows = [_endpoint(world, row) for row in world.rows(ENDPOINT).values()]
    nothing = tag("p", "No endpoint is registered: nobody hears of events.", class_="soft")
    return section("Webhook endpoints", tag("ul", *rows, class_="rows") if rows else nothing, key="endpoints")


def _endpoint(world: World, row: Resource) -> Markup:
    secrets = tag("ul", *(tag("li", secret, class_="code") for secret in secrets_of(world, row["id"])))
    roll = button(
        f"/control/webhook_endpoints/{row['id']}/roll_secret",
        "Roll the secret",
        says=f"Roll the secret of {row['url']}",
    )
    return tag(
        "li",
        tag("h3", row["url"], class_="code"),
        tag("p", badge(row["status"]), " ", ", ".join(row["enabled_events"]).replace("*", "all events")),
        tag("details", tag("summary", "Signing secret"), tag("div", secrets, roll, class_="stack")),
        class_="stack",
    )


def delivery(settings: DeliverySettings) -> Markup:
    """Disorder on demand."""
    ticks = [
        tag(
            "label",
            tag("input", type="checkbox", name=name, value="true", checked=bool(getattr(settings, name))),
            words,
            class_="tick",
        )
        for name, words in SWITCHES.items()
    ]
    numbers = [_number(settings, name, words) for name, words in NUMBERS.items()]
    form = tag(
        "form",
        tag("fieldset", tag("legend", "What goes wrong"), *ticks),
        tag("div", *numbers, _mode(settings), class_="fields"),
        _text("types", "Only events of these types (empty: all)", ", ".join(settings.types), key="delivery-types"),
        tag("button", "Deliver like this", class_="main"),
        method="post",
        action="/control/delivery",
        class_="stack",
    )
    return section("Webhook disorder", form, button("/control/delivery/restore", "Back to good order"), key="delivery")


def _number(settings: DeliverySettings, name: str, words: str) -> Markup:
    return _text(
        name, words, f"{getattr(settings, name):g}", key=f"delivery-{name}", type_="number", step="any", min_="0"
    )


def _mode(settings: DeliverySettings) -> Markup:
    chosen = "" if settings.livemode is None else str(settings.livemode).lower()
    modes = {"": "The true one, test", "true": "Live", "false": "Test"}
    return select("Mode that events claim", "livemode", modes, key="delivery-livemode", chosen=chosen)


def _text(name: str, words: str, value: str = "", *, key: str, type_: str = "text", **attributes: str) -> Markup:
    field = tag("input", id=key, name=name, value=value, type=type_, **attributes)
    return tag("div", tag("label", words, for_=key), field, class_="field")


def faults(active: list[Fault]) -> Markup:
    """What goes wrong with the API, and a form for more."""
    rows = [tag("li", _describe(fault)) for fault in active]
    standing = (
        tag("ul", *rows, class_="rows") if rows else tag("p", "None is set: the API answers well.", class_="soft")
    )
    clear = button("/control/faults/clear", "Clear all faults") if rows else None
    return section("API faults", standing, clear, _fault_form(), key="faults")


def _describe(fault: Fault) -> str:
    left = "until cleared" if fault.count is None or fault.kind == "rate_limit" else f"{fault.count} more"
    return f"{_FAULTS[fault.kind]}: {fault.method or 'any method'} {fault.path}…, {left}"


def _fault_form() -> Markup:
    kinds = {kind: _FAULTS[kind] for kind in get_args(Kind)}
    methods = {"": "Any method", "GET": "GET", "POST": "POST", "DELETE": "DELETE"}
    yes_no = {"": "No header", "true": "Yes", "false": "No"}
    more = (
        _text("latency_seconds", "Latency, seconds", key="fault-latency", type_="number", step="any", min_="0"),
        select("Stripe-Should-Retry of a 429", "should_retry", yes_no, key="fault-retry"),
        _text("retry_after_seconds", "Retry-After of a 429", key="fault-after", type_="number", min_="0"),
        _text("status", "Status when not JSON", key="fault-status", type_="number", min_="400", max_="599"),
        _text("per_second", "Requests a second", key="fault-rate", type_="number", min_="1"),
    )
    return tag(
        "form",
        select("What goes wrong", "kind", kinds, key="fault-kind"),
        tag(
            "div",
            select("Method", "method", methods, key="fault-method"),
            _text("path", "Path begins with", "/v1/", key="fault-path"),
            _text("count", "Times (empty: always)", "1", key="fault-count", type_="number", min_="1"),
            class_="fields",
        ),
        tag("details", tag("summary", "More settings"), tag("div", *more, class_="fields")),
        tag("button", "Set this fault", class_="main"),
        method="post",
        action="/control/faults",
        class_="stack",
    )


def reset() -> Markup:
    """The way back to the beginning, behind a second step."""
    sure = tag(
        "details",
        tag("summary", "Reset the sandbox…"),
        tag(
            "div",
            tag("p", "Customers, subscriptions, events and faults go; what the sandbox was started with stays."),
            button("/control/reset", "Reset everything", look="harm"),
            class_="stack",
        ),
    )
    return section("Begin anew", sure, key="reset")
