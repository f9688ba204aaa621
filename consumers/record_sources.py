"""Name the source of a record: the producer of a lifecycle event, or the external system of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.runtime.handler import NO_SOURCE

if TYPE_CHECKING:
    from consumers.runtime.handler import Record

_MAX_LENGTH = 200  # bytes of a name; its producer chooses it


def producer_of(record: Record) -> str:
    """Return the CloudEvents source of a lifecycle event. Events without one have one source together."""
    value = next((value for name, value in reversed(record.headers) if name == "ce_source"), None)
    return _text(value)


def spoke_of(record: Record) -> str:
    """Return the spoke of a report: its key is `<spoke>:<external id>`."""
    return _text((record.key or b"").partition(b":")[0])


def _text(value: bytes | None) -> str:
    return value[:_MAX_LENGTH].decode(errors="replace") if value else NO_SOURCE
