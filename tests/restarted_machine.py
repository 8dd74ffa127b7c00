"""A machine in small that can lose its power: an engine and desks in namespaces of their own, and a boot id.

What runs there ends all at once, unasked, as at a power cut: engine, containers, agents, gateways. What lies on disk
stays, what lies in memory (the engine's ``exec`` folder) does not, and the next boot has an id of its own.
"""

import os
import shutil
import signal
import subprocess
import time
import uuid
from pathlib import Path

from tests.gpu_engine import PrivateEngine

_SECONDS = 60.0
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


class RestartedMachine(PrivateEngine):
    """``prefix`` stands before each command that is to run on this machine. Its engine is asked by ``address``."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, 0)
        self.boot = folder / "boot_id"
        self._init: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Switch it on: namespaces first, the engine within them."""
        self.boot.write_text(f"{uuid.uuid4()}\n")
        script = (
            f"mount --bind {self.boot} {_BOOT_ID} && ip link set lo up"
            f" && dockerd --config-file {self.folder}/daemon.json & wait; sleep infinity"
        )
        with (self.folder / "log").open("ab") as log:
            self._process = self._init = subprocess.Popen(
                [
                    "setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child",
                    "--mount-proc", "--propagation", "slave", "sh", "-c", script,
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + _SECONDS
        while not self._answers():
            assert time.monotonic() < deadline, (self.folder / "log").read_text()[-3000:]
            time.sleep(0.1)

    @property
    def prefix(self) -> list[str]:
        return ["nsenter", "-t", str(self._first()), "--net", "--mount", "--pid"]

    def _first(self) -> int:
        """Return the number, here, of the process that is the first one there."""
        assert self._init is not None
        told = Path(f"/proc/{self._init.pid}/task/{self._init.pid}/children").read_text()
        return int(told.split()[0])

    def cut_power(self) -> None:
        """End all that runs there at once."""
        assert self._init is not None
        os.kill(self._first(), signal.SIGKILL)  # the kernel ends the whole namespace with its first process
        self._init.wait(_SECONDS)
        self._process = self._init = None
        shutil.rmtree(self.folder / "exec", ignore_errors=True)
        (self.folder / "pid").unlink(missing_ok=True)

    def close(self) -> None:
        if self._init is not None:
            self.cut_power()
        self.remove_folders(_SECONDS)
