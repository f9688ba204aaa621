"""Structured logs on standard error: JSON for programs, coloured lines for a terminal."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from consumers.northbound.access.audit import AUDIT_LOGGER
from consumers.runtime.faults import stack_frames
from schemas.codec.printable import excerpt, printable, printable_json

if TYPE_CHECKING:
    from consumers.runtime.handler import Record
    from schemas.problem import Problem
    from southbound.settings.settings import LogSettings


MAX_MESSAGE_LENGTH = 300  # characters of a library's message

LOG_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure_logs(log: LogSettings, *, audit: bool = True) -> None:
    """Configure structlog, and route warnings of libraries through it; without `audit`, the audit log is dropped."""
    as_json = log.format == "json" or (log.format == "auto" and not sys.stderr.isatty())
    structlog.configure(
        processors=[
            *(() if audit else (_drop_audit_entry,)),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            *(_json_renderers() if as_json else _console_renderers()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LOG_LEVELS[log.level]),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer)
        if as_json
        else structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [handler for handler in root.handlers if not isinstance(handler, LibraryLogHandler)]
    root.addHandler(LibraryLogHandler())


class LibraryLogHandler(logging.Handler):
    """Writes warnings of libraries as log events, instead of Python's tracebacks."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        """Log the library, its message and the place, without exception texts: they could quote a credential."""
        error = record.exc_info[1] if record.exc_info else None
        cause = {"error": type(error).__name__, "detail": stack_frames(error)} if error else {}
        message = record.getMessage().partition("\n")[0][:MAX_MESSAGE_LENGTH]
        structlog.get_logger().log(record.levelno, "library warning", library=record.name, message=message, **cause)


def _drop_audit_entry(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    if event.get("logger") == AUDIT_LOGGER:
        raise structlog.DropEvent
    return event


def _escape_unprintable(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Replace control characters, which a terminal would interpret, with dots: ids and names come from outside."""
    return {name: printable(value) if isinstance(value, str) else value for name, value in event.items()}


def _printable_json_bytes(event: object, **options: Any) -> bytes:  # noqa: ANN401 - those of structlog
    text = orjson.dumps(event, **options)
    return printable_json(text.decode()).encode()


def _json_renderers() -> tuple[structlog.typing.Processor, ...]:
    return (structlog.processors.JSONRenderer(serializer=_printable_json_bytes, default=str),)


def _console_renderers() -> tuple[structlog.typing.Processor, ...]:
    return (
        _escape_unprintable,
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
    )


log = structlog.get_logger()


def log_problem(role: str, problem: Problem, record: Record | None) -> None:
    """Log a problem as a warning, with the place of its record, so that its dead letter can be found."""
    log.warning(problem.sentence, role=role, code=problem.code, detail=problem.detail or None, **_record_fields(record))


def _record_fields(record: Record | None) -> dict[str, object]:
    if record is None:
        return {}
    key = excerpt(record.key) if record.key is not None else None
    partition = record.partition
    return {"topic": partition.topic, "partition": partition.number, "offset": record.offset, "key": key}
