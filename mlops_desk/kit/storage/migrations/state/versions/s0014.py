"""Cards of versions, policies of approval, approvals, and moves of aliases that were asked for: a table for each."""

import sqlalchemy as sa
from alembic import op

revision = "s0014"
down_revision = "s0013"

_TABLES = ("version_cards", "approval_policies", "approval_words", "promotions")


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
    op.create_index("approval_words_by_subject", "approval_words", ["parent", "created_at"])
    op.create_index("promotions_by_state", "promotions", ["state", "created_at"])
    op.create_index("version_cards_by_state", "version_cards", ["state", "created_at"])
