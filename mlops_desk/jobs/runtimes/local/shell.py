"""The shell that runs the wrapper inside a container: the desk's own, brought along by a mount, or the image's.

The desk's own is a static busybox of this machine: it needs nothing of the image, neither a libc nor a
folder of programs, and any user may run it. An image of another architecture runs on emulation, or on
another machine, where this one may not start, so there the image's own shell is what is left.
"""

import logging
import os
import stat
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.jobs.records.spec import Mount

_log = logging.getLogger(__name__)

SHELL_TARGET = "/mlops-desk/busybox"
PLACES = (Path("/bin/busybox"), Path("/usr/bin/busybox"), Path("/usr/local/bin/busybox"))
PACKAGE = "busybox-static"

_ELF_MAGIC = b"\x7fELF"
_ARCHITECTURES = {3: "386", 20: "ppc", 21: "ppc64le", 22: "s390x", 40: "arm", 62: "amd64", 183: "arm64", 243: "riscv64"}
"""ELF's numbers of machines, as engines call them."""
_HEADER_BYTES = 4096  # the header of a file and the table of its segments, which begins right after it
_INTERPRETER = 3  # PT_INTERP (elf(5)): a program that needs a loader of its own can't be told to run anywhere


@dataclass(frozen=True, slots=True)
class Shell:
    """The words that start a shell in a container, and the mounts that bring it there."""

    words: tuple[str, ...]
    mounts: tuple[Mount, ...] = ()


IMAGE_SHELL = Shell(("/bin/sh",))


@dataclass(frozen=True, slots=True)
class HostShell:
    """A static busybox of this machine; ``architecture`` is the word that engines use for its own."""

    path: Path
    architecture: str

    def shell(self) -> Shell:
        """Return it as a container gets it."""
        return Shell((SHELL_TARGET, "sh"), (Mount(str(self.path), SHELL_TARGET, "ro"),))


def host_shell(places: Iterable[Path] = PLACES) -> HostShell | None:
    """Return this machine's static busybox, or None where there is none that every user could run."""
    for place in places:
        try:
            path = place.resolve(strict=True)
            facts = path.stat()
            with path.open("rb") as file:
                architecture = _static_for(file.read(_HEADER_BYTES))
        except OSError:
            continue  # not there, or not for us to read: the next place may have it
        anybody = facts.st_mode & (stat.S_IROTH | stat.S_IXOTH) == stat.S_IROTH | stat.S_IXOTH
        if architecture is not None and anybody and not os.statvfs(path).f_flag & os.ST_NOEXEC:
            return HostShell(path, architecture)
    return None


def _static_for(header: bytes) -> str | None:
    """Return the architecture of a program that needs no dynamic linker; None for anything else."""
    if len(header) < 64 or header[:4] != _ELF_MAGIC:
        return None
    order = "<" if header[5] == 1 else ">"
    (machine,) = struct.unpack_from(f"{order}H", header, 18)
    wide = header[4] == 2
    (table,) = struct.unpack_from(f"{order}{'Q' if wide else 'I'}", header, 32 if wide else 28)
    size, count = struct.unpack_from(f"{order}2H", header, 54 if wide else 42)
    if table + size * count > len(header):
        return None
    kinds = [struct.unpack_from(f"{order}I", header, table + size * number)[0] for number in range(count)]
    return None if _INTERPRETER in kinds or not kinds else _ARCHITECTURES.get(machine)
