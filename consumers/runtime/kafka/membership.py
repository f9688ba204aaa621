"""Track since when this process can be sure that it is a live member of its group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

STEADY = "steady"  # librdkafka's word: the member has its assignment, and neither joins nor leaves


def proof_duration(session_timeout: float) -> float:
    """Return how long a proof of membership holds: less than the session, which the broker counts from a heartbeat."""
    return 0.8 * session_timeout


def statistics_interval(session_timeout: float) -> float:
    """Return the seconds between two statistics of librdkafka: several of them come between two heartbeats."""
    return min(1.0, session_timeout / 30)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatSample:
    """What librdkafka's statistics say of the group's coordinator at one moment.

    `heartbeats` are those sent so far; `unanswered` requests wait for a response on this connection. `connection`
    changes when a connection, and with it the responses that were expected, is lost.
    """

    at: float  # monotonic clock
    steady: bool
    heartbeats: int
    unanswered: int
    connection: tuple[int, ...]


def read_sample(statistics: Any, at: float) -> HeartbeatSample | None:  # noqa: ANN401 - JSON of librdkafka
    """Return the sample that the statistics hold; None while no coordinator is known."""
    coordinator = next(
        (b for b in statistics.get("brokers", {}).values() if b.get("source") == "logical"),
        None,
    )
    if coordinator is None:
        return None
    return HeartbeatSample(
        at=at,
        steady=statistics.get("cgrp", {}).get("join_state") == STEADY,
        heartbeats=_heartbeats(coordinator),
        unanswered=coordinator.get("waitresp_cnt", 0) + coordinator.get("outbuf_cnt", 0),
        connection=tuple(coordinator.get(n, 0) for n in ("connects", "disconnects", "req_timeouts", "rxerrs")),
    )


def read_last_answer(statistics: Any, at: float) -> float | None:  # noqa: ANN401 - as above
    """Return when the last response of any broker arrived; None if none ever did."""
    idle = [b["rxidle"] for b in statistics.get("brokers", {}).values() if b.get("rxidle", -1) >= 0]
    return at - min(idle) / 1e6 if idle else None


def read_fetch_positions(statistics: Any) -> dict[tuple[str, int], int]:  # noqa: ANN401 - as above
    """Return the offset that is fetched next, by topic and partition; negative if it is unknown.

    A partition with records in the queue of librdkafka is left out: it is fetched when they are taken.
    """
    return {
        (topic, int(number)): int(partition.get("next_offset", -1))
        for topic, described in statistics.get("topics", {}).items()
        for number, partition in described.get("partitions", {}).items()
        if not partition.get("fetchq_cnt")
    }


def _heartbeats(coordinator: Any) -> int:  # noqa: ANN401 - as above
    # librdkafka counts the heartbeats of KIP-848 with all requests, but has no name for them among the kinds.
    kinds: dict[str, int] = coordinator.get("req", {})
    named = kinds.get("Heartbeat", 0)
    return named or max(0, int(coordinator.get("tx", 0)) - sum(kinds.values()))


class Membership:
    """Evaluates what the consumer thread observes; times are of one monotonic clock.

    Only an answer of the broker proves membership, as of the time before its request was sent: an assignment, a
    commit that the broker accepts, and an answered heartbeat. That a poll returns proves nothing, because polls are
    just as empty without a broker.
    """

    def __init__(self, now: float) -> None:
        self.proven_at = now
        self._drained_at = now  # when no event of the consumer was waiting
        self._last: HeartbeatSample | None = None
        self._sent_after: float | None = None  # a heartbeat was sent after this moment, and is not answered yet
        self._answered: float | None = None  # the same for one that was answered, perhaps with a refusal

    def polled(self, now: float, *, drained: bool) -> None:
        """Record a poll that returned; `drained` if no event was left."""
        if drained:
            self._drained_at = now

    def sampled(self, sample: HeartbeatSample | None) -> None:
        """Record the next statistics.

        A heartbeat is answered when it was sent and nothing on its connection waits for a response. Whether the
        answer was a refusal shows a little later, because another thread of librdkafka acts on it: so the member must
        be steady in the next sample, too.
        """
        last, self._last = self._last, sample
        if sample is None or last is None or not sample.steady or sample.connection != last.connection:
            self._sent_after = self._answered = None
            return
        if self._answered is not None:
            self._prove(self._answered)
            self._answered = None
        if sample.heartbeats > last.heartbeats:
            self._sent_after = last.at
        if self._sent_after is not None and sample.unanswered == 0:
            self._answered, self._sent_after = self._sent_after, None

    def assigned(self) -> None:
        """Record an assignment: it came after the last moment at which none was waiting."""
        self._prove(self._drained_at)

    def committed(self, sent_at: float) -> None:
        """Record a commit that was accepted: its response may have waited through a stall, its request has not."""
        self._prove(sent_at)

    def lost(self) -> None:
        """Record that the membership was lost: heartbeats before it prove nothing."""
        self._last = self._sent_after = self._answered = None

    def _prove(self, at: float) -> None:
        self.proven_at = max(self.proven_at, at)
