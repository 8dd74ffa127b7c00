"""The machine's ledger of GPUs, looked at every few seconds: our own leases are upheld first, then all are read."""

import logging
import os
import shlex
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from mlops_desk.gpus.leases.allocation import DriverFacts, GpuFault
from mlops_desk.gpus.leases.folders import ENVIRONMENT
from mlops_desk.gpus.leases.ledger import LeaseLedger
from mlops_desk.gpus.records.gpu_status import CardState
from mlops_desk.jobs.records.waiter import KeptFor
from mlops_desk.kit.base.caller import user_name
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.agent import Check
from mlops_desk.machine.records.gpu import KEPT, LeaseInfo
from mlops_desk.machine.records.status import Sample

_log = logging.getLogger(__name__)
_STALE_FACTS_SECONDS = 10.0  # who was on a GPU longer ago than that may be another by now
_MISSING, _CLOSED = "is not there", "can't be written to"
_LATE_SECONDS = 5.0  # so much later than two intervals comes the sample of a collector that had to be replaced


class Leasing:
    """``instance`` is our agent's; ``interval_seconds`` says how often telemetry samples at the moment.

    ``faults`` are what the driver announced of broken GPUs, by UUID, ``kept`` says for whose jobs free ones are kept.
    """

    def __init__(
        self,
        ledger: LeaseLedger,
        instance: str,
        interval_seconds: Callable[[], float],
        faults: Callable[[], Mapping[str, GpuFault]] = dict,
        kept: Callable[[], Mapping[str, KeptFor]] = dict,
    ) -> None:
        self._kept = kept
        self._faults = faults
        self._ledger = ledger
        self._instance = instance
        self._interval_seconds = interval_seconds
        self._trouble: str | None = None

    def facts(self, sample: Sample) -> DriverFacts | None:
        """Return what the driver showed in a sample, or None when that is too old to give GPUs out on."""
        limit = max(_STALE_FACTS_SECONDS, _LATE_SECONDS + 2.0 * self._interval_seconds())
        if time.time() - sample.sampled_at > limit:
            return None
        faults = self._faults()
        # An error is announced of a whole GPU, and its MIG instances are given out in its place.
        parts = {
            part.uuid: faults[gpu.uuid]
            for gpu in sample.gpus
            for part in gpu.mig
            if gpu.uuid in faults and part.uuid is not None
        }
        return replace(self._ledger.facts(sample.gpus, sample.sampled_at), faults={**faults, **parts})

    def known(self, sample: Sample) -> Mapping[str, LeaseInfo]:
        """Return who holds which GPU of a sample; what is wrong with our own leases is told with them."""
        self._uphold()
        infos = self._ledger.snapshot(self.facts(sample))
        infos = {**{uuid: LeaseInfo(KEPT, text=_words(kept)) for uuid, kept in self._kept().items()}, **infos}
        if self._trouble is None:
            return infos
        return {
            uuid: replace(info, trouble=self._trouble) if info.instance == self._instance else info
            for uuid, info in infos.items()
        }

    def drains(self, sample: Sample) -> bool:
        """Tell whether a GPU was let go that no sample since has shown free."""
        return any(info.state == CardState.DRAINING for info in self._ledger.snapshot(self.facts(sample)).values())

    def check(self) -> Check:
        """Tell whether the folders where leases lie are shared by all users, and safe from each of them."""
        name = "gpu leases"
        lacks = {folder: _lack(folder) for folder in self._ledger.folders}
        folders = [folder for folder, lack in lacks.items() if lack is None]
        if not folders:
            told = " and ".join(f"{plain(str(folder))} {lack}" for folder, lack in lacks.items() if lack)
            chosen = f"; {ENVIRONMENT} names it, and all users of this machine need the same" if _is_chosen() else ""
            return Check(name, "problem", f"no GPU can be given out: {told}{chosen}", _way(lacks))
        for folder in folders:
            weakness = _weakness(folder)
            if weakness is not None:
                shown = shlex.quote(str(folder))
                return Check(name, "warning", weakness, f"sudo chown root: {shown} && sudo chmod 1777 {shown}")
        return Check(name, "ok", f"kept in {' and '.join(plain(str(folder)) for folder in folders)}")

    def _uphold(self) -> None:
        try:
            self._ledger.uphold()
        except DeskError as error:
            if error.message != self._trouble:
                _log.warning("Our leases can't be written anew: %s", error.message)
            self._trouble = error.message
            return
        self._trouble = None


def _words(kept: KeptFor) -> str:
    then = time.strftime("%d %b %H:%M", time.localtime(kept.since))
    return f"kept for {kept.user}'s job {kept.name}, which has waited since {then}"


def _is_chosen() -> bool:
    return bool(os.environ.get(ENVIRONMENT))


def _lack(folder: Path) -> str | None:
    """Say why leases can't be kept in a folder; None where they can."""
    try:
        is_folder = stat.S_ISDIR(folder.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return _MISSING
    except OSError as error:
        return f"can't be looked at ({error.strerror})"
    if not is_folder:
        return "is no folder"
    return None if os.access(folder, os.W_OK | os.X_OK) else _CLOSED


def _way(lacks: Mapping[Path, str | None]) -> str | None:
    """Return the command after which leases can be kept; None where somebody has to look first."""
    folder, lack = [*lacks.items()][-1]  # of the machine's own folders the one that anybody may write to anyway
    shown = shlex.quote(str(folder))
    if lack == _MISSING:
        return f"sudo mkdir -p {shown} && sudo chmod 1777 {shown}"
    return f"sudo chown root: {shown} && sudo chmod 1777 {shown}" if lack == _CLOSED else None


def _weakness(folder: Path) -> str | None:
    """Say who besides root could remove other users' leases from a folder."""
    facts = folder.stat()
    if facts.st_uid not in {0, os.geteuid()}:
        owner = plain(user_name(facts.st_uid))
        return f"{plain(str(folder))} belongs to {owner}, who could remove other users' leases"
    if facts.st_mode & stat.S_IWOTH and not facts.st_mode & stat.S_ISVTX:
        return f"{plain(str(folder))} is not sticky, so anybody could remove other users' leases"
    return None
