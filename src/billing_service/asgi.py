"""The application as a server process makes it, from the environment it inherits."""

import os

from litestar.types import ASGIApp

from billing_service.app import create_app
from billing_service.garbage import settle_garbage
from billing_service.logs import LogFormat, configure_logs
from billing_service.settings import environment, read_settings

LOG_FORMAT_VARIABLE = "BILLING_LOG_FORMAT"
LOG_REQUESTS_VARIABLE = "BILLING_LOG_REQUESTS"


def create_app_from_environment() -> ASGIApp:
    """Build the application of one worker process; raises `SettingsInvalid`."""
    log_format: LogFormat = "json" if os.environ.get(LOG_FORMAT_VARIABLE) == "json" else "text"
    configure_logs(log_format)
    app = create_app(read_settings(environment()), log_requests=os.environ.get(LOG_REQUESTS_VARIABLE) == "1")
    settle_garbage()
    return app
