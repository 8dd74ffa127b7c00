"""A worker that measures what runs have left on this machine's disk.

It reads where their files lie from the database, and stays within a time: what it has not come to is not known.
"""

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from mlops_desk.kit.base.process import limit_memory, serve_one
from mlops_desk.registry.doctor.checks.files import folder_bytes, local
from mlops_desk.registry.doctor.sqlite_reader import QuietStore

_MEMORY_BYTES = 1 << 30  # chosen: the ids of some million runs
_SECONDS = 15.0  # chosen: some hundred thousand files from a disk
_AT_ONCE = 500  # chosen: below SQLite's limit of 999 values in a statement, in any build of it


def work(request: dict[str, Any]) -> dict[str, int | None]:
    """Return how many bytes the files of each run take; None for those that lie elsewhere or were not come to."""
    path = Path(request["path"])
    own = path.parent / "artifacts" if request["is_ours"] else None
    with closing(QuietStore(path)) as store:
        places = _places(store, request["run_ids"])
    deadline = time.monotonic() + _SECONDS
    return {run: folder_bytes(local(place, own), deadline) for run, place in places.items()}


def _places(store: QuietStore, run_ids: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for first in range(0, len(run_ids), _AT_ONCE):
        some = run_ids[first : first + _AT_ONCE]
        names = [f"r{place}" for place in range(len(some))]
        asked = ",".join(f":{name}" for name in names)
        query = f"SELECT run_uuid, artifact_uri FROM runs WHERE run_uuid IN ({asked})"  # noqa: S608 - names of our own
        rows = store.rows(query, **dict(zip(names, some, strict=True)))
        found.update((str(run), str(place or "")) for run, place in rows)
    return found


if __name__ == "__main__":
    limit_memory(_MEMORY_BYTES)
    serve_one(work)
