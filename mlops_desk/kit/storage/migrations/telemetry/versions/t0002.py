"""Chunks of quantised columns, roll-ups, GPU memory by process, and the flight recorder."""

import sqlalchemy as sa
from alembic import op

revision = "t0002"
down_revision = "t0001"


def upgrade() -> None:
    op.drop_index("blocks_by_time", "blocks")  # few blocks wait for their sealing, and each flush wrote it
    op.add_column("blocks", sa.Column("holders", sa.LargeBinary(), nullable=True))
    op.create_table(
        "chunks",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("tier", sa.Integer(), nullable=False),
        sa.Column("layout", sa.Integer(), sa.ForeignKey("layouts.id"), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("rolled", sa.Boolean(), nullable=False),
        sa.Column("alone", sa.Boolean(), nullable=False),
        sa.Column("first_source", sa.Integer(), nullable=False),
        sa.Column("last_source", sa.Integer(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("chunks_by_tier", "chunks", ["tier", "state", "id"])
    op.create_table(
        "frames", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("data", sa.LargeBinary(), nullable=False)
    )
    op.create_table(
        "processes",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("gpu", sa.String(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("start_ticks", sa.Integer(), nullable=False),
        sa.Column("user", sa.String(), nullable=True),
        sa.Column("command", sa.String(), nullable=True),
        sa.Column("container", sa.String(), nullable=True),
        sa.Column("first_at", sa.Float(), nullable=False),
        sa.Column("last_at", sa.Float(), nullable=False),
        sa.Column("peak_bytes", sa.Float(), nullable=False),
        sa.Column("seen_chunk", sa.Integer(), nullable=True),
        sa.UniqueConstraint("gpu", "pid", "start_ticks"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "recordings",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=False),
        sa.Column("chunk", sa.Integer(), nullable=True),
        sa.Column("bytes", sa.Integer(), nullable=False),
    )
    op.create_table(
        "recorded",
        sa.Column("incident", sa.String(), primary_key=True),
        sa.Column("recording", sa.Integer(), nullable=False),
    )
    op.create_index("ix_recorded_recording", "recorded", ["recording"])
