"""The configuration of a worker, and the settings of librdkafka that it needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from consumers.runtime.backoff import Backoff
from consumers.runtime.backpressure import Watermarks
from consumers.runtime.dead_letter_limit import DeadLetterLimitConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from consumers.runtime.handler import Record, StartGate

MAX_POLL_INTERVAL_MS = 300_000  # a process that polls less often loses its partitions


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """The configuration of one worker, fixed before it starts. Times are in seconds."""

    role: str  # for dead letters and logs
    group: str
    dead_letter_topic: str
    max_in_flight: int = 256
    max_in_flight_yielding: int = 16  # records in flight while another worker is full; enough to make progress
    commit_every: float = 0.2
    revoke_timeout: float = 10.0  # for running records before a partition is released
    drain_timeout: float = 20.0  # for running records before a stop
    close_timeout: float = 10.0  # for the last commit, and again for leaving the group
    session_timeout: float = 6.0  # with group.protocol=consumer: what the broker is set to
    max_handler_errors: int = 5  # attempts at a record whose handler raises
    report_after: float = 5.0  # report a record that has waited and will wait this long
    stuck_after: float = 300.0  # report a record that is the first of its key for this long
    backoff: Backoff = field(
        default_factory=Backoff
    )  # after an exception of the handler, or a dead letter that Kafka refuses
    watermarks: Watermarks = field(default_factory=Watermarks)
    dead_letter_limit: DeadLetterLimitConfig = field(default_factory=DeadLetterLimitConfig)
    source_of: Callable[[Record], str] | None = None  # which producer or system a record comes from
    hanging_after: float | None = None  # a handler that runs longer takes no place of other sources' records
    gate: StartGate | None = None  # while it is shut, partitions are paused, and single records are started
    max_hanging: int = 32  # such handlers of one source; while there are so many, its other records wait


def consumer_settings(
    bootstrap: str, config: WorkerConfig, overrides: Mapping[str, object] | None = None
) -> dict[str, object]:
    """Return the settings for librdkafka; `overrides` win (security, `group.instance.id`, `group.protocol` …)."""
    settings: dict[str, object] = {
        "bootstrap.servers": bootstrap,
        "group.id": config.group,
        "client.id": f"southbound-{config.role}",
        "auto.offset.reset": "earliest",
        "max.poll.interval.ms": MAX_POLL_INTERVAL_MS,
        # Small fetches, so that many partitions feed the lanes; a larger record is still fetched, alone.
        "fetch.message.max.bytes": 256 * 1024,
        "fetch.wait.max.ms": 100,
        "queued.min.messages": 5_000,
        "queued.max.messages.kbytes": 16 * 1024,
        "fetch.queue.backoff.ms": 20,  # with the default of 1,000 a queue that was full runs empty
        "socket.timeout.ms": 10_000,
        "socket.nagle.disable": True,  # small requests would wait 40 ms for a delayed acknowledgement
        "reconnect.backoff.max.ms": 5_000,
        "log_level": 2,  # errors are handled as events; librdkafka would repeat them on stderr
        **_membership_settings(config, overrides or {}),
        **(overrides or {}),
    }
    # Turning these on would lose records: offsets are committed when records are finished.
    kept = {"enable.auto.commit": False, "enable.auto.offset.store": False}
    # Without the ends of partitions, what is never delivered would stay as lag: markers of transactions, for example.
    return settings | kept | {"enable.partition.eof": True}


def _membership_settings(config: WorkerConfig, overrides: Mapping[str, object]) -> dict[str, object]:
    if overrides.get("group.protocol") == "consumer":
        return {}  # KIP-848: session, heartbeat and assignor belong to the broker
    return {
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": int(config.session_timeout * 1000),
        "heartbeat.interval.ms": int(min(3.0, config.session_timeout / 6) * 1000),
    }
