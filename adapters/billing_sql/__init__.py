"""The store on SQLite or PostgreSQL: SQLAlchemy Core tables, repositories, unit of work, migrations."""

from billing_sql.accounts import SqlAccounts, SqlApiKeys
from billing_sql.checkouts import SqlCheckoutAttempts, SqlCustomers
from billing_sql.database import SqlDatabase
from billing_sql.dialects.engine import Limits
from billing_sql.errors import DatabaseUnusable, SchemaAhead, SchemaBehind, SchemaMismatch
from billing_sql.queues import SqlFailedEvents, SqlRereadQueue
from billing_sql.transactions import SqlTransactions, SqlUnitOfWork

__all__ = [
    "DatabaseUnusable",
    "Limits",
    "SchemaAhead",
    "SchemaBehind",
    "SchemaMismatch",
    "SqlAccounts",
    "SqlApiKeys",
    "SqlCheckoutAttempts",
    "SqlCustomers",
    "SqlDatabase",
    "SqlFailedEvents",
    "SqlRereadQueue",
    "SqlTransactions",
    "SqlUnitOfWork",
]
