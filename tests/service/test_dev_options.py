"""What `billing dev` refuses and forgets, without starting it."""

from pathlib import Path

from click.testing import CliRunner

from billing_service.cli.dev import FORGET_PURCHASES, dev
from billing_sql.tables import metadata


def test_a_reset_forgets_each_table_but_the_accounts_and_their_keys() -> None:
    """A table that is added must be forgotten, too."""
    forgotten = {words[2] for words in (statement.split() for statement in FORGET_PURCHASES) if words[0] == "DELETE"}
    assert forgotten == set(metadata.tables) - {"accounts", "api_keys"}


def test_one_port_for_both_is_refused_in_its_own_words(tmp_path: Path) -> None:
    """Two equal ports are no "address already in use": nobody else has it."""
    ran = CliRunner().invoke(dev, ["--port", "4711", "--stripe-port", "4711", "--folder", str(tmp_path)])
    assert ran.exit_code == 2
    assert "are the same" in ran.output
