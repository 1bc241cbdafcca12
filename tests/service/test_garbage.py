"""The garbage collector of a worker process."""

import os
import subprocess
import sys
from pathlib import Path

from support.service import settings_of

STATE = """
import gc
from billing_service.asgi import create_app_from_environment
from billing_service.garbage import YOUNG_OBJECTS
create_app_from_environment()
print(gc.get_freeze_count() > 50_000, gc.get_threshold()[0] == YOUNG_OBJECTS, gc.isenabled())
"""


def test_a_worker_keeps_what_was_imported_out_of_the_collectors_sight(tmp_path: Path) -> None:
    """It looks at what requests leave behind, and at nothing that is there for good."""
    settings = settings_of(database_url=f"sqlite:///{tmp_path}/billing.db", stripe_url="http://127.0.0.1:1")
    command = [sys.executable, "-c", STATE]
    said = subprocess.run(
        command, env={**os.environ, **settings}, capture_output=True, text=True, check=True, timeout=60
    )
    assert said.stdout.split() == ["True", "True", "True"]
