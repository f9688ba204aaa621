"""What the demo has read from the output topics; its checks use nothing else of the gateway."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from schemas.results import RequestResult, RunResult, RunUpdate

if TYPE_CHECKING:
    from schemas.codec.envelope import Envelope
    from schemas.topics import TopicNames
    from schemas.vocabulary import UpdateKind
    from southbound.demo.topic_follower import FollowedRecord


@dataclass(slots=True, kw_only=True)
class ObservedRun:
    """One run according to its events."""

    run_id: str
    decision: str = ""
    spoke: str = ""
    external_id: str = ""
    last_state: str = ""
    kinds: list[UpdateKind] = field(default_factory=list)
    result: RunResult | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedDeadLetter:
    """One dead letter: its original key and value, and the reason."""

    key: str
    value: bytes | None
    code: str
    reason: str
    detail: str


class ObservedEvents:
    """Collects the records of the output topics by run and by request."""

    def __init__(self, envelope: Envelope, topics: TopicNames) -> None:
        self._envelope = envelope
        self._topics = topics
        self.runs: dict[str, ObservedRun] = {}
        self.requests: dict[str, list[RequestResult]] = {}
        self.dead_letters: list[ObservedDeadLetter] = []
        self.events = 0

    def add(self, record: FollowedRecord) -> None:
        """Add one record."""
        self.events += 1
        if record.topic == self._topics.dlq:
            self.dead_letters.append(_to_dead_letter(record))
            return
        event = self._envelope.decode(record.value, record.headers, fallback_id=record.record_id)
        match event.data:
            case RunUpdate() as update:
                self._update_run(update, event.headers.decision)
                self._apply_update(update)
            case RunResult() as result:
                self._update_run(result, event.headers.decision)
                run = self.runs[result.run_id]
                run.result, run.last_state = result, result.state
            case RequestResult() as result:
                # Runs that end at the same moment may each publish the result, the same one under the same id.
                results = self.requests.setdefault(result.root_run_id, [])
                if result not in results:
                    results.append(result)

    def _update_run(self, event: RunUpdate | RunResult, decision: str | None) -> None:
        run = self.runs.setdefault(event.run_id, ObservedRun(run_id=event.run_id))
        run.decision = decision or run.decision
        run.spoke = event.spoke
        run.external_id = event.external_id or run.external_id

    def _apply_update(self, update: RunUpdate) -> None:
        run = self.runs[update.run_id]
        run.kinds.append(update.kind)
        if run.result is None:
            run.last_state = update.state or update.phase


def _to_dead_letter(record: FollowedRecord) -> ObservedDeadLetter:
    headers = {name: (value or b"").decode(errors="replace") for name, value in record.headers}
    return ObservedDeadLetter(
        key=(record.key or b"").decode(errors="replace"),
        value=record.value,
        code=headers.get("southbound-dlq-code", ""),
        reason=headers.get("southbound-dlq-reason", ""),
        detail=headers.get("southbound-dlq-detail", ""),
    )
