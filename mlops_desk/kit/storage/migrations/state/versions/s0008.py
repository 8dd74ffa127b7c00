"""What an agent began and did not end is found without a walk through the whole audit trail."""

from alembic import op

revision = "s0008"
down_revision = "s0007"


def upgrade() -> None:
    op.create_index("audit_by_state", "audit", ["state", "created_at"])
