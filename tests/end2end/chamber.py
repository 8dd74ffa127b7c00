"""A mount namespace of its own, in which a folder lies on a small disk or is read-only, and nobody else sees it.

Root of a user namespace is enough where the system allows those; else it takes root.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_UNSHARE = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
_HOLD = 'import sys; print("there", flush=True); sys.stdin.read()'


@dataclass(frozen=True)
class Chamber:
    """The namespace of the process ``pid``, which does nothing but hold it."""

    pid: int

    @property
    def enter(self) -> list[str]:
        """What stands before a command that is to run inside."""
        user = [] if os.geteuid() == 0 else [f"--user=/proc/{self.pid}/ns/user", "--preserve-credentials"]
        return ["nsenter", f"--mount=/proc/{self.pid}/ns/mnt", *user]

    def path(self, path: Path) -> Path:
        """Return where a path of inside is seen from outside."""
        return Path(f"/proc/{self.pid}/root{path}")

    def mount(self, *arguments: str) -> None:
        subprocess.run([*self.enter, "mount", *arguments], check=True, timeout=600, capture_output=True)

    def small_disk(self, folder: Path, size_bytes: int) -> None:
        """Have ``folder`` lie on a disk of its own."""
        self.mount("-t", "tmpfs", "-o", f"size={size_bytes},mode=0700", "small", str(folder))

    def read_only(self, folder: Path) -> None:
        """Let nothing be written below ``folder`` from now on."""
        self.mount("--bind", str(folder), str(folder))
        self.mount("-o", "remount,bind,ro", str(folder))


def possible() -> bool:
    """Tell whether such a namespace can be had here."""
    try:
        return subprocess.run([*_UNSHARE, "true"], check=False, timeout=600, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@contextmanager
def chamber() -> Iterator[Chamber]:
    """Give a namespace until the end of the block."""
    command = [*_UNSHARE, "--propagation", "private", sys.executable, "-c", _HOLD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout.readline() == "there\n"
            yield Chamber(holder.pid)
        finally:
            holder.stdin.close()
            holder.wait(240)


def fill(folder: Path) -> Path:
    """Write a file until not a byte more fits; return it."""
    target = folder / "filler"
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while os.write(descriptor, b"x" * size):
                    pass
            except OSError:
                continue
    finally:
        os.close(descriptor)
    return target
