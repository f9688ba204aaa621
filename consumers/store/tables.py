"""The tables of the run store.

`runs` has a column for everything that is looked up or sorted by; whole documents are JSON.
`run_measures` owns the measures: one row each, in the order in which the run holds them.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSON

metadata = MetaData()

# SQLite stores moments as ISO 8601 text in UTC with microseconds, which sorts as time does.
Moment = Text().with_variant(DateTime(timezone=True), "postgresql")
# JSON and not JSONB: it stores every text that a producer may send (JSONB refuses "\u0000") and is cheaper to write.
JsonWritten = Text().with_variant(JSON(), "postgresql")

runs = Table(
    "runs",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("root_run_id", Text, nullable=False),
    Column("parent_run_id", Text),
    Column("tenant", Text),
    Column("request_id", Text, nullable=False),
    Column("spoke", Text, nullable=False),
    Column("decision", JsonWritten),
    Column("phase", Text, nullable=False),
    Column("state", Text),
    Column("result", Text),
    Column("external_id", Text),
    Column("external_href", Text),
    Column("requested", JsonWritten, nullable=False),
    Column("sent", JsonWritten),
    Column("accepted_version", BigInteger, nullable=False),
    Column("measure_count", Integer, nullable=False),
    Column("reasons", JsonWritten, nullable=False),
    Column("cancel_requested", Boolean, nullable=False),
    Column("processed_reports", JsonWritten, nullable=False),
    Column("processed_events", JsonWritten, nullable=False, server_default="[]"),
    Column("created_at", Moment, nullable=False),
    Column("sent_at", Moment),
    Column("accepted_at", Moment),
    Column("finished_at", Moment),
    Column("updated_at", Moment, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("waits_for", Text),  # a JSON list of request definitions
    Column("doubt", Text),  # JSON; null for nearly every run
    Column("watch", Text),  # JSON; null for nearly every run
    Column("check_at", Moment),  # the next check of the watch, or what the deadline does next
    Column("last_notification", Text),  # JSON; what was published last about the run
    Column("failed_attempt", Text),  # JSON; null for nearly every run
    Column("deadline", Text),  # JSON; of a run that is at its system
    Column("cancellation", Text),  # JSON; null for nearly every run
    Column("cancel_task", Text),  # the id of the task that cancels the run, if there is one and it is followed
    Column("replacement", Text),  # JSON; null for nearly every run
    Column("state_event_at", Moment),  # the newest event that reported pending or inProgress, by its system's clock
)
Index("runs_by_external_id", runs.c.spoke, runs.c.external_id, unique=True)  # nulls are not equal: many may wait
Index("runs_by_request", runs.c.request_id)
Index("runs_by_silence", runs.c.spoke, runs.c.phase, runs.c.updated_at)
Index("runs_by_age", runs.c.updated_at)
Index("runs_by_creation", runs.c.created_at, runs.c.run_id, runs.c.tenant)
# Partial: a run that never waits costs it nothing.
_is_waiting = runs.c.waits_for.is_not(None)
Index(
    "runs_waiting",
    runs.c.phase,
    runs.c.created_at,
    runs.c.run_id,
    sqlite_where=_is_waiting,
    postgresql_where=_is_waiting,
)

_is_followed = runs.c.cancel_task.is_not(None)
Index(
    "runs_by_cancel_task",
    runs.c.spoke,
    runs.c.cancel_task,
    sqlite_where=_is_followed,
    postgresql_where=_is_followed,
)
_is_watched = runs.c.check_at.is_not(None)
Index("runs_to_check", runs.c.check_at, runs.c.run_id, sqlite_where=_is_watched, postgresql_where=_is_watched)

# The tests that changes have replaced: what a system still reports about one is recognised by its id.
replaced_tests = Table(
    "replaced_tests",
    metadata,
    Column("spoke", Text, primary_key=True),
    Column("external_id", Text, primary_key=True),
    Column("run_id", Text, nullable=False),
)
Index("replaced_tests_by_run", replaced_tests.c.run_id)

run_measures = Table(
    "run_measures",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("measure_id", Text, nullable=False),
    Column("id_origin", Text, nullable=False),
    Column("metric_name", Text),
    Column("metric_href", Text),
    Column("value", JsonWritten),
    Column("value_type", Text),
    Column("unit_of_measure", Text),
    Column("accuracy", Float(53)),
    Column("capture_date_time", Moment),
    Column("capture_method", Text),
    Column("rule_violation", JsonWritten, nullable=False),
    Column("violations", JsonWritten),  # the same, if that of earlier versions does not hold all of them
)

outbound_requests = Table(
    "outbound_requests",
    metadata,
    Column("request_id", Text, primary_key=True),
    Column("root_run_id", Text, nullable=False),
    Column("tenant", Text),
    Column("spoke", Text, nullable=False),
    Column("decision", JsonWritten, nullable=False),
    Column("explanation", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
)

# How often a request definition was used in a window; see `consumers.store.write_plan`.
definition_uses = Table(
    "definition_uses",
    metadata,
    Column("definition", Text, primary_key=True),
    Column("since", Moment, primary_key=True),
    Column("until", Moment, nullable=False),
    Column("uses", BigInteger, nullable=False),
)

# The test specifications of the topic, so that they can be listed. A deleted one keeps its row without a record, so
# that a process that reads the topic later does not bring an older revision back.
specifications = Table(
    "specifications",
    metadata,
    Column("id", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("record", Text),  # JSON
)

# One row: the id of this store, its mark, the topic prefix of the gateway that works with it, and which other stores
# an operator replaced by it. `recorded` (JSON): where the lifecycle topic ended then. Its events below may have led to
# runs that this store does not have. See `router.store_continuity`.
store_identity = Table(
    "store_identity",
    metadata,
    Column("store_id", Text, primary_key=True),
    Column("mark", BigInteger, nullable=False),
    Column("unmarked", Boolean, nullable=False),
    Column("accepted", Text, nullable=False),
    Column("bound_to", Text),
    Column("recorded", Text),
)

# Orders that came over HTTP, one row per run, with the last event that they led to; see `consumers.store.orders`.
# `client` is the tenant and the name of the principal, as JSON. A moment in `unpublished_since` is when the event was
# stored that Kafka has perhaps not, one in `unrouted_since` that the run has perhaps no row in `runs` yet. `refusal` is
# the JSON of the reasons for which an event of the order is a dead letter; its consumer writes the last three columns.
orders = Table(
    "orders",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("root_run_id", Text, nullable=False),
    Column("tenant", Text),
    Column("client", Text, nullable=False),
    Column("idempotency_key", Text),
    Column("external_id", Text),
    Column("body_digest", Text),
    Column("document", JsonWritten, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("event_kind", Text, nullable=False),
    Column("reason", Text),
    Column("traceparent", Text),
    Column("created_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("cancelled_at", Moment),
    Column("deleted_at", Moment),
    Column("unpublished_since", Moment),
    Column("unrouted_since", Moment),
    Column("revision", BigInteger, nullable=False),
    Column("refusal", Text),
    Column("refused_event_id", Text),
    Column("refused_at", Moment),
)
Index("orders_by_key", orders.c.client, orders.c.idempotency_key, unique=True)  # nulls are not equal
Index("orders_by_external_id", orders.c.client, orders.c.external_id, unique=True)
Index("orders_by_root", orders.c.root_run_id)
for _column in (orders.c.unpublished_since, orders.c.unrouted_since, orders.c.cancelled_at):
    Index(
        f"orders_{_column.name.partition('_')[0]}",
        _column,
        orders.c.run_id,
        sqlite_where=_column.is_not(None),
        postgresql_where=_column.is_not(None),
    )
# What each target of the role `writeback` has of a run, and who writes it now; see `consumers.northbound.writeback`.
written_runs = Table(
    "written_runs",
    metadata,
    Column("target", Text, primary_key=True),
    Column("run_id", Text, primary_key=True),
    Column("target_id", Text),
    Column("posted_at", Moment),
    Column("written", BigInteger, nullable=False),
    Column("claimed_by", Text),
    Column("claimed_at", Moment),
)
Index("written_runs_by_run", written_runs.c.run_id)

# Until when no other process polls a run, as long as the run has this revision: `consumers.store.claims.poll_claims`.
# `answers` is how many answers in a row said nothing new.
poll_claims = Table(
    "poll_claims",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("until", Moment, nullable=False),
    Column("answers", Integer, nullable=False),
)

# Rows of a run's timeline, each with the entries that were written together (JSON); `entry_count` is 0 in a row that is
# limited already. See `consumers.record_timeline`.
run_timeline = Table(
    "run_timeline",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("run_id", Text, nullable=False),
    Column("entry_count", Integer, nullable=False),
    Column("entries", Text, nullable=False),
)
Index("run_timeline_by_run", run_timeline.c.run_id)
