"""Jobs are found by their run and by their origin without a walk through all of them."""

import sqlalchemy as sa
from alembic import op

revision = "s0003"
down_revision = "s0002"


def upgrade() -> None:
    op.create_index("jobs_by_run", "jobs", [sa.text("json_extract(document, '$.mlflow_run_id')")])
    op.create_index("jobs_by_origin", "jobs", ["parent", "created_at"])
