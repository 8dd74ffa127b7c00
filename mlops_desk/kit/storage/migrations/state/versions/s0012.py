"""Rules are kept as documents, with how they stand, what they did, and what they saw last."""

import sqlalchemy as sa
from alembic import op

revision = "s0012"
down_revision = "s0011"

_TABLES = ("rule_documents", "rule_standings", "rule_firings", "rule_sights")


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
    op.create_index("rule_firings_by_rule", "rule_firings", ["parent", "created_at"])
    op.create_index("rule_firings_by_state", "rule_firings", ["state", "created_at"])
