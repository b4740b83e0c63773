"""Logs of the shells: one JSON object a line on stderr; Kafka clients' chatter is rate-limited."""

from __future__ import annotations

import logging
import sys
from typing import Any

import orjson
import structlog

from streams.kafka import RateLimited


class _Lines(logging.Handler):
    """Lines of other libraries' loggers, as JSON like ours."""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text = f"{text}: {type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
        structlog.get_logger().warning("library", logger=record.name, level=record.levelname, text=text[:2000])


def configure(**bound: Any) -> None:
    """JSON lines on stderr; warnings and errors of libraries too, a few a second at most."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        # one write a line: print's two would mix the lines of processes that share a log
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
    )
    structlog.contextvars.bind_contextvars(**bound)
    handler = _Lines(logging.WARNING)
    handler.addFilter(RateLimited(n_lines=20, period_s=10.0))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
