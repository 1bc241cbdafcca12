"""What all pages have in common: sound HTML, usable without a mouse, with nothing loaded from anywhere."""

import re
from itertools import pairwise

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from stripe_sandbox.pages.markup import Markup, render, tag
from stripe_sandbox.pages.style import STYLE
from stripe_sandbox.pages.words import card_number, money, rhythm
from stripe_sandbox.testing import SandboxServer
from support.html_forms import Page, Visitor


@pytest.fixture
def all_pages(
    visitor: Visitor,
    box: SandboxServer,
    client: stripe.StripeClient,
    subscription: stripe.Subscription,
    portal_address: str,
) -> list[Page]:
    """One of each kind of page, with something on it."""
    box.control.fail_payment(subscription.id)
    session = client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "line_items": [{"price": "price_pro", "quantity": 1}],
            "success_url": "http://shop.test/thanks",
        }
    )
    box.control.flush()
    addresses = [
        "/",
        "/?did=advance",
        f"/event/{client.v1.events.list().data[0].id}",
        f"/invoice/{subscription.latest_invoice}",
        portal_address,
        f"{portal_address}/confirm_cancel?subscription={subscription.id}",
        str(session.url),
        f"{session.url}?refused=declined",
        f"{session.url}/authenticate?card=authentication",
        "/pay/cs_test_unknown",
    ]
    return [visitor.open(address) for address in addresses]


def test_headings_lead_from_one_top_step_by_step(all_pages: list[Page]) -> None:
    """Each page has one h1, which comes first, and no heading skips a level."""
    for page in all_pages:
        levels = [int(heading.name[1]) for heading in page.all("h1", "h2", "h3", "h4")]
        assert (levels[0], levels.count(1)) == (1, 1)
        assert all(after - before <= 1 for before, after in pairwise(levels))


def test_every_field_and_button_has_a_name(all_pages: list[Page]) -> None:
    """Each visible field has a label, each button words, and no two elements share an id."""
    for page in all_pages:
        labelled = {label.get("for") for label in page.all("label")}
        for element in page.all("input", "select"):
            if element.get("type") not in {"hidden", "checkbox"}:
                assert element.get("id") in labelled
        assert all(page.buttons)
        for button in page.all("button"):
            if said := button.get("aria-label"):
                assert said.startswith(button.words)
        ids = [element.get("id") for element in page.elements if element.get("id")]
        assert len(ids) == len(set(ids))
        for element in page.elements:
            if named := element.get("aria-labelledby"):
                assert named in ids


def test_pages_are_well_formed_and_say_their_language(all_pages: list[Page]) -> None:
    """Every element is closed where it belongs; each page has a language, a title and a width for phones."""
    for page in all_pages:
        assert page.html.startswith("<!doctype html>")
        assert page.unbalanced == []
        assert page.all("html")[0].get("lang") == "en"
        assert len(page.all("main")) == 1
        assert page.all("title")[0].text
        assert any(element.get("name") == "viewport" for element in page.all("meta"))


def test_nothing_is_loaded_and_nothing_runs(all_pages: list[Page]) -> None:
    """No page names a foreign asset or carries a script, and its policy forbids both."""
    for page in all_pages:
        assert not page.all("script", "img", "iframe")
        assert all(link.get("href").startswith("data:") for link in page.all("link"))
        assert "url(" not in page.html
        policy = page.response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none';")
        assert "unsafe" not in policy
        assert page.response.headers["cache-control"] == "no-store"


def test_messages_are_announced(all_pages: list[Page]) -> None:
    """What just happened is a status, what went wrong an alert."""
    assert [element.get("role") for element in all_pages[1].elements if element.get("role")] == ["status"]
    assert [element.get("role") for element in all_pages[7].elements if element.get("role")] == ["alert"]


def test_the_room_s_skip_link_leads_to_the_time_line(all_pages: list[Page]) -> None:
    """The first link of the control room goes to an element that is there."""
    room = all_pages[0]
    target = room.all("a")[0].get("href").removeprefix("#")
    assert target in [element.get("id") for element in room.elements]


def _luminance(colour: str) -> float:
    digits = colour.removeprefix("#")
    digits = "".join(letter * 2 for letter in digits) if len(digits) == 3 else digits
    channels = [int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    red, green, blue = (
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back", "least"),
    [
        ("ink", "ground", 4.5),
        ("ink", "card", 4.5),
        ("soft", "ground", 4.5),
        ("soft", "card", 4.5),
        ("accent", "card", 4.5),
        ("accent", "ground", 4.5),
        ("accent", "accent-soft", 4.5),
        ("accent-ink", "accent", 4.5),
        ("good", "good-soft", 4.5),
        ("bad", "bad-soft", 4.5),
        ("bad", "card", 4.5),
        ("wait", "wait-soft", 4.5),
        ("field", "card", 3),
    ],
)
def test_colours_contrast(scheme: int, front: str, back: str, least: float) -> None:
    """Text stands out by the 4.5 of WCAG's level AA, edges of fields by its 3, in both schemes."""
    palette = dict(re.findall(r"--([a-z-]+):(#[0-9a-f]{3,6})", STYLE.split(":root{")[scheme + 1]))
    lighter, darker = sorted((_luminance(palette[front]), _luminance(palette[back])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= least


@given(st.text(), st.text())
def test_text_never_becomes_markup(text: str, value: str) -> None:
    """Whatever a text or an attribute holds, it opens no tag and closes no quotation."""
    written = tag("p", text, title=value)
    inside = written.removeprefix("<p title=").removesuffix("</p>")
    assert (inside.count("<"), inside.count(">"), inside.count('"')) == (0, 1, 2)


def test_markup_is_put_together() -> None:
    """Children nest and flatten; flags, missing attributes and Python's own words are written as HTML has them."""
    assert (
        tag("a", ["x", None, tag("b", "&")], class_="c", aria_label="l")
        == '<a class="c" aria-label="l">x<b>&amp;</b></a>'
    )
    assert tag("input", checked=True, disabled=False, name=None, min=0) == '<input checked min="0">'
    assert render(Markup("<br>")) == "<br>"


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [
        (2900, "usd", "$29.00"),
        (-50, "eur", "-€0.50"),
        (123_456_789, "gbp", "£1,234,567.89"),
        (500, "jpy", "¥500"),
        (500, "krw", "500 KRW"),
        (1000, "chf", "10.00 CHF"),
    ],
)
def test_amounts_are_written_as_people_write_them(amount: int, currency: str, words: str) -> None:
    """An amount in the smallest unit becomes words, also where a currency has no smaller unit."""
    assert money(amount, currency) == words


@pytest.mark.parametrize(
    ("recurring", "words"),
    [
        ({"interval": "month", "interval_count": 1}, "a month"),
        ({"interval": "week", "interval_count": 2}, "every 2 weeks"),
        (None, ""),
    ],
)
def test_rhythms_are_words(recurring: dict[str, object] | None, words: str) -> None:
    """How often a price is charged is said in words."""
    assert rhythm({"recurring": recurring}) == words


def test_card_numbers_are_grouped() -> None:
    """A card's number is written in groups of four."""
    assert card_number("4242424242424242") == "4242 4242 4242 4242"
