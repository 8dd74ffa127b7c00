"""Learning curves of versions: a table for them."""

import sqlalchemy as sa
from alembic import op

revision = "s0017"
down_revision = "s0016"


def upgrade() -> None:
    op.create_table(
        "learning_curves",
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("parent", sa.String(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
    )
    op.create_index("learning_curves_by_state", "learning_curves", ["state", "created_at"])
