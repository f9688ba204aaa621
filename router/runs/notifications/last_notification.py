"""Keep in a run's row what was published last about it, so that it is published again as it was at first.

The next notification replaces what is kept, so it must be known before that Kafka has acknowledged it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.runs.run import LastNotification, replace
from schemas.json_text import json_text
from schemas.results import RunResult, RunUpdate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.runs.run import RunRow


def remember_notifications(
    row: RunRow,
    notifications: Sequence[RunUpdate | RunResult],
    *,
    cause: str,
    process_id: str,
    traceparent: str | None = None,
    replay: str | None = None,
    wrong_key: str | None = None,
) -> RunRow:
    """Return the row with what is about to be published; unchanged if that is nothing."""
    if not notifications:
        return row
    results = [each for each in notifications if isinstance(each, RunResult)]
    last = LastNotification(
        cause=cause,
        process_id=process_id,
        revision=row.revision,
        updates=tuple([json_text(each) for each in notifications if isinstance(each, RunUpdate)]),
        result=results[-1].model_dump_json(exclude={"test_measure"}, exclude_none=True) if results else None,
        traceparent=traceparent,
        replay=replay,
        wrong_key=wrong_key,
    )
    return replace(row, last_notification=last)


def last_notifications(row: RunRow) -> list[RunUpdate | RunResult]:
    """Return what was published last about the run, as it was published."""
    if row.last_notification is None:
        return []
    updates = [RunUpdate.model_validate_json(text) for text in row.last_notification.updates]
    if row.last_notification.result is None:
        return [*updates]
    # Measures change only with the next notification.
    result = RunResult.model_validate_json(row.last_notification.result).model_copy(
        update={"test_measure": row.measures}
    )
    return [*updates, result]
