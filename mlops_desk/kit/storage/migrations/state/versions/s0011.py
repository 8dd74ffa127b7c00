"""The audit becomes a chain: what stands there so far is taken up as it is found, in its order."""

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "s0011"
down_revision = "s0010"

_FOUND = "SELECT key, CAST(document AS TEXT) AS text FROM audit ORDER BY created_at, rowid"


def upgrade() -> None:
    chain = op.create_table(
        "audit_chain",
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("parent", sa.String(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
    )
    op.create_index("audit_chain_by_entry", "audit_chain", ["parent", "created_at"])
    connection, digest = op.get_bind(), "0" * 64
    for number, (entry, found) in enumerate(
        connection.execute(sa.text(_FOUND)), 1
    ):  # read as it goes, many as they are
        text = found or ""
        told = f"{digest}\n{number}\n{entry}\n{text}".encode("utf-8", "surrogatepass")
        digest = hashlib.sha256(told).hexdigest()
        document = {"number": number, "entry": entry, "text": text, "digest": digest}
        row = {"key": f"{number:012d}", "state": "", "parent": entry, "created_at": float(number), "document": document}
        connection.execute(chain.insert().values(**row))
