"""Why routing refused an order that came over HTTP."""

import sqlalchemy as sa
from alembic import op

revision = "r0015"
down_revision = "r0014"

MOMENT = sa.Text().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    """Add the columns."""
    op.add_column("orders", sa.Column("refusal", sa.Text))
    op.add_column("orders", sa.Column("refused_event_id", sa.Text))
    op.add_column("orders", sa.Column("refused_at", MOMENT))
