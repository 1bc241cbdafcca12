"""The time line of events, and each attempt to deliver them."""

from itertools import islice
from typing import Final

import msgspec
from litestar import Response

from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.pages.frame import button, page, section, spread
from stripe_sandbox.pages.markup import Child, Markup, tag
from stripe_sandbox.pages.words import badge, clock_time
from stripe_sandbox.resource import Resource
from stripe_sandbox.resources.webhook_endpoints import ENDPOINT
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.webhooks.attempts import Attempt
from stripe_sandbox.webhooks.envelope import envelope

_SHOWN: Final = 20
_OPEN: Final = 8
"""So many events are open, and the others folded: all of them would push the rest of a phone's page far down."""
_ATTEMPTS_SHOWN: Final = 3
_OK: Final = range(200, 300)


def time_line(sandbox: Sandbox, *, before: str | None, refresh: bool) -> Markup:
    """The newest events, or those older than `before`."""
    table = sandbox.world.store.table("event")
    if before is not None and before not in table:
        raise ApiError(f"No such event: '{before}'", status=404)
    records = list(islice(table.newest_first(before=before), _SHOWN + 1))
    log = sandbox.deliverer.attempts
    addressed = len(sandbox.world.rows(ENDPOINT)) > 1
    rows = [_entry(record, log.of(record["id"]), addressed=addressed) for record in records[:_SHOWN]]
    further = records[_SHOWN - 1]["id"] if len(records) > _SHOWN else None
    return section(
        "Events",
        _reading(refresh=refresh, before=before),
        tag("ol", *rows[:_OPEN], class_="rows") if rows else tag("p", "Nothing has happened yet.", class_="soft"),
        _folded(rows[_OPEN:], unfolded=refresh or before is not None),
        tag("p", tag("a", "Older events", href=f"/?before={further}#events", class_="button")) if further else None,
        key="events",
    )


def _folded(rows: list[Markup], *, unfolded: bool) -> Markup | None:
    """The rows that are not read first; who pages back has come for them."""
    if not rows:
        return None
    summary = tag("summary", f"{len(rows)} more events")
    return tag("details", summary, tag("ol", *rows, class_="rows", start=_OPEN + 1), open=unfolded)


def _reading(*, refresh: bool, before: str | None) -> Markup:
    if before is not None:
        return tag("p", tag("a", "Back to the newest events", href="/#events"))
    if refresh:
        return tag("p", "Newest first, read again every 5 seconds. ", tag("a", "Stop that", href="/#events"))
    return tag("p", "Newest first. ", tag("a", "Read again every 5 seconds", href="/?refresh=true#events"))


def _entry(record: Resource, attempts: list[Attempt], *, addressed: bool) -> Markup:
    hidden = len(attempts) - _ATTEMPTS_SHOWN
    title = tag("h3", tag("a", record["type"], href=f"/event/{record['id']}", class_="code"))
    return tag(
        "li",
        spread(title, tag("span", clock_time(record["created"]), class_="small soft")),
        tag("p", str(record["object"].get("id", "")), class_="code soft"),
        tag("p", f"{hidden} earlier attempts", class_="small soft") if hidden > 0 else None,
        _attempt_list(attempts[-_ATTEMPTS_SHOWN:], addressed=addressed),
        tag("div", *_states(record), _resend(record), class_="row"),
    )


def _resend(record: Resource) -> Markup | None:
    if not record["deliveries"]:
        return None
    action = f"/control/events/{record['id']}/resend"
    return button(action, "Send again", look="plain small", says=f"Send again: {record['type']}")


def _states(record: Resource) -> list[Child]:
    states: list[str] = list(record["deliveries"].values())
    return [badge(state) for state in states] or [tag("span", "No endpoint listened", class_="small soft")]


def _attempt_list(attempts: list[Attempt], *, addressed: bool) -> Markup | None:
    if not attempts:
        return None
    return tag("ul", *(_attempt(attempt, addressed=addressed) for attempt in attempts), class_="attempts small")


def _attempt(attempt: Attempt, *, addressed: bool) -> Markup:
    """One try and its answer; `addressed` says where it went, which is clear when there is one endpoint."""
    tone = "good" if attempt.status in _OK else "bad"
    words = attempt.body if attempt.error is None else attempt.error
    return tag(
        "li",
        tag("span", str(attempt.status or "No answer"), class_=f"badge {tone}"),
        f" Attempt {attempt.attempt}, {attempt.duration_ms:.0f} ms" if attempt.attempt else " Not sent",
        tag("span", " to ", tag("span", attempt.url, class_="code")) if addressed and attempt.url else None,
        tag("span", ": ", tag("code", words), class_="soft") if words else None,
        tag("span", ". Next at ", clock_time(attempt.next_attempt_at)) if attempt.next_attempt_at else None,
    )


def show_event(sandbox: Sandbox, record: Resource) -> Response[str]:
    """One event with its payload, in the version of the account, and all attempts."""
    attempts = sandbox.deliverer.attempts.of(record["id"])
    payload = msgspec.json.format(msgspec.json.encode(envelope(record, record["api_version"])), indent=2).decode()
    resend = button(f"/control/events/{record['id']}/resend", "Send again", look="main")
    return page(
        record["type"],
        tag("p", tag("a", "Control room", href="/#events")),
        tag(
            "div", tag("h1", record["type"]), tag("p", record["id"], ", ", clock_time(record["created"]), class_="soft")
        ),
        section(
            "Deliveries",
            tag("p", *_states(record)),
            _attempt_list(attempts, addressed=True),
            resend if record["deliveries"] else None,
            key="deliveries",
        ),
        section("Payload", tag("pre", tag("code", payload), tabindex="0"), key="payload"),
    )
