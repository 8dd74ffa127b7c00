"""The event log, alerts, and alert rules that a person changed."""

import sqlalchemy as sa
from alembic import op

revision = "s0002"
down_revision = "s0001"

_INDEXES = {
    "incidents": ("incidents_by_time", ("created_at",)),
    "alerts": ("alerts_by_time", ("created_at",)),
    "alert_rules": None,
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
