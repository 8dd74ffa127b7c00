"""The machine's ledger of GPUs, looked at every few seconds: our own leases are upheld first, then all are read."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from mlops_desk.base.errors import DeskError
from mlops_desk.leases.allocation import Facts
from mlops_desk.leases.ledger import Ledger
from mlops_desk.records.status import LeaseInfo

_log = logging.getLogger(__name__)


class Leasing:
    """``facts`` returns what the driver showed last, or None when that is too old; ``instance`` is our agent's."""

    def __init__(self, ledger: Ledger, instance: str, facts: Callable[[], Facts | None]) -> None:
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

    def _uphold(self) -> None:
        try:
            self._ledger.uphold()
        except DeskError as error:
            if error.message != self._trouble:
                _log.warning("Our leases can't be written anew: %s", error.message)
            self._trouble = error.message
            return
        self._trouble = None
