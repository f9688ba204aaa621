"""Subscriptions to the events of runs, their deliveries, and what was announced of each run."""

import sqlalchemy as sa
from alembic import op

revision = "r0013"
down_revision = "r0012"

MOMENT = sa.Text().with_variant(sa.DateTime(timezone=True), "postgresql")
SEQUENCE = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the three tables."""
    op.create_table(
        "subscriptions",
        sa.Column("subscription_id", sa.Text, primary_key=True),
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("principal", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text),
        sa.Column("callback", sa.Text, nullable=False),
        sa.Column("query", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("problem", sa.Text, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("failing_since", MOMENT),
        sa.Column("next_attempt_at", MOMENT, nullable=False),
        sa.Column("last_delivered_at", MOMENT),
        sa.Column("delivered", sa.BigInteger, nullable=False),
        sa.Column("refused", sa.BigInteger, nullable=False),
        sa.Column("expired", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("leased_until", MOMENT),
    )
    op.create_index("subscriptions_by_identity", "subscriptions", ["identity"], unique=True)
    op.create_table(
        "deliveries",
        sa.Column("sequence", SEQUENCE, primary_key=True, autoincrement=True),
        sa.Column("subscription_id", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("not_before", MOMENT),
        sa.Column("created_at", MOMENT, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("deliveries_in_order", "deliveries", ["subscription_id", "sequence"])
    op.create_index("deliveries_by_run", "deliveries", ["subscription_id", "run_id", "sequence"])
    op.create_index("deliveries_by_age", "deliveries", ["created_at"])
    op.create_table(
        "announced_runs",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("event_ids", sa.Text, nullable=False),
        sa.Column("kept", sa.Text, nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
    )
