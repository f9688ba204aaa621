"""Runs, their measures, and outbound requests."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSON

revision = "r0001"
down_revision = None

MOMENT = sa.Text().with_variant(sa.DateTime(timezone=True), "postgresql")
JSON_WRITTEN = sa.Text().with_variant(JSON(), "postgresql")


def upgrade() -> None:
    """Create the three tables."""
    _create_runs()
    _create_run_measures()
    _create_outbound_requests()


def _create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("root_run_id", sa.Text, nullable=False),
        sa.Column("parent_run_id", sa.Text),
        sa.Column("tenant", sa.Text),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("spoke", sa.Text, nullable=False),
        sa.Column("decision", JSON_WRITTEN),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("state", sa.Text),
        sa.Column("result", sa.Text),
        sa.Column("external_id", sa.Text),
        sa.Column("external_href", sa.Text),
        sa.Column("requested", JSON_WRITTEN, nullable=False),
        sa.Column("sent", JSON_WRITTEN),
        sa.Column("accepted_version", sa.BigInteger, nullable=False),
        sa.Column("measure_count", sa.Integer, nullable=False),
        sa.Column("reasons", JSON_WRITTEN, nullable=False),
        sa.Column("cancel_asked", sa.Boolean, nullable=False),
        sa.Column("heard", JSON_WRITTEN, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("sent_at", MOMENT),
        sa.Column("accepted_at", MOMENT),
        sa.Column("finished_at", MOMENT),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
    )
    op.create_index("runs_by_external_id", "runs", ["spoke", "external_id"], unique=True)
    op.create_index("runs_by_request", "runs", ["request_id"])
    op.create_index("runs_by_silence", "runs", ["spoke", "phase", "updated_at"])
    op.create_index("runs_by_age", "runs", ["updated_at"])


def _create_run_measures() -> None:
    op.create_table(
        "run_measures",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("measure_id", sa.Text, nullable=False),
        sa.Column("id_origin", sa.Text, nullable=False),
        sa.Column("metric_name", sa.Text),
        sa.Column("metric_href", sa.Text),
        sa.Column("value", JSON_WRITTEN),
        sa.Column("value_type", sa.Text),
        sa.Column("unit_of_measure", sa.Text),
        sa.Column("accuracy", sa.Float(53)),
        sa.Column("capture_date_time", MOMENT),
        sa.Column("capture_method", sa.Text),
        sa.Column("rule_violation", JSON_WRITTEN, nullable=False),
    )


def _create_outbound_requests() -> None:
    op.create_table(
        "outbound_requests",
        sa.Column("request_id", sa.Text, primary_key=True),
        sa.Column("root_run_id", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text),
        sa.Column("spoke", sa.Text, nullable=False),
        sa.Column("decision", JSON_WRITTEN, nullable=False),
        sa.Column("explanation", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
    )
