"""The core's surroundings in memory: a store with real transactions, and a Stripe that follows a script.

They are held to the same contract tests as the real adapters. For tests and trials: nothing here outlives a process.
"""

from billing_memory.accounts import MemoryAccounts, MemoryApiKeys
from billing_memory.checkouts import MemoryCheckoutAttempts, MemoryCustomers
from billing_memory.gateway import Call, Gate, MemoryStripe
from billing_memory.queues import MemoryFailedEvents, MemoryRereadQueue
from billing_memory.store import MemoryStore
from billing_memory.surroundings import (
    NOON,
    MemoryAlarm,
    MemoryCheckoutWatch,
    MemoryClock,
    MemoryInbox,
    MemorySecrets,
)
from billing_memory.transactions import MemoryTransactions, MemoryUnitOfWork, NotWritable

__all__ = [
    "NOON",
    "Call",
    "Gate",
    "MemoryAccounts",
    "MemoryAlarm",
    "MemoryApiKeys",
    "MemoryCheckoutAttempts",
    "MemoryCheckoutWatch",
    "MemoryClock",
    "MemoryCustomers",
    "MemoryFailedEvents",
    "MemoryInbox",
    "MemoryRereadQueue",
    "MemorySecrets",
    "MemoryStore",
    "MemoryStripe",
    "MemoryTransactions",
    "MemoryUnitOfWork",
    "NotWritable",
]
