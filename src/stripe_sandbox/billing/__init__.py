"""What happens to sessions, subscriptions and invoices: functions over the world, used by every way in."""
