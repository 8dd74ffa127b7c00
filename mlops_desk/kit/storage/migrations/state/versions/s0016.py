"""Runs of repositories' pipelines: a table for them."""

import sqlalchemy as sa
from alembic import op

revision = "s0016"
down_revision = "s0015"


def upgrade() -> None:
    op.create_table(
        "ci_runs",
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("parent", sa.String(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
    )
    op.create_index("ci_runs_by_repository", "ci_runs", ["parent", "created_at"])
    op.create_index("ci_runs_by_state", "ci_runs", ["state", "created_at"])
    op.create_index("ci_runs_by_origin", "ci_runs", [sa.text("json_extract(document, '$.origin')")])
