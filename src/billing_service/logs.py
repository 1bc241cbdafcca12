"""Log lines: for a person at a terminal, or as JSON for a machine, each with the id of its request."""

import json
import logging
import logging.config
from datetime import UTC, datetime
from typing import Literal

from billing_http import current_request_id

LogFormat = Literal["text", "json"]

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (request_id := current_request_id()) is not None:
            line["request_id"] = request_id
        line.update({name: value for name, value in vars(record).items() if name not in _STANDARD})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """One line for a person."""

    def __init__(self) -> None:
        """Set the line's form."""
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        line = super().format(record)
        request_id = current_request_id()
        return f"{line} [{request_id}]" if request_id is not None else line


def configure_logs(log_format: LogFormat, *, level: str = "INFO") -> None:
    """Send everything, uvicorn's lines too, to standard error in one form."""
    formatter = JsonFormatter if log_format == "json" else TextFormatter
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": {"()": formatter}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"handlers": ["stderr"], "level": level},
            "loggers": {
                # The SDK and its HTTP client tell at this level what our own adapter tells better.
                "httpx": {"level": "WARNING"},
                "httpcore": {"level": "WARNING"},
                "stripe": {"level": "WARNING"},
                "alembic": {"level": "WARNING"},
                "aiosqlite": {"level": "WARNING"},
            },
        }
    )
