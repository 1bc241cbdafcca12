"""Where SQLite and PostgreSQL differ: how sets of values travel in one parameter, and what their errors mean.

How they are opened, and how a transaction runs on them, is in their engines' modules. Everything else is the same.
"""

from billing_sql.dialects.difference import Difference, Rows, Write
from billing_sql.dialects.postgresql import PostgresDifference
from billing_sql.dialects.sqlite import SqliteDifference

__all__ = ["Difference", "PostgresDifference", "Rows", "SqliteDifference", "Write"]
