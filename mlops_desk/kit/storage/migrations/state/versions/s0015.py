"""The catalogue of data: registered sets, what they were at each look, and what is taken out of request logs."""

import sqlalchemy as sa
from alembic import op

revision = "s0015"
down_revision = "s0014"


def upgrade() -> None:
    for name in ("data_sets", "data_versions", "redactions"):
        op.create_table(
            name,
            sa.Column("key", sa.String(), primary_key=True),
            sa.Column("state", sa.String(), nullable=False),
            sa.Column("parent", sa.String(), nullable=False),
            sa.Column("created_at", sa.Float(), nullable=False),
            sa.Column("document", sa.JSON(), nullable=False),
        )
    op.create_index("data_versions_by_set", "data_versions", ["parent", "created_at"])
