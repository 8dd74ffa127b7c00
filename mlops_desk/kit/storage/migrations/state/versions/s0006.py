"""Where aliases of models went, and how they stood when they were looked at last."""

import sqlalchemy as sa
from alembic import op

revision = "s0006"
down_revision = "s0005"

_TABLES = ("alias_moves", "alias_sights")


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
    op.create_index("alias_moves_by_model", "alias_moves", ["parent", "created_at"])
