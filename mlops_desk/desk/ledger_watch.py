"""The machine's ledger of GPUs, looked at every few seconds: our own leases are upheld first, then all are read."""

import logging
import os
import shlex
import stat
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from mlops_desk.base.caller import user_name
from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.leases.allocation import DriverFacts
from mlops_desk.leases.ledger import LeaseLedger
from mlops_desk.records.agent import Check
from mlops_desk.records.gpu import LeaseInfo

_log = logging.getLogger(__name__)


class Leasing:
    """``facts`` returns what the driver showed last, or None when that is too old; ``instance`` is our agent's."""

    def __init__(self, ledger: LeaseLedger, instance: str, facts: Callable[[], DriverFacts | None]) -> None:
        self._ledger = ledger
        self._instance = instance
        self._facts = facts
        self._trouble: str | None = None

    def known(self) -> Mapping[str, LeaseInfo]:
        """Return who holds which GPU; what is wrong with our own leases is told with them."""
        self._uphold()
        infos = self._ledger.snapshot(self._facts())
        if self._trouble is None:
            return infos
        return {
            uuid: replace(info, trouble=self._trouble) if info.instance == self._instance else info
            for uuid, info in infos.items()
        }

    def check(self) -> Check:
        """Tell whether the folders where leases lie are shared by all users, and safe from each of them."""
        name = "gpu leases"
        folders = [folder for folder in self._ledger.folders if folder.is_dir() and os.access(folder, os.W_OK)]
        if not folders:
            tried = ", ".join(plain(str(folder)) for folder in self._ledger.folders)
            return Check(name, "problem", f"no GPU can be given out: none of {tried} can be written to")
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


def _weakness(folder: Path) -> str | None:
    """Say who besides root could remove other users' leases from a folder."""
    facts = folder.stat()
    if facts.st_uid not in {0, os.geteuid()}:
        owner = plain(user_name(facts.st_uid))
        return f"{plain(str(folder))} belongs to {owner}, who could remove other users' leases"
    if facts.st_mode & stat.S_IWOTH and not facts.st_mode & stat.S_ISVTX:
        return f"{plain(str(folder))} is not sticky, so anybody could remove other users' leases"
    return None
