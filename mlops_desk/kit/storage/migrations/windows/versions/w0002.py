"""Windows whose rows are told apart by segment keep these beside the whole; earlier ones have none."""

import sqlalchemy as sa
from alembic import op

revision = "w0002"
down_revision = "w0001"


def upgrade() -> None:
    op.add_column(
        "drift_windows", sa.Column("segments", sa.LargeBinary(), nullable=False, server_default=sa.text("x''"))
    )
