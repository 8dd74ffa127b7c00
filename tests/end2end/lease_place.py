"""A folder for leases that several users reach, agents of theirs that lease from it, and a ledger that looks on."""

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mlops_desk.gpus.leases.context import LeaseOwner
from mlops_desk.gpus.leases.folders import LeaseFolders
from mlops_desk.gpus.leases.ledger import LeaseLedger
from mlops_desk.machine.records.gpu import Gpu, GpuState

ROOT = Path(__file__).parents[2]
USERS = (4101, 4102, 4103)
GPUS = [f"GPU-{index:08d}-0000-4000-8000-000000000000" for index in range(3)]


@contextlib.contextmanager
def lease_place() -> Iterator[Path]:
    """Give a folder that all users reach: pytest's own are private."""
    with tempfile.TemporaryDirectory(prefix="mlops-desk-test-leases-") as folder:
        place = Path(folder)
        place.chmod(0o777)
        (place / "leases").mkdir()
        (place / "leases").chmod(0o1777)  # root's, as /run/lock and /tmp are
        arena = place / "arena"
        arena.mkdir()
        for gpu in GPUS:
            (arena / gpu).write_text("")
        yield place


def agent(uid: int, place: Path, seconds: float) -> "subprocess.Popen[str]":
    # The interpreter may lie where other users have no access, so it is loaded first and becomes them then.
    command = [
        sys.executable,
        "-m",
        "tests.end2end.lease_agent",
        str(uid),
        str(place / "arena"),
        str(place / "leases"),
        str(seconds),
    ]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def ledger(place: Path, name: str = "watcher", **more: object) -> LeaseLedger:
    return LeaseLedger(LeaseOwner(name), folders=LeaseFolders((place / "leases",)), **more)


def shown() -> list[Gpu]:
    return [Gpu(uuid, index, "Test", None, GpuState.OK, processes_known=True) for index, uuid in enumerate(GPUS)]
