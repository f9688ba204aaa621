"""The closed list of metrics: every number that dashboards, alerts and probes may use."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Final, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.utils import floatToGoString

from consumers.runtime.handler import DeadLetter, Done

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from consumers.runtime.handler import Record
    from consumers.runtime.monitoring import AttemptEnded, WorkerFigures
    from schemas.problem import Problem

    Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
    _Series = tuple["Metric", tuple[str, ...]]  # a metric and the values of its labels

BUCKET_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Metric:
    """One metric of the list. `kind` is counter, gauge or histogram (seconds)."""

    name: str
    kind: type[Counter | Gauge | Histogram]
    labels: tuple[str, ...]
    meaning: str


RECEIVED = Metric(
    name="southbound_records_received_total",
    kind=Counter,
    labels=("role", "topic"),
    meaning="Records received from Kafka.",
)
RECORD_ATTEMPTS = Metric(
    name="southbound_record_attempts_total",
    kind=Counter,
    labels=("role", "topic", "outcome"),
    meaning="Attempts to process records, by outcome: done, retry_later, dead_letter.",
)
RECORD_SECONDS = Metric(
    name="southbound_record_seconds",
    kind=Histogram,
    labels=("role",),
    meaning="Duration of one attempt to process a record.",
)
PROBLEMS = Metric(
    name="southbound_problems_total",
    kind=Counter,
    labels=("role", "outcome", "code"),
    meaning="Retries, dead letters and problems of workers, by the code of the problem.",
)
COMMIT_SECONDS = Metric(
    name="southbound_commit_seconds",
    kind=Histogram,
    labels=("role",),
    meaning="Time from the request of a commit to the broker's response.",
)
PARTITIONS = Metric(
    name="southbound_partitions", kind=Gauge, labels=("role",), meaning="Partitions that this process owns."
)
PARTITIONS_PAUSED = Metric(
    name="southbound_partitions_paused",
    kind=Gauge,
    labels=("role",),
    meaning="Owned partitions whose intake is paused.",
)
BUFFERED = Metric(
    name="southbound_records_buffered",
    kind=Gauge,
    labels=("role",),
    meaning="Records received and not finished, including those that wait for a retry.",
)
RUNNING = Metric(
    name="southbound_records_running",
    kind=Gauge,
    labels=("role",),
    meaning="Records that handlers are processing.",
)
AWAITING_RETRY = Metric(
    name="southbound_records_awaiting_retry",
    kind=Gauge,
    labels=("role",),
    meaning="Records that wait for their next attempt.",
)
HELD = Metric(
    name="southbound_records_held",
    kind=Gauge,
    labels=("role",),
    meaning="Records that wait because too many of their source became dead letters or hang; included in those that "
    "wait for their next attempt.",
)
STUCK = Metric(
    name="southbound_records_stuck",
    kind=Gauge,
    labels=("role",),
    meaning="Keys whose first record has not finished for `worker.stuck_after` seconds.",
)
TASKS = Metric(
    name="southbound_tasks",
    kind=Gauge,
    labels=(),
    meaning="Tasks of the event loop. Their number follows the work in progress; one that only grows is a leak.",
)
CALLS = Metric(
    name="southbound_calls_total",
    kind=Counter,
    labels=("spoke", "purpose", "outcome"),
    meaning="Calls to external systems, by the meaning of the response.",
)
CALL_SECONDS = Metric(
    name="southbound_call_seconds",
    kind=Histogram,
    labels=("spoke", "purpose"),
    meaning="Time from sending a call to its response, without the wait for a free connection.",
)
RUNS_ENDED = Metric(
    name="southbound_runs_ended_total",
    kind=Counter,
    labels=("spoke", "state", "result"),
    meaning="Results that were published, including repetitions after a crash.",
)
RUNS_IN_JEOPARDY = Metric(
    name="southbound_runs_in_jeopardy_total",
    kind=Counter,
    labels=("spoke",),
    meaning="Runs whose expected duration was over before they ended.",
)
RUNS_PRUNED = Metric(
    name="southbound_runs_pruned_total",
    kind=Counter,
    labels=(),
    meaning="Runs that were deleted from the run store, because they ended longer ago than `store.keep_ended`.",
)
TIMELINE_DROPPED = Metric(
    name="southbound_timeline_entries_dropped_total",
    kind=Counter,
    labels=(),
    meaning="Entries of timelines of runs that were not stored, because the run store was away for long.",
)
CALLBACKS = Metric(
    name="southbound_callbacks_total",
    kind=Counter,
    labels=("spoke", "outcome"),
    meaning="Notifications of external systems: stored, ignored (about no run), or the reason why they were refused.",
)
EVENT_IDS_REUSED = Metric(
    name="southbound_event_ids_reused_total",
    kind=Counter,
    labels=("spoke",),
    meaning="Notifications whose eventId this process last saw with another content; both are processed.",
)
REGISTRATIONS = Metric(
    name="southbound_hub_registrations_total",
    kind=Counter,
    labels=("spoke", "outcome"),
    meaning="Registrations of the callback address at hubs of external systems, and their renewals: registered, assumed"
    " (409, and the system does not list its registrations), occupied (by another address), unsupported (no hub),"
    " failed (will be repeated), removed.",
)
REGISTERED = Metric(
    name="southbound_hub_registered",
    kind=Gauge,
    labels=("spoke",),
    meaning="1 while the hub of a system has the callback address, as far as this process knows; else 0.",
)
REPORTS_IGNORED = Metric(
    name="southbound_reports_ignored_total",
    kind=Counter,
    labels=("spoke",),
    meaning="Events of external systems that were stored and are not about a run, such as those of specifications.",
)
REPORT_FAULTS = Metric(
    name="southbound_report_faults_total",
    kind=Counter,
    labels=("spoke", "code"),
    meaning="Reasons that reports of external systems gave runs, such as a measure without an id: see"
    " [outcomes](outcomes.md).",
)
UNKNOWN_STATES = Metric(
    name="southbound_unknown_states_total",
    kind=Counter,
    labels=("spoke",),
    meaning="Reports with a state that neither Southbound nor state_spellings of the profile knows.",
)
WRONG_KEYS = Metric(
    name="southbound_wrong_keys_total",
    kind=Counter,
    labels=("role", "topic"),
    meaning="Records whose key is not the id of their root run: they are processed, but Kafka does not keep their "
    "order.",
)
WRITEBACKS = Metric(
    name="southbound_writebacks_total",
    kind=Counter,
    labels=("target", "outcome"),
    meaning="Events that were handled for a target: its run was updated or created there, unchanged because the target "
    "has this revision, or skipped because the target's profile does not choose it.",
)
CIRCUIT_OPEN = Metric(
    name="southbound_circuit_open",
    kind=Gauge,
    labels=("spoke", "calls"),
    meaning="1 while no calls of this kind (writes, reads) are made to a system, because it is down; else 0.",
)
REQUESTS_WAITING = Metric(
    name="southbound_requests_waiting",
    kind=Gauge,
    labels=("role",),
    meaning="Requests that wait because every request definition that matches is used up; each process counts all.",
)
COMMANDS_REPEATED = Metric(
    name="southbound_commands_repeated_total",
    kind=Counter,
    labels=("spoke", "phase"),
    meaning="Runs that waited for a command, were not updated for a day and whose command was published again.",
)
DEFINITIONS_USED_UP = Metric(
    name="southbound_definitions_used_up",
    kind=Gauge,
    labels=("role",),
    meaning="Request definitions that are used up at present, as far as this process knows.",
)

TABLE_LIVE = Metric(
    name="southbound_table_live",
    kind=Gauge,
    labels=("table", "version"),
    meaning="1 for the version of each published table by which this process decides.",
)
TABLE_REFUSED = Metric(
    name="southbound_table_refused",
    kind=Gauge,
    labels=("table",),
    meaning="1 while this process cannot use the live version of a table and decides by an older one.",
)

SPECIFICATIONS_KNOWN = Metric(
    name="southbound_specifications_known",
    kind=Gauge,
    labels=(),
    meaning="Test specifications that runs take from.",
)
SPECIFICATIONS_UNREADABLE = Metric(
    name="southbound_specifications_unreadable",
    kind=Gauge,
    labels=(),
    meaning="Records of the topic of specifications that cannot be read; runs of them are of an unknown specification.",
)
SPECIFICATIONS_UNKNOWN = Metric(
    name="southbound_runs_of_unknown_specifications_total",
    kind=Counter,
    labels=(),
    meaning="Runs that were accepted although their test specification is not known, if "
    "`routing.unknown_specification` is `warn`.",
)
INPUTS_MISSING = Metric(
    name="southbound_decision_inputs_missing_total",
    kind=Counter,
    labels=("table", "input"),
    meaning="Decisions in which the run had no value for an input of the table.",
)

HUB_DELIVERIES = Metric(
    name="southbound_hub_deliveries_total",
    kind=Counter,
    labels=("subscription", "outcome"),
    meaning="Attempts to deliver events to subscribers: delivered, refused, failed or gone (410); and expired: events "
    "that were too many or too old and were dropped.",
)
HUB_DELIVERY_SECONDS = Metric(
    name="southbound_hub_delivery_seconds",
    kind=Histogram,
    labels=(),
    meaning="Time from sending an event to a subscriber to its response.",
)
HUB_WAITING = Metric(
    name="southbound_hub_events_waiting",
    kind=Gauge,
    labels=("subscription",),
    meaning="Events that wait for a subscriber; each process with the role `hub` counts all.",
)
HUB_PARKED = Metric(
    name="southbound_hub_parked",
    kind=Gauge,
    labels=("subscription",),
    meaning="1 for a subscription that is parked until an operator resumes it; else 0.",
)
HUB_OVERTAKEN = Metric(
    name="southbound_hub_events_overtaken_total",
    kind=Counter,
    labels=(),
    meaning="Events that were announced although an earlier event of their run, on the other topic, was not read for a "
    "minute: that one is not announced any more.",
)
API_CLIENT_REQUESTS = Metric(
    name="southbound_api_client_requests_total",
    kind=Counter,
    labels=("client", "outcome"),
    meaning="Requests of ordering systems by client: accepted, refused, failed, aborted, or the code of the refusal of "
    "one that may not pass. `client` is `unknown` without valid credentials, and `others` beyond 200 clients.",
)
IDENTITY_KEY_FETCHES = Metric(
    name="southbound_identity_key_fetches_total",
    kind=Counter,
    labels=("outcome",),
    meaning="Fetches of the keys by which access tokens are verified: fetched, failed.",
)
IDENTITY_KEYS_AGE = Metric(
    name="southbound_identity_keys_age_seconds",
    kind=Gauge,
    labels=(),
    meaning="Time since the keys by which access tokens are verified were fetched; after a day they are not used.",
)
API_REQUESTS = Metric(
    name="southbound_api_requests_total",
    kind=Counter,
    labels=("method", "status"),
    meaning="Requests to the northbound interface, by method and status of the response.",
)
SERVICE_TEST_REQUESTS = Metric(
    name="southbound_service_test_requests_total",
    kind=Counter,
    labels=("outcome",),
    meaning="Service Test Requests of ServiceNow's spoke selector, by their answers: `completed`, `failed`, `later` or"
    " `refused`.",
)
SERVICE_TEST_REQUESTS_WAITING = Metric(
    name="southbound_service_test_requests_waiting",
    kind=Gauge,
    labels=(),
    meaning="Service Test Requests that wait for the result of their run.",
)
ORDERS_RECOVERED = Metric(
    name="southbound_orders_recovered_total",
    kind=Counter,
    labels=(),
    meaning="Orders that were published later than their request, because Kafka or a process was down.",
)
STREAM_RECORDS = Metric(
    name="southbound_stream_records_total",
    kind=Counter,
    labels=("stream", "outcome"),
    meaning="Records of streams that were finished: they ordered, changed or cancelled a run, were copied, were "
    "skipped because of their tenant, or were ignored as duplicate, stale, unchanged, ended or not_ordered.",
)

METRICS: Final = (
    RECEIVED,
    RECORD_ATTEMPTS,
    RECORD_SECONDS,
    PROBLEMS,
    COMMIT_SECONDS,
    PARTITIONS,
    PARTITIONS_PAUSED,
    BUFFERED,
    RUNNING,
    AWAITING_RETRY,
    HELD,
    STUCK,
    TASKS,
    CALLS,
    CALL_SECONDS,
    RUNS_ENDED,
    RUNS_IN_JEOPARDY,
    RUNS_PRUNED,
    TIMELINE_DROPPED,
    CALLBACKS,
    EVENT_IDS_REUSED,
    REGISTRATIONS,
    REGISTERED,
    REPORTS_IGNORED,
    REPORT_FAULTS,
    UNKNOWN_STATES,
    WRONG_KEYS,
    TABLE_LIVE,
    TABLE_REFUSED,
    WRITEBACKS,
    CIRCUIT_OPEN,
    REQUESTS_WAITING,
    COMMANDS_REPEATED,
    DEFINITIONS_USED_UP,
    SPECIFICATIONS_KNOWN,
    SPECIFICATIONS_UNREADABLE,
    SPECIFICATIONS_UNKNOWN,
    INPUTS_MISSING,
    HUB_DELIVERIES,
    HUB_DELIVERY_SECONDS,
    HUB_WAITING,
    HUB_PARKED,
    HUB_OVERTAKEN,
    API_REQUESTS,
    SERVICE_TEST_REQUESTS,
    SERVICE_TEST_REQUESTS_WAITING,
    ORDERS_RECOVERED,
    STREAM_RECORDS,
    API_CLIENT_REQUESTS,
    IDENTITY_KEY_FETCHES,
    IDENTITY_KEYS_AGE,
)


@dataclass(slots=True)
class HistogramSamples:
    """The numbers of one histogram: how many durations fell into each bucket, and their sum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKET_BOUNDS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(BUCKET_BOUNDS, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Return the cumulative count per bound, as Prometheus expects it."""
        bounds = [*map(floatToGoString, BUCKET_BOUNDS), "+Inf"]
        return list(zip(bounds, accumulate(self.counts), strict=True))


class Metrics:
    """The metrics of one process, kept as plain numbers and converted when Prometheus scrapes.

    All of them belong to the event loop, so adding to one needs no lock: a tenth of what `prometheus_client` takes.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(self)
        self._counts: defaultdict[_Series, float] = defaultdict(float)
        self._durations: defaultdict[_Series, HistogramSamples] = defaultdict(HistogramSamples)
        self._reads: dict[_Series, Callable[[], float]] = {}

    def count(self, metric: Metric, *labels: str, by: float = 1) -> None:
        """Add to a counter."""
        self._counts[metric, labels] += by

    def observe_duration(self, metric: Metric, seconds: float, *labels: str) -> None:
        """Add one duration to a histogram."""
        self._durations[metric, labels].add(seconds)

    def track(self, metric: Metric, read: Callable[[], float], *labels: str) -> None:
        """Read a gauge at every scrape."""
        self._reads[metric, labels] = read

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """Set a gauge."""
        self._reads[metric, labels] = lambda: value

    def remove_gauge(self, metric: Metric, *labels: str) -> None:
        """Remove a gauge."""
        self._reads.pop((metric, labels), None)

    def collect(self) -> Iterable[Family]:
        """Return all metrics; `prometheus_client` calls it at every scrape."""
        return [
            self._histogram(metric) if metric.kind is Histogram else self._counter_or_gauge(metric)
            for metric in METRICS
        ]

    def _counter_or_gauge(self, metric: Metric) -> CounterMetricFamily | GaugeMetricFamily:
        kind = CounterMetricFamily if metric.kind is Counter else GaugeMetricFamily
        family = kind(metric.name, metric.meaning, labels=metric.labels)
        read = {series: read() for series, read in self._reads.items() if series[0] is metric}
        for (counted, labels), value in (self._counts | read).items():
            if counted is metric:
                family.add_metric(labels, value)
        return family

    def _histogram(self, metric: Metric) -> HistogramMetricFamily:
        family = HistogramMetricFamily(metric.name, metric.meaning, labels=metric.labels)
        for (counted, labels), durations in self._durations.items():
            if counted is metric:
                family.add_metric(labels, durations.buckets(), durations.total)
        return family


OUTCOME_NAMES: Final = {"Done": "done", "RetryLater": "retry_later", "DeadLetter": "dead_letter"}


class ReportProblem(Protocol):
    """Reports a problem to people, with the record that ended with it, if there is one."""

    def __call__(self, role: str, problem: Problem, record: Record | None) -> None:
        """Report one problem."""


class WorkerMetrics:
    """Measures one worker; an `Observer` of the runtime."""

    def __init__(self, metrics: Metrics, role: str, report_problem: ReportProblem) -> None:
        self._metrics = metrics
        self._role = role
        self._report_problem = report_problem

    def received(self, topic: str, records: int) -> None:
        """Count the records of one batch."""
        self._metrics.count(RECEIVED, self._role, topic, by=records)

    def attempt_ended(self, ended: AttemptEnded) -> None:
        """Count and time one attempt."""
        outcome = ended.outcome
        name = OUTCOME_NAMES[type(outcome).__name__]
        self._metrics.count(RECORD_ATTEMPTS, self._role, ended.record.partition.topic, name)
        self._metrics.observe_duration(RECORD_SECONDS, ended.seconds, self._role)
        if not isinstance(outcome, Done):
            self._metrics.count(PROBLEMS, self._role, name, outcome.problem.code)
        if isinstance(outcome, DeadLetter):
            self._report_problem(self._role, outcome.problem, ended.record)

    def committed(self, partitions: int, seconds: float) -> None:  # noqa: ARG002 - the port reports more than is counted
        """Time one commit."""
        self._metrics.observe_duration(COMMIT_SECONDS, seconds, self._role)

    def problem_reported(self, problem: Problem) -> None:
        """Count a problem and report it."""
        self._metrics.count(PROBLEMS, self._role, "worker", problem.code)
        self._report_problem(self._role, problem, None)

    def track(self, figures: Callable[[], WorkerFigures]) -> None:
        """Expose the worker's figures as gauges."""
        for metric, read in (
            (PARTITIONS, lambda: figures().partitions),
            (PARTITIONS_PAUSED, lambda: figures().paused),
            (BUFFERED, lambda: figures().buffered),
            (RUNNING, lambda: figures().running),
            (AWAITING_RETRY, lambda: figures().parked),
            (HELD, lambda: figures().held),
            (STUCK, lambda: figures().stuck),
        ):
            self._metrics.track(metric, read, self._role)
