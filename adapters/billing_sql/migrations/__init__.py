"""The migrations, run by `billing_sql.migrate`."""
