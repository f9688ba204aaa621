"""Orders that came over HTTP, and an index by which runs are listed."""

import sqlalchemy as sa
from alembic import op

revision = "r0011"
down_revision = "r0010"

MOMENT = sa.Text().with_variant(sa.DateTime(timezone=True), "postgresql")
JSON_WRITTEN = sa.Text().with_variant(sa.JSON(), "postgresql")
PARTIAL_INDEXES = {
    "orders_unpublished": "unpublished_since",
    "orders_unrouted": "unrouted_since",
    "orders_cancelled": "cancelled_at",
}


def upgrade() -> None:
    """Add a table with its indexes, and an index of runs by their creation."""
    op.create_table(
        "orders",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("root_run_id", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text),
        sa.Column("client", sa.Text, nullable=False),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("external_id", sa.Text),
        sa.Column("body_digest", sa.Text),
        sa.Column("document", JSON_WRITTEN, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("event_kind", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("traceparent", sa.Text),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("cancelled_at", MOMENT),
        sa.Column("deleted_at", MOMENT),
        sa.Column("unpublished_since", MOMENT),
        sa.Column("unrouted_since", MOMENT),
        sa.Column("revision", sa.BigInteger, nullable=False),
    )
    op.create_index("orders_by_key", "orders", ["client", "idempotency_key"], unique=True)
    op.create_index("orders_by_external_id", "orders", ["client", "external_id"], unique=True)
    op.create_index("orders_by_root", "orders", ["root_run_id"])
    for name, column in PARTIAL_INDEXES.items():
        where = sa.text(f"{column} IS NOT NULL")
        op.create_index(name, "orders", [column, "run_id"], sqlite_where=where, postgresql_where=where)
    op.create_index("runs_by_creation", "runs", ["created_at", "run_id", "tenant"])
