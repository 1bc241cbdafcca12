"""The document around every page, and the small parts that pages share."""

import base64
import hashlib
from typing import Final
from urllib.parse import urlsplit

from litestar import MediaType, Response
from litestar.response import Redirect
from litestar.status_codes import HTTP_303_SEE_OTHER

from stripe_sandbox.pages.markup import Child, Markup, tag
from stripe_sandbox.pages.style import STYLE

_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
_HEADERS: Final = {
    "Cache-Control": "no-store",
    # No script runs and nothing is loaded. Forms may lead anywhere: paying leads back to the shop.
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_ICON: Final = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Crect width='16' height='16' rx='4' fill='%234f46e5'/%3E"
    "%3Cpath d='M3 6h10v5H3z' fill='none' stroke='white' stroke-width='1.5'/%3E%3C/svg%3E"
)


def page(
    title: str,
    *body: Child,
    status: int = 200,
    width: str = "medium",
    brand: str = "Sandbox",
    skip_to: str | None = None,
    refresh_seconds: int | None = None,
) -> Response[str]:
    """An HTML document; the body brings its own `h1`. The width is "narrow", "medium" or "wide"."""
    head = (
        tag("meta", charset="utf-8"),
        tag("title", f"{title} - {brand}"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="refresh", content=refresh_seconds) if refresh_seconds else None,
        tag("link", rel="icon", href=_ICON),
        tag("style", Markup(STYLE)),
    )
    skip = tag("a", "Skip to the time line of events", class_="skip", href=skip_to) if skip_to else None
    document = tag(
        "html", tag("head", *head), tag("body", skip, _top(brand), tag("main", *body), class_=width), lang="en"
    )
    return Response(f"<!doctype html>{document}", media_type=MediaType.HTML, status_code=status, headers=_HEADERS)


def _top(brand: str) -> Markup:
    words = tag("span", "Sandbox: no money moves", class_="badge")
    return tag("header", tag("div", tag("span", brand, class_="brand"), words), class_="top")


def see_other(path: str) -> Redirect:
    """Answer a form so that reloading what comes next repeats nothing."""
    return Redirect(path, status_code=HTTP_303_SEE_OTHER)


def note(*text: Child, tone: str = "good") -> Markup:
    """A message about what has just happened; a bad one is told at once."""
    return tag("p", *text, class_=f"note {tone}".strip(), role="alert" if tone == "bad" else "status")


def section(title: str, *body: Child, key: str) -> Markup:
    """A card with a heading that names it."""
    heading = tag("h2", title, id=f"{key}-title")
    return tag("section", heading, *body, class_="card", id=key, aria_labelledby=f"{key}-title")


def button(action: str, label: Child, *, look: str | None = None, says: str | None = None, **fields: str) -> Markup:
    """A form of one button. `says` is for who cannot see what the button stands beside."""
    hidden = [tag("input", type="hidden", name=name, value=value) for name, value in fields.items()]
    pressed = tag("button", label, class_=look, aria_label=says)
    return tag("form", *hidden, pressed, method="post", action=action)


def select(label: str, name: str, options: dict[str, str], *, key: str, chosen: str | None = None) -> Markup:
    """A labelled choice; the options go from value to words."""
    rows = [tag("option", words, value=value, selected=value == chosen) for value, words in options.items()]
    return tag("div", tag("label", label, for_=key), tag("select", *rows, name=name, id=key), class_="field")


def web_link(address: str | None, label: str, *, look: str = "button") -> Markup | None:
    """A link to where a caller said, if that is a web page: other schemes could run scripts."""
    if address is None or urlsplit(address).scheme not in {"http", "https"}:
        return None
    return tag("a", label, href=address, class_=look)


def spread(*parts: Child, name: str = "div", look: str = "") -> Markup:
    """Parts that stand apart on one line; the space between them is for who reads without a style."""
    return tag(name, *((part, " ") for part in parts if part), class_=f"spread {look}".strip())
