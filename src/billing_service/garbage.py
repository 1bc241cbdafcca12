"""The interpreter's garbage collection, set up for a process that has much for good and makes much for a moment.

By default every few thousand requests stop for some 80 ms, while everything that was imported is looked through once
more. It is never garbage.
"""

import gc

YOUNG_OBJECTS = 50_000
"""How many more objects must have been made than freed before the youngest are looked through: a few large batches."""
YOUNG_ROUNDS = 20
MIDDLE_ROUNDS = 50
"""How many times the younger generation is looked through before the next older one is, too."""


def settle_garbage() -> None:
    """Take everything there is by now out of the collector's sight, and have it look less often.

    Whatever is in no reference cycle is freed at once, as ever: only cycles wait.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_ROUNDS, MIDDLE_ROUNDS)
