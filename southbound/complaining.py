"""Tell the log of troubles, and of which record each is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from schemas.codec.errors import excerpt

if TYPE_CHECKING:
    from consumers.runtime.records import Record
    from schemas.problem import Trouble

log = structlog.get_logger()


def complain(role: str, trouble: Trouble, record: Record | None) -> None:
    """Say a trouble as a warning; with its record, so that whoever reads of a dead letter finds the event."""
    log.warning(trouble.sentence, role=role, code=trouble.code, detail=trouble.detail or None, **_where(record))


def _where(record: Record | None) -> dict[str, object]:
    if record is None:
        return {}
    key = excerpt(record.key) if record.key is not None else None
    place = record.partition
    return {"topic": place.topic, "partition": place.number, "offset": record.offset, "key": key}
