"""Read a run of which a message of change data says that it has changed: with a GET at its system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from consumers.northbound.streams.problems import run_not_readable
from consumers.northbound.writeback.target_calls import TargetCalls
from consumers.problems import call_failed
from consumers.runtime.handler import DeadLetter, RetryLater
from router.responses import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from consumers.northbound.writeback.target import WritebackTarget
    from consumers.northbound.writeback.target_caller import TargetCaller
    from consumers.runtime.handler import Attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRun:
    """A run as its system showed it, and when it was asked; a run that was deleted there is shown as cancelled."""

    run_id: str
    body: Mapping[str, object]
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedRunReader:
    """Reads runs at the target of one source, under the limits and with the credentials of its profile."""

    target: WritebackTarget
    caller: TargetCaller

    async def read(
        self, run_id: str, attempt: Attempt, event_id: str, *, is_deleted: bool
    ) -> ShownRun | RetryLater | DeadLetter:
        """Make one attempt."""
        result = await self.caller.call(self.target.name, TargetCalls(self.target).read(run_id))
        match result.meaning.verdict:
            case Verdict.ACCEPTED:
                body = _object_of(result.accepted_response().body)
                if body is not None:
                    own = body.get("id")
                    return ShownRun(
                        run_id=own if isinstance(own, str) and own else run_id, body=body, at=result.asked_at
                    )
                result = result.as_unknown_outcome("it is no test run")
            case Verdict.LOST if is_deleted:
                return ShownRun(run_id=run_id, body={"id": run_id, "state": "cancelled"}, at=result.asked_at)
            case Verdict.LOST:
                return DeadLetter(run_not_readable(run_id, self.target.name))
            case _:
                pass
        problem = call_failed(result, f"Run {run_id} could not be read at {self.target.name}")
        if result.meaning.verdict is Verdict.REFUSED:
            return DeadLetter(problem)
        delay = self.caller.delay_after(self.target.name, result, attempt, event_id)
        return RetryLater(delay, problem) if delay is not None else DeadLetter(problem)


def _object_of(body: bytes) -> Mapping[str, object] | None:
    try:
        read = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return read if isinstance(read, dict) else None
