"""Windows of monitors with their roll-ups, the profiles that froze their bins, and how far each source was read."""

import sqlalchemy as sa
from alembic import op

revision = "w0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "window_profiles",
        sa.Column("digest", sa.String(), primary_key=True),
        sa.Column("content", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "window_references",
        sa.Column("monitor", sa.String(), primary_key=True),
        sa.Column("digest", sa.String(), nullable=False),
    )
    op.create_table(
        "drift_windows",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("monitor", sa.String(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("period", sa.Integer(), nullable=False),
        sa.Column("layout", sa.String(), nullable=False),
        sa.Column("start", sa.Float(), nullable=False),
        sa.Column("end", sa.Float(), nullable=False),
        sa.Column("n_rows", sa.Integer(), nullable=False),
        sa.Column("is_rolled", sa.Boolean(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=False),
        sa.Column("rest", sa.LargeBinary(), nullable=False),
        sa.Column("bins", sa.LargeBinary(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("drift_windows_by_time", "drift_windows", ["monitor", "level", "is_rolled", "start"])
    op.create_index("drift_windows_by_period", "drift_windows", ["level", "is_rolled", "period"])
    op.create_table(
        "window_followed",
        sa.Column("monitor", sa.String(), primary_key=True),
        sa.Column("cursor", sa.String(), nullable=False),
    )
