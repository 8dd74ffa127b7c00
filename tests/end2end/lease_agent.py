"""An agent that does nothing but take and give back GPUs, as the user it is told to become.

A second lock for each GPU, an flock that the kernel gives back however a process ends, is the witness:
whoever is given a GPU must find it free. Prints a line for each GPU given, and DOUBLE if it was not. One that is told
to hold takes a GPU, prints it, and keeps it, with a look at its lease ten times a second.
"""

import fcntl
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import NoReturn

from mlops_desk.gpus.leases.context import LeaseOwner
from mlops_desk.gpus.leases.folders import LeaseFolders
from mlops_desk.gpus.leases.ledger import LeaseLedger
from mlops_desk.machine.records.gpu import Gpu, GpuState
from tests.leasing import lease_gpus


def main(uid: int, arena: str, leases: str, seconds: str) -> None:
    _rehearse()
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
    os.umask(0o077)
    dice = random.Random(os.getpid())
    ledger = LeaseLedger(LeaseOwner(f"agent-{uid}"), folders=LeaseFolders((Path(leases),)))
    gpus = [
        Gpu(path.name, index, "Test", None, GpuState.OK, processes_known=True)
        for index, path in enumerate(sorted(Path(arena).iterdir()))
    ]
    if seconds == "hold":
        _hold(ledger, gpus)
    until, number = time.monotonic() + float(seconds), 0
    while time.monotonic() < until:
        number += 1
        attempt = f"{os.getpid()}-{number}"
        choice = lease_gpus(ledger, attempt, "hammer", dice.randint(1, 2), ledger.facts(gpus, time.time()))
        if choice.gpus is None:
            time.sleep(0.001)
            continue
        witnesses = [os.open(Path(arena, uuid), os.O_RDONLY) for uuid in choice.gpus]
        for uuid, witness in zip(choice.gpus, witnesses, strict=True):
            try:
                fcntl.flock(witness, fcntl.LOCK_EX | fcntl.LOCK_NB)
                print(uuid, flush=True)
            except BlockingIOError:
                print("DOUBLE", uuid, flush=True)
        time.sleep(dice.random() * 0.005)
        for witness in witnesses:
            os.close(witness)
        ledger.uphold()
        ledger.release(attempt)


def _hold(ledger: LeaseLedger, gpus: list[Gpu]) -> NoReturn:
    choice = lease_gpus(ledger, "held", "hold", 1, ledger.facts(gpus, time.time()))
    print(choice.gpus, flush=True)
    while True:
        time.sleep(0.1)
        ledger.uphold()


def _rehearse() -> None:
    """Load all that will be needed, while this process may still read the folder where Python lies."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = LeaseLedger(LeaseOwner("rehearsal"), folders=LeaseFolders((Path(folder, "leases"),)))
        lease_gpus(ledger, "a", "x", 1, ledger.facts([Gpu("GPU-0", 0, "Test", None, GpuState.OK)], time.time()))
        ledger.uphold()
        ledger.release("a")
        ledger.snapshot()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4])
