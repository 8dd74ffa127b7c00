"""Where a worker of drift works: a folder of its own, and a database in memory that writes there what it can't hold."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from mlops_desk.kit.base.disk.scratch import scratch
from mlops_desk.kit.storage.data_files import connect

_THREADS = 2  # chosen: one reads while the other counts; the machine is busy with training


@contextmanager
def database_in(folder: Path, threads: int = _THREADS) -> Iterator[Any]:
    """Give a connection to a new database, which ends with the block."""
    with closing(connect(folder / "spill", threads=threads)) as connection:
        connection.execute("SET TimeZone = 'UTC'")  # what a moment without a zone is taken for
        yield connection


@contextmanager
def work_room(within: str | None) -> Iterator[tuple[Any, Path]]:
    """Give a database and its folder, made in ``within`` or among temporary files; both end with the block."""
    with scratch("drift", within) as name:
        folder = Path(name)
        with database_in(folder) as connection:
            yield connection, folder
