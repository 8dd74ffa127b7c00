"""Retrainings become runs of pipelines: a table for them. What was there before is taken up when the agent starts."""

import sqlalchemy as sa
from alembic import op

revision = "s0013"
down_revision = "s0012"


def upgrade() -> None:
    op.create_table(
        "pipelines",
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("parent", sa.String(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
    )
    op.create_index("pipelines_by_rule", "pipelines", ["parent", "created_at"])
    op.create_index("pipelines_by_state", "pipelines", ["state", "created_at"])
