"""What look-ups answered about a POST whose outcome is unknown."""

import sqlalchemy as sa
from alembic import op

revision = "r0005"
down_revision = "r0004"


def upgrade() -> None:
    """Add the column; a run that is in doubt now starts with no answers."""
    op.add_column("runs", sa.Column("doubt", sa.Text))
