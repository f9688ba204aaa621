"""The tables of the hub: subscriptions, deliveries, and what was announced of each run."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text

from consumers.store.tables import Moment, metadata

# SQLite numbers rows by itself only if the column is an `INTEGER PRIMARY KEY`.
_Sequence = BigInteger().with_variant(Integer, "sqlite")

# `owner` is the process that delivers until `leased_until`. `identity` is the same for equal subscriptions.
subscriptions = Table(
    "subscriptions",
    metadata,
    Column("subscription_id", Text, primary_key=True),
    Column("identity", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("tenant", Text),
    Column("callback", Text, nullable=False),
    Column("query", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("state", Text, nullable=False),
    Column("problem", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("failing_since", Moment),
    Column("next_attempt_at", Moment, nullable=False),
    Column("last_delivered_at", Moment),
    Column("delivered", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("expired", BigInteger, nullable=False),
    Column("owner", Text),
    Column("leased_until", Moment),
)
Index("subscriptions_by_identity", subscriptions.c.identity, unique=True)

# Rows of one run are inserted in order, because its row in `announced_runs` is locked meanwhile.
deliveries = Table(
    "deliveries",
    metadata,
    Column("sequence", _Sequence, primary_key=True, autoincrement=True),
    Column("subscription_id", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("not_before", Moment),  # after a refusal: the events of this run wait until then
    Column("created_at", Moment, nullable=False),
    sqlite_autoincrement=True,
)
Index("deliveries_in_order", deliveries.c.subscription_id, deliveries.c.sequence)
Index("deliveries_by_run", deliveries.c.subscription_id, deliveries.c.run_id, deliveries.c.sequence)
Index("deliveries_by_age", deliveries.c.created_at)

# `kept` (JSON) is what identifies the run and what queries select by, for the event about its deletion.
announced_runs = Table(
    "announced_runs",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("tenant", Text),
    Column("revision", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("event_ids", Text, nullable=False),
    Column("kept", Text, nullable=False),
    Column("deleted", Boolean, nullable=False),
)

# `kept` (JSON) is null of a specification that is deleted; `attributes` (JSON) has a digest of each attribute.
announced_specifications = Table(
    "announced_specifications",
    metadata,
    Column("id", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("kept", Text),
    Column("attributes", Text, nullable=False),
)
