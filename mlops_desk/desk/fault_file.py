"""Broken GPUs are remembered over a restart of the agent, as long as the machine runs: the driver tells it only once.

A machine that was started anew has reset its GPUs.
"""

import json
import logging
import time
from pathlib import Path

from mlops_desk.gpus.gpu_service import FaultMemory
from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.process import boot_id

_log = logging.getLogger(__name__)
_LONGEST_BYTES = 65_536  # chosen: some hundred GPUs, of which a machine has eight


class KeptFaults(FaultMemory):
    """Is kept in the file ``path``."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._kept: dict[str, int] = {}

    def load(self) -> None:
        """Take back what an earlier agent heard since the machine began; a file that can't be read says nothing."""
        try:
            with self._path.open("rb") as file:
                known = json.loads(file.read(_LONGEST_BYTES))
        except FileNotFoundError:
            return
        except (OSError, ValueError, RecursionError) as error:
            _log.warning("Which GPUs were withheld is not known: %s can't be read: %s", self._path, error)
            return
        xids = known.get("xids") if isinstance(known, dict) and known.get("boot") == boot_id() else None
        if isinstance(xids, dict):
            self._kept = {str(uuid): code for uuid, code in xids.items() if isinstance(code, int)}
            self.recall(self._kept, time.monotonic())

    def keep(self) -> None:
        """Write down what has changed, in a thread that may wait for the disk."""
        xids = dict(self.xids())
        if xids == self._kept:
            return
        try:
            write_atomically(self._path, json.dumps({"boot": boot_id(), "xids": xids}).encode())
        except OSError as error:
            _log.warning("Which GPUs are withheld is not kept over a restart of the agent: %s", error)
            return
        self._kept = xids
