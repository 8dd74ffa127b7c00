"""Monitors of drift, and their windows as they were judged."""

import sqlalchemy as sa
from alembic import op

revision = "s0009"
down_revision = "s0008"

_TABLES = ("drift_monitors", "drift_windows")


def upgrade() -> None:
    for name in _TABLES:
        op.create_table(
            name,
            sa.Column("key", sa.String(), primary_key=True),
            sa.Column("state", sa.String(), nullable=False),
            sa.Column("parent", sa.String(), nullable=False),
            sa.Column("created_at", sa.Float(), nullable=False),
            sa.Column("document", sa.JSON(), nullable=False),
        )
    op.create_index("drift_windows_by_monitor", "drift_windows", ["parent", "created_at"])
