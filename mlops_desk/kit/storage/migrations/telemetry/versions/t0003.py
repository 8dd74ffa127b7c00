"""Series that features record point by point: batches, pages, and how far back each tier goes."""

import sqlalchemy as sa
from alembic import op

revision = "t0003"
down_revision = "t0002"


def upgrade() -> None:
    op.create_table(
        "point_series",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("metric", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("scale", sa.String(), nullable=False),
        sa.UniqueConstraint("kind", "key", "metric"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "point_batches",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "point_pages",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("series", sa.Integer(), nullable=False),
        sa.Column("tier", sa.Integer(), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
    )
    op.create_index("point_pages_by_series", "point_pages", ["series", "tier", "first"])
    op.create_table("point_days", sa.Column("day", sa.Integer(), primary_key=True))
    op.create_table(
        "point_tiers", sa.Column("tier", sa.Integer(), primary_key=True), sa.Column("since", sa.Float(), nullable=False)
    )
