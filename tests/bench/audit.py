"""The audit: what a record costs when it is written, and how long a chain of a million is looked at.

``python tests/bench/audit.py [RECORDS]``. Floors beside: SQLite reading the same rows, and SHA-256 of as many bytes.
"""

import hashlib
import json
import os
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from mlops_desk.kit.base import wire
from mlops_desk.kit.records.agent import AuditEntry
from mlops_desk.kit.storage.audit.chain import START, following, place_of
from mlops_desk.kit.storage.audit.worker import verify
from mlops_desk.kit.storage.state import State

RECORDS = 1_000_000
WRITTEN = 300
OUTCOME = json.dumps({"id": "x" * 12, "name": "train resnet50 on night shift", "state": "queued", "more": "y" * 300})


def main(records: int) -> None:
    """Print a table."""
    print(f"load {os.getloadavg()[0]:.1f}; {records:,} records")
    with tempfile.TemporaryDirectory(prefix="mld-audit-") as place:
        path = Path(place) / "state.db"
        state = State(path)
        began = time.perf_counter()
        for number in range(WRITTEN):
            state.audit.put(entry(number))
        print(f"a record written, durable: {(time.perf_counter() - began) / WRITTEN * 1000:.2f} ms")
        state.close()
        fill(path, records)
        print(f"{path.stat().st_size >> 20} MiB on the disk, {path.stat().st_size / records:.0f} bytes a record")
        began = time.perf_counter()
        with closing(sqlite3.connect(path)) as connection:
            size = sum(len(row[0]) for row in connection.execute("SELECT CAST(document AS TEXT) FROM audit_chain"))
        print(f"floor: SQLite reads the chain       {time.perf_counter() - began:6.2f} s")
        began = time.perf_counter()
        hashlib.sha256(bytes(size)).hexdigest()
        print(f"floor: SHA-256 of its {size >> 20} MiB      {time.perf_counter() - began:6.2f} s")
        began, spent = time.perf_counter(), time.process_time()
        found = verify(path, None)
        took = f"{time.perf_counter() - began:6.2f} s, of a processor {time.process_time() - spent:.2f} s"
        print(f"the chain and its entries verified  {took} (wanted: 20 s); intact: {found.intact}, {found.records:,}")


def entry(number: int) -> AuditEntry:
    return AuditEntry(float(number), 1000, "ana", "jobs.submit", '{"spec": "z"}', OUTCOME, id=f"{number:032x}")


def fill(path: Path, records: int) -> None:
    """Put records behind those that are there, without a transaction for each."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM audit")
        connection.execute("DELETE FROM audit_chain")
        digest = START
        for number in range(records):
            one = entry(number)
            text = json.dumps(wire.to_builtins(one))
            link = following(number, digest, one.id or "", text)
            digest = link.digest
            row = ("", "jobs.submit", float(number), text)
            connection.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?)", (one.id, *row))
            told = json.dumps(wire.to_builtins(link))
            linked = (place_of(link.number), "", link.entry, float(link.number), told)
            connection.execute("INSERT INTO audit_chain VALUES (?, ?, ?, ?, ?)", linked)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else RECORDS)
