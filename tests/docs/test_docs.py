"""What the documents say is what there is."""

import re
from pathlib import Path

from billing.idempotency import Alert
from billing_service import settings
from billing_stripe import SUBSCRIBED_EVENTS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_readme_lists_every_event_to_subscribe_to() -> None:
    """Whoever sets up the endpoint from the README subscribes to exactly what the reader understands."""
    listed = dict(re.findall(r"^\s+\| `([a-z_.]+)` \| (.+) \|$", README, re.MULTILINE))
    assert listed == {type_: event.reason for type_, event in SUBSCRIBED_EVENTS.items()}


def test_the_readme_lists_every_setting() -> None:
    """Every variable that the code reads is in the README, and no other but those of the tests."""
    source = Path(settings.__file__).read_text()
    named = set(re.findall(r"BILLING_[A-Z_]+[A-Z]", README.replace("BILLING_PRICE_*", "")))
    assert {name for name in named if not name.startswith(("BILLING_TEST_", "BILLING_HYPOTHESIS_"))} == set(
        re.findall(r'"(BILLING_[A-Z_]+)"', source)
    )


def test_every_alert_has_something_to_do() -> None:
    """The operator's guide has a row for each kind of alert."""
    text = (ROOT / "docs" / "operations.md").read_text()
    listed = set(re.findall(r"^\| `(\w+)` \| ", text, re.MULTILINE))
    assert listed == {alert.value for alert in Alert}


def test_every_link_between_documents_leads_somewhere() -> None:
    """Relative links and images in the documents name files that are there."""
    broken = [
        (document.name, target)
        for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text())
        if not (document.parent / target).exists()
    ]
    assert broken == []
