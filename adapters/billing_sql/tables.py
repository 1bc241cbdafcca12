"""The tables, the same on both databases.

What an unknown future may need to store is not checked here: statuses, tiers, outcomes and kinds of alerts are text.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

from billing_sql.column_types import EpochMicroseconds, EpochSeconds, StatusSlug, TierSlug

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", Text, primary_key=True),
    # Lower-case.
    Column("email", Text, nullable=False, unique=True),
    Column("name", Text),
    Column("created_at", EpochSeconds, nullable=False),
    # The standing, worked out from the subscriptions and written in their transaction: a read model for the one
    # query that must be fast.
    Column("plan_tier", TierSlug, nullable=False),
    Column("status", StatusSlug),
    Column("current_period_end", EpochSeconds),
    Column("cancel_at_period_end", Boolean),
    # Counts what was written about the account's subscriptions, so that whoever read them without a lock can tell
    # whether they are still the same. On SQLite nobody does, and only the standing's changes are counted.
    Column("version", BigInteger, nullable=False, server_default="0"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("hash", Text, nullable=False, unique=True),
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("created_at", EpochSeconds, nullable=False),
    Column("revoked_at", EpochSeconds),
)

customers = Table(
    "customers",
    metadata,
    Column("account_id", Text, ForeignKey("accounts.id"), primary_key=True),
    Column("generation", Integer, primary_key=True, autoincrement=False),
    # Null until Stripe has answered.
    Column("customer_id", Text, unique=True),
    Column("email", Text, nullable=False),
    Column("name", Text),
    Column("is_deleted", Boolean, nullable=False),
)

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("customer_id", Text, nullable=False),
    Column("tier", TierSlug, nullable=False),
    Column("status", StatusSlug, nullable=False),
    Column("period_end", EpochSeconds),
    Column("cancel_at_period_end", Boolean, nullable=False),
    Column("started_at", EpochSeconds, nullable=False),
    Column("as_of", EpochSeconds),
    Column("version", BigInteger, nullable=False),
    Column("read_at", EpochSeconds),
)

events = Table(
    "events",
    metadata,
    Column("id", Text, primary_key=True),
    Column("type", Text, nullable=False),
    Column("created", EpochSeconds, nullable=False),
    Column("received_at", EpochMicroseconds, nullable=False),
    Column("outcome", Text, nullable=False),
    # No foreign keys: this is a log of what was said and decided, and checking each line would only cost.
    Column("account_id", Text),
    Column("subscription_id", Text),
    Column("payload", LargeBinary, nullable=False),
)

failed_events = Table(
    "failed_events",
    metadata,
    Column("id", Text, primary_key=True),
    Column("type", Text, nullable=False),
    Column("created", EpochSeconds, nullable=False),
    Column("reason", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("first_seen", EpochMicroseconds, nullable=False),
    Column("last_seen", EpochMicroseconds, nullable=False),
)

rereads = Table(
    "rereads",
    metadata,
    # No foreign key: a re-read may be asked for a subscription that is not held yet.
    Column("subscription_id", Text, primary_key=True),
    Column("due_at", EpochMicroseconds, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("lease", Text),
    Column("leased_until", EpochMicroseconds),
    Index(None, "due_at"),
    Index(None, "leased_until"),
)

checkout_attempts = Table(
    "checkout_attempts",
    metadata,
    # The primary key is the reservation: one attempt per account.
    Column("account_id", Text, ForeignKey("accounts.id"), primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    # Null until Stripe has answered.
    Column("session_id", Text, unique=True),
    Column("customer_id", Text, nullable=False),
    Column("tier", TierSlug, nullable=False),
    Column("price_id", Text, nullable=False),
    Column("success_url", Text, nullable=False),
    Column("cancel_url", Text, nullable=False),
    Column("created_at", EpochSeconds, nullable=False),
    Column("expires_at", EpochSeconds, nullable=False),
)

alerts = Table(
    "alerts",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("first_seen", EpochMicroseconds, nullable=False),
    Column("last_seen", EpochMicroseconds, nullable=False),
    Column("count", BigInteger, nullable=False),
)
