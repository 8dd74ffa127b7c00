"""What the files of versions were when they were looked at first."""

import sqlalchemy as sa
from alembic import op

revision = "s0007"
down_revision = "s0006"


def upgrade() -> None:
    op.create_table(
        "version_hashes",
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("parent", sa.String(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
    )
