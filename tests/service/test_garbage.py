"""The garbage collector of a worker process."""

import subprocess
import sys

STATE = """
import gc
from billing_service import asgi
from billing_service.garbage import YOUNG_OBJECTS, settle_garbage
settle_garbage()
print(gc.get_freeze_count() > 50_000, gc.get_threshold()[0] == YOUNG_OBJECTS, gc.isenabled())
"""


def test_what_was_imported_is_out_of_sight_and_cycles_are_still_collected() -> None:
    """After it is settled, the collector looks at what requests leave behind, and at nothing that is there for good."""
    said = subprocess.run([sys.executable, "-c", STATE], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.split() == ["True", "True", "True"]
