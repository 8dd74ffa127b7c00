"""Three users' agents take GPUs on one machine while they are killed and a fourth user does what harm a user can.

Each try is one of two. *Hammering*: three users take and give back GPUs as fast as they can, some are killed at random
moments, a vandal tries to change what they wrote and fills the lease folder with rubbish. *Damage*: each user holds a
GPU, and root itself garbles, empties, removes or replaces their files. No GPU is ever given to two, none stays taken
for ever, and what was damaged stands again after its holder's next look.
"""

import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mlops_desk.gpus.leases.context import LeaseOwner
from mlops_desk.gpus.leases.folders import LeaseFolders
from mlops_desk.gpus.leases.host import ThisHost
from mlops_desk.gpus.leases.ledger import LeaseLedger
from mlops_desk.machine.records.gpu import Gpu, GpuState
from tests.leasing import lease_gpus

TRIES = 100

ROOT = Path(__file__).resolve().parents[2]
USERS = (4101, 4102, 4103)
VANDAL = 4104
GPUS = [f"GPU-{index:08d}-0000-4000-8000-000000000000" for index in range(4)]
_HAMMER_SECONDS = 2.5
_END_SECONDS = 60.0
_LATER_SECONDS = 700.0
"""Longer than any doubt holds a GPU."""


class Later(ThisHost):
    """This machine, some time later once ``passed`` is set: for what ends only after minutes."""

    passed = 0.0

    def now(self) -> float:
        return super().now() + self.passed


def attempt(number: int, folder: Path, rng: random.Random) -> str | None:
    """Do one try; ``folder`` is not used, for only root can reach it."""
    if os.geteuid() != 0:
        return "becoming other users needs root"
    with tempfile.TemporaryDirectory(prefix="three-users-") as name:
        place = Path(name)
        place.chmod(0o755)
        (place / "leases").mkdir()
        (place / "leases").chmod(0o1777)
        (place / "arena").mkdir()
        for gpu in GPUS:
            (place / "arena" / gpu).write_text("")
        return _damaged(place, rng) if number % 4 == 3 else _hammered(place, rng)


def _hammered(place: Path, rng: random.Random) -> str | None:
    first = rng.random() < 0.5
    victim = rng.choice(GPUS)
    vandals = [_vandal(place, victim, rng)] if first else []
    agents = [_agent(uid, place, _HAMMER_SECONDS) for uid in USERS]
    vandals += [] if first else [_vandal(place, victim, rng)]
    outputs = []
    for _ in range(4):
        time.sleep(rng.uniform(0.1, 0.6))
        killed = agents.pop(rng.randrange(len(agents)))
        killed.kill()
        outputs.append(killed.communicate()[0])
        agents.append(_agent(rng.choice(USERS), place, _HAMMER_SECONDS))
    outputs += [process.communicate(timeout=_END_SECONDS)[0] for process in agents]
    harm = [process.communicate(timeout=_END_SECONDS)[0] for process in vandals]
    lines = [line for output in outputs for line in output.splitlines()]
    if doubles := [line for line in lines if line.startswith("DOUBLE")]:
        return f"given twice: {doubles}"
    if could := [line for output in harm for line in output.splitlines() if line.startswith("COULD")]:
        return f"another user {could}"
    if len(lines) < 20:
        return f"only {len(lines)} GPUs were given out: the vandal held up everybody"
    if any(process.returncode not in {0, -9} for process in agents):
        return "an agent ended by an error"
    return _leaked(place, victim)


def _leaked(place: Path, victim: str) -> str | None:
    """Say which GPUs nobody can have though all their holders are gone."""
    free = [gpu for gpu in GPUS if gpu != victim]
    watcher = _ledger(place, "watcher", ThisHost())
    taken = _taken(watcher, "now", len(free))
    if taken is None or (victim not in taken and set(taken) != set(free)):
        return f"not all of the {len(free)} GPUs that nobody spoils could be had: {taken}"
    watcher.release("now")
    host = Later()
    later = _ledger(place, "later", host)
    later.snapshot()
    host.passed = _LATER_SECONDS
    return "a GPU stays taken for ever" if _taken(later, "later", len(GPUS)) is None else None


def _taken(ledger: LeaseLedger, attempt_id: str, count: int) -> tuple[str, ...] | None:
    """Take GPUs; the first look notes the deaths that only a later one lets go."""
    for _ in range(3):
        choice = lease_gpus(ledger, attempt_id, "x", count, _facts(ledger))
        if choice.gpus is not None:
            return choice.gpus
    return None


def _damaged(place: Path, rng: random.Random) -> str | None:
    holders = [_holder(uid, place) for uid in USERS]
    try:
        for holder in holders:
            assert holder.stdout is not None
            holder.stdout.readline()
        watcher = _ledger(place, "watcher", ThisHost())
        before = {uuid: info.instance for uuid, info in watcher.snapshot().items()}
        for _ in range(5):
            file = rng.choice(sorted((place / "leases").glob("*/*.lease")))
            _damage(file, rng.choice(("garble", "empty", "remove", "replace", "link", "folder")), rng)
            time.sleep(0.5)
            now = {uuid: info.instance for uuid, info in watcher.snapshot().items() if info.state == "leased"}
            if now != before:
                return f"leases were {before}, and {now} after {file} was damaged"
        if lease_gpus(watcher, "x", "x", len(GPUS) - len(USERS) + 1, _facts(watcher)).gpus is not None:
            return "a GPU that somebody holds was given out"
    finally:
        for holder in holders:
            holder.kill()
            holder.communicate()
    return None if _taken(watcher, "all", len(GPUS)) else "a GPU of a killed holder stays taken"


def _damage(file: Path, kind: str, rng: random.Random) -> None:
    if kind in {"garble", "empty"}:
        file.write_bytes(b"" if kind == "empty" else rng.randbytes(rng.randint(1, 8000)))
        return
    with contextlib.suppress(FileExistsError, IsADirectoryError):  # its holder was faster
        file.unlink(missing_ok=True)
        if kind == "replace":
            file.write_bytes(b"{}")
        elif kind == "link":
            file.symlink_to("/etc/passwd")
        elif kind == "folder":
            file.mkdir()


# -- processes -------------------------------------------------------------------------------


def _agent(uid: int, place: Path, seconds: float) -> "subprocess.Popen[str]":
    return _python("tests.end2end.lease_agent", str(uid), str(place / "arena"), str(place / "leases"), str(seconds))


def _holder(uid: int, place: Path) -> "subprocess.Popen[str]":
    return _python("tests.end2end.lease_agent", str(uid), str(place / "arena"), str(place / "leases"), "hold")


def _vandal(place: Path, victim: str, rng: random.Random) -> "subprocess.Popen[str]":
    arguments = (str(VANDAL), str(place / "leases"), victim, str(_HAMMER_SECONDS), str(rng.randrange(1 << 30)))
    vandal = _python("tests.end2end.lease_vandal", *arguments)
    assert vandal.stdout is not None
    vandal.stdout.readline()
    return vandal


def _python(module: str, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


def _ledger(place: Path, name: str, host: ThisHost) -> LeaseLedger:
    return LeaseLedger(LeaseOwner(name), folders=LeaseFolders((place / "leases",)), host=host)


def _facts(ledger: LeaseLedger):
    gpus = [Gpu(uuid, index, "Test", None, GpuState.OK, processes_known=True) for index, uuid in enumerate(GPUS)]
    return ledger.facts(gpus, time.time())
