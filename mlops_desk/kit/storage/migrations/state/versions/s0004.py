"""Jobs are found by their name and by their group without a walk through all of them."""

import sqlalchemy as sa
from alembic import op

revision = "s0004"
down_revision = "s0003"


def upgrade() -> None:
    op.create_index("jobs_by_name", "jobs", [sa.text("json_extract(document, '$.name')"), "created_at"])
    op.create_index("jobs_by_group", "jobs", [sa.text("json_extract(document, '$.group')"), "created_at"])
