"""A private Podman that runs as a person, not as root: in a user namespace of its own, without limits on cgroup v1.

The person is made up: the service alone sees them, by files that are laid over the machine's own in its mount namespace.
"""

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import podman_engine
from tests.memory_folder import memory_folder
from tests.podman_engine import PrivatePodman

UID = 54_321
_FIRST_OF_OTHERS = 700_000
_OTHERS = 65_536


class RootlessPodman(PrivatePodman):
    """Podman as the person ``UID``; without GPUs, for none is handed over without root here."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, 0)
        for name in ("home", "runtime"):
            (folder / name).mkdir()
        person = f"mldtest:x:{UID}:{UID}::{folder}/home:/bin/sh\n"
        (folder / "passwd").write_text(Path("/etc/passwd").read_text() + person)
        (folder / "subids").write_text(f"mldtest:{_FIRST_OF_OTHERS}:{_OTHERS}\n")
        for path in (folder, *folder.rglob("*")):
            os.chown(path, UID, UID)
        folder.chmod(0o700)
        (folder / "passwd").chmod(0o644)

    def close(self) -> None:
        """End everything, and what holds the namespace open in which Podman finds its containers again."""
        pause = next(self.folder.glob("**/pause.pid"), None)
        holder = None if pause is None else int(pause.read_text())
        super().close()
        Path(f"/dev/shm/libpod_rootless_lock_{UID}").unlink(missing_ok=True)
        if holder is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(holder, signal.SIGKILL)

    def _command(self) -> str:
        laid = (("passwd", "/etc/passwd"), ("subids", "/etc/subuid"), ("subids", "/etc/subgid"))
        binds = " && ".join(f"touch {place} && mount --bind {self.folder}/{name} {place}" for name, place in laid)
        person = f"setpriv --reuid {UID} --regid {UID} --clear-groups --pdeathsig TERM"
        places = f"HOME={self.folder}/home XDG_RUNTIME_DIR={self.folder}/runtime USER=mldtest LOGNAME=mldtest"
        podman = f"podman --root {self.folder}/root --runroot {self.folder}/run"
        # A desktop lets everybody make network devices of their own namespaces; a small machine may not.
        tun = f"mknod -m 666 {self.folder}/tun c 10 200 && mount --bind {self.folder}/tun /dev/net/tun"
        return f"{binds} && {tun} && exec {person} env {places} {podman} system service --time 0 {self.address}"


def can_run() -> str | None:
    """Say why none can be run here; None when it can."""
    missing = [name for name in ("newuidmap", "newgidmap") if shutil.which(name) is None]
    return f"not installed: {', '.join(missing)}" if missing else podman_engine.can_run()


@pytest.fixture(scope="module")
def rootless_podman() -> Iterator[RootlessPodman]:
    reason = can_run()
    if reason is not None and not os.environ.get("CI"):
        pytest.skip(reason)
    podman = RootlessPodman(Path(tempfile.mkdtemp(prefix="mlops-desk-test-rootless-", dir=memory_folder())))
    try:
        podman.start()
        yield podman
    finally:
        podman.close()
