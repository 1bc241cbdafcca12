"""The `stripe-sandbox` command, as a person starts and stops it."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from stripe_sandbox.cli import main


def start(*options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "stripe_sandbox", "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said_until_ready(process: subprocess.Popen[str]) -> str:
    """What the program says until it is there."""
    assert process.stdout is not None
    said: list[str] = []
    while not (said and said[-1].startswith("Ready on http://")):
        line = process.stdout.readline()
        assert line, said
        said.append(line)
    return "".join(said)


@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM])
def test_it_says_what_it_does_and_stops_cleanly(name: signal.Signals) -> None:
    """On a signal the program ends with code 0, having said where it was, what it sold and whom it told."""
    process = start(
        "--price=pro=2900:price_pro",
        "--price=pro_yearly=29000/year",
        "--webhook-url=http://127.0.0.1:9/hook",
        "--webhook-secret=whsec_secret",
        "--webhook-events=checkout.session.completed, invoice.paid",
    )
    said = said_until_ready(process)
    process.send_signal(name)
    rest, errors = process.communicate(timeout=20)
    text = said + rest
    assert (process.returncode, errors) == (0, "")
    assert "price_pro: €29.00 a month" in text
    assert "lookup key pro_yearly: €290.00 a year" in text
    assert "http://127.0.0.1:9/hook (checkout.session.completed, invoice.paid)" in text
    assert "whsec_secret" not in text
    assert text.endswith("Stopped.\n")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--currency=JPY", "--price=pro=2900:price_pro"], "price_pro: ¥2,900 a month"),
        (["--host=::1"], "Ready on http://[::1]:"),
        (["--host=0.0.0.0", "--public-url=http://localhost:7"], "CAUTION    others on the network can use it"),
        (["--host=0.0.0.0", "--public-url=http://localhost:7"], "Ready on http://localhost:7 "),
    ],
)
def test_what_it_says_is_so(options: list[str], words: str) -> None:
    """Amounts are those of the currency, addresses are ones that a browser opens, and openness is warned of."""
    process = start(*options)
    said = said_until_ready(process)
    process.terminate()
    process.communicate(timeout=20)
    assert words in said


def test_a_price_that_was_kept_is_told_as_it_is(tmp_path: Path) -> None:
    """Prices do not change: with another amount for a known id, the kept one is named."""
    said = ""
    for amount in ("2900", "3900"):
        process = start(f"--database={tmp_path / 'world.db'}", f"--price=pro={amount}:price_pro")
        said = said_until_ready(process)
        process.terminate()
        process.communicate(timeout=20)
    assert "price_pro: €29.00 a month (kept from before, not €39.00)" in said


def test_help_explains_every_option() -> None:
    """`--help` shows each option with a sentence and its default."""
    shown = CliRunner().invoke(main, ["--help"])
    assert shown.exit_code == 0
    for option in main.params:
        assert option.opts[-1] in shown.output
    assert "12111" in shown.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--price", "pro"], "not of the form"),
        (["--price", "pro=ten"], "not of the form"),
        (["--price", "pro=10/fortnight"], "not of the form"),
        (["--price", "pro=²"], "not of the form"),
        (["--price", "pro=123456789012"], "not of the form"),
        (["--currency", "euro"], "Invalid currency: euro"),
        (["--host", "0.0.0.0"], "--public-url"),  # noqa: S104  # it is refused
        (["--host", "::"], "--public-url"),
        (["--port", "70000"], "70000"),
        (["--webhook-url", "http://127.0.0.1:9"], "go together"),
        (["--webhook-secret", "whsec_x"], "go together"),
        (["--api-version", "newest"], "Invalid Stripe API version"),
        (
            ["--webhook-url=http://x", "--webhook-secret=whsec_x", "--webhook-api-version=2020"],
            "Invalid Stripe API version",
        ),
        (["--database", ""], "name a file"),
    ],
)
def test_mistakes_are_explained(options: list[str], message: str) -> None:
    """A wrong option ends the program with a sentence that says what is wrong."""
    refused = CliRunner().invoke(main, ["--port", "0", *options])
    assert refused.exit_code != 0
    assert message in refused.output


def test_a_taken_port_is_explained() -> None:
    """When something listens on the port already, the program says so and ends with code 1."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        refused = CliRunner().invoke(main, ["--port", str(other.getsockname()[1])])
    assert (refused.exit_code, "Cannot listen" in refused.output) == (1, True)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"no database " * 200, "not a database"), (b"SQLite format 3\0" + b"\x10\xff" * 2_000, "database")],
    ids=["text", "a database's head"],
)
def test_a_broken_database_is_explained(tmp_path: Path, content: bytes, message: str) -> None:
    """A file that is no database ends the program with a sentence and code 1, and is left as it is."""
    file = tmp_path / "world.db"
    file.write_bytes(content)
    process = start("--database", str(file))
    said, errors = process.communicate(timeout=20)
    assert (process.returncode, said) == (1, "")
    assert errors.startswith(f"Error: Cannot use {file} as the sandbox's database: ")
    assert message in errors
    assert "Traceback" not in errors
    assert file.read_bytes() == content
