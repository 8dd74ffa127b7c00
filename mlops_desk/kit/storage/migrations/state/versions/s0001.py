"""The first schema of the state database."""

import sqlalchemy as sa
from alembic import op

revision = "s0001"
down_revision = None

_INDEXES = {
    "jobs": ("jobs_by_state", ("state", "created_at")),
    "endpoints": None,
    "drift_reports": ("drift_reports_by_endpoint", ("parent", "created_at")),
    "rules": None,
    "retrainings": ("retrainings_by_rule", ("parent", "created_at")),
    "audit": ("audit_by_time", ("created_at",)),
}


def upgrade() -> None:
    for name, index in _INDEXES.items():
        op.create_table(
            name,
            sa.Column("key", sa.String(), primary_key=True),
            sa.Column("state", sa.String(), nullable=False),
            sa.Column("parent", sa.String(), nullable=False),
            sa.Column("created_at", sa.Float(), nullable=False),
            sa.Column("document", sa.JSON(), nullable=False),
        )
        if index is not None:
            op.create_index(index[0], name, list(index[1]))
