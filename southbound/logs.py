"""Logs are events with fields: JSON for machines, colours for people."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import orjson
import structlog

if TYPE_CHECKING:
    from southbound.settings import Log

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure_logs(log: Log) -> None:
    """Write structured logs to standard error from here on."""
    as_json = log.format == "json" or (log.format == "auto" and not sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            *(_json() if as_json else _console()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[log.level]),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer)
        if as_json
        else structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _json() -> tuple[structlog.typing.Processor, ...]:
    return (structlog.processors.JSONRenderer(serializer=orjson.dumps, default=str),)


def _console() -> tuple[structlog.typing.Processor, ...]:
    return (structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),)
