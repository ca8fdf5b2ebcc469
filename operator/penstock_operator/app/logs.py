"""Log lines for people (text) or for a log store (one JSON object a line)."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Literal

logger = logging.getLogger(__name__)

LogFormat = Literal["text", "json"]


class JsonFormatter(logging.Formatter):
    """One JSON object a line, with the key of the object it is about where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if key := getattr(record, "key", None):
            line["key"] = str(key)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """Time, level and message, and the key of the object it is about where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        key = getattr(record, "key", None)
        about = f"[{key}] " if key else ""
        line = f"{time}Z {record.levelname:<7} {about}{record.getMessage()}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def set_up_logs(*, log_format: LogFormat, level: str) -> None:
    """Send the log to stderr, and keep kopf to what a person must know."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    if level != "DEBUG":
        for noisy in ("kopf", "aiohttp.access", "asyncio"):
            logging.getLogger(noisy).setLevel("WARNING")


def note_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what went wrong in the event loop, but for the ends of kopf's streams.

    A stream that is cancelled between two events is closed with the loop, together with the
    generator inside it, and says then that it "didn't stop after athrow()".
    """
    if "asyncgen" in context:
        logger.debug("%s", context["message"], exc_info=context.get("exception"))
    else:
        loop.default_exception_handler(context)
