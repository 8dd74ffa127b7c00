"""How good the answers in windows of monitors were."""

import sqlalchemy as sa
from alembic import op

revision = "s0010"
down_revision = "s0009"


def upgrade() -> None:
    op.create_table(
        "drift_answers",
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("parent", sa.String(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
    )
    op.create_index("drift_answers_by_monitor", "drift_answers", ["parent", "created_at"])
