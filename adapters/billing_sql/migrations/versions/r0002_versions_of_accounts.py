"""Accounts count what is written about their subscriptions."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the count. Neither database rewrites its rows for a constant default."""
    op.add_column("accounts", sa.Column("version", sa.BigInteger, nullable=False, server_default="0"))


def downgrade() -> None:
    """Drop the count."""
    op.drop_column("accounts", "version")
