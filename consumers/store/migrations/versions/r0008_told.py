"""What was told last about a run, so that it is told again as it was told first."""

import sqlalchemy as sa
from alembic import op

revision = "r0008"
down_revision = "r0007"


def upgrade() -> None:
    """Add a column. Of the runs that are there, it is not known what was told last."""
    op.add_column("runs", sa.Column("told", sa.Text))
