"""Keep in a run's row what was told last about it, so that it is told again as it was told first.

The next notification replaces what is kept, so it must be known before that Kafka has acknowledged it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.runs.run import Told, replace
from schemas.results import RunResult, RunUpdate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.runs.run import RunRow


def remember_told(
    row: RunRow,
    notifications: Sequence[RunUpdate | RunResult],
    *,
    cause: str,
    teller: str,
    traceparent: str | None = None,
    replay: str | None = None,
) -> RunRow:
    """Return the row with what is about to be told; unchanged if that is nothing."""
    if not notifications:
        return row
    results = [each for each in notifications if isinstance(each, RunResult)]
    told = Told(
        cause=cause,
        teller=teller,
        revision=row.revision,
        updates=tuple([each.model_dump_json() for each in notifications if isinstance(each, RunUpdate)]),
        result=results[-1].model_copy(update={"test_measure": ()}).model_dump_json() if results else None,
        traceparent=traceparent,
        replay=replay,
    )
    return replace(row, told=told)


def told_last(row: RunRow) -> list[RunUpdate | RunResult]:
    """Return what was told last about the run, as it was told."""
    if row.told is None:
        return []
    updates = [RunUpdate.model_validate_json(text) for text in row.told.updates]
    if row.told.result is None:
        return [*updates]
    # Measures change only with the next notification.
    result = RunResult.model_validate_json(row.told.result).model_copy(update={"test_measure": row.measures})
    return [*updates, result]
