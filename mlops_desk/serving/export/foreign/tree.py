"""The files that the layers of an image leave, as far as they tell for what machine and Python it is. Nothing is run.

A layer may take away what one below it has: a file ``.wh.NAME`` hides NAME, and ``.wh..wh..opq`` all that its folder
had before (OCI image specification, ``layer.md``).
"""

import posixpath
import re
import struct
import tarfile
from collections import Counter
from dataclasses import dataclass
from typing import IO

from mlops_desk.base.errors import Invalid

_MOST_FILES = 2_000_000  # chosen: ten times the largest image of models known here
_LONGEST = 4096  # PATH_MAX
_MOST_LINKS = 40  # as the kernel follows them
_HIDES, _HIDES_ALL = ".wh.", ".wh..wh..opq"
_NOTED = re.compile(
    r"python3(\.\d+)?|libc\.so\.6|libc-2\.\d+\.so|ld-(linux|musl)[\w.-]*\.so[\w.]*|libc\.musl[\w.-]*|ld64?\.so[\w.]*|"
    r"patchlevel\.h"
)
_HEAD_BYTES = 1 << 16  # chosen: programs name their loader in their first page
_LIBRARY_BYTES = 32 << 20  # chosen: a libc has 2 MB
_GLIBC = re.compile(rb"GNU C Library[^\n\0]{0,200}? version (\d{1,2})\.(\d{1,3})")
_MUSL = re.compile(rb"\0(1)\.(\d{1,2})\.\d{1,3}[\w.-]*(?=\0)")
_PYTHON = re.compile(rb'#define\s+PY_VERSION\s+"(\d{1,2}\.\d{1,3}\.\d{1,3}[\w+]{0,8})"')
_PT_INTERP = 3  # elf(5)


@dataclass(frozen=True, slots=True)
class BaseProgram:
    """A program of 64 bits: the number of its machine (elf(5), ``e_machine``), and what loads it, if anything."""

    machine: int
    loader: str | None


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file, a folder or a link (to ``link``, by which a hard link is meant where it ``is_hard``), and what it tells.

    ``libc`` is which C library with what version, ``python`` the full version of which a header is.
    """

    link: str | None = None
    is_hard: bool = False
    is_folder: bool = False
    program: BaseProgram | None = None
    libc: tuple[str, int, int] | None = None
    python: str | None = None


class ImageTree:
    """What the layers that were read by now leave, the lowest first."""

    def __init__(self) -> None:
        self._files: dict[str, FoundFile] = {}

    def read(self, layer: IO[bytes]) -> None:
        """Read one layer's tar. Raises Invalid, tarfile.TarError, OSError."""
        hidden: set[str] = set()
        added: dict[str, FoundFile] = {}
        with tarfile.open(fileobj=layer, mode="r|") as archive:
            for member in archive:
                archive.members = []  # type: ignore[attr-defined]  # public, and never forgotten by itself
                path = _normal(member.name)
                folder, name = posixpath.split(path)
                if name == _HIDES_ALL:
                    hidden.add(folder)
                elif name.startswith(_HIDES):
                    hidden.add(posixpath.join(folder, name.removeprefix(_HIDES)))
                else:
                    added[path] = _found(archive, member, name)
                if len(added) + len(hidden) + len(self._files) > _MOST_FILES:
                    raise Invalid(f"The base image has more than {_MOST_FILES:,} files.")
        # A file or a link that comes in a folder's place takes what was in it away too.
        gone = hidden | {path for path, one in added.items() if not one.is_folder}
        if gone:
            self._files = {path: one for path, one in self._files.items() if not _is_below(path, gone)}
        self._files |= added

    def has(self, path: str) -> bool:
        """Whether something is there, or below it."""
        return path in self._files or any(one.startswith(f"{path}/") for one in self._files)

    def resolve(self, path: str) -> tuple[str, FoundFile] | None:
        """Return where a path leads, links followed as the kernel does; None where it leads nowhere."""
        left = _parts(path)
        at, links = "", 0
        while left:
            step = left.pop(0)
            if step == "..":
                at = posixpath.dirname(at)
                continue
            here = posixpath.join(at, step)
            one = self._files.get(here)
            if one is not None and one.link is not None:
                links += 1
                if links > _MOST_LINKS:
                    return None
                left = _parts(one.link) + left
                at = "" if one.is_hard or one.link.startswith("/") else at
                continue
            at = here
        found = self._files.get(at)
        return None if found is None or found.is_folder else (at, found)


def _parts(path: str) -> list[str]:
    return [step for step in path.split("/") if step not in {"", "."}]


def _normal(name: str) -> str:
    if len(name) > _LONGEST:
        raise Invalid("The base image has a file whose path is longer than any system takes.")
    return posixpath.normpath(f"/{name}").lstrip("/")


def _is_below(path: str, folders: set[str]) -> bool:
    while path:
        if path in folders:
            return True
        path = posixpath.dirname(path)
    return "" in folders


def _found(archive: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> FoundFile:
    if member.issym() or member.islnk():
        return FoundFile(link=member.linkname[:_LONGEST], is_hard=member.islnk())
    if not member.isfile() or member.issparse():
        return FoundFile(is_folder=member.isdir())
    if not _NOTED.fullmatch(name) or member.size > _LIBRARY_BYTES:
        return FoundFile()
    file = archive.extractfile(member)
    if file is None:
        return FoundFile()
    if name == "patchlevel.h":
        header = _PYTHON.search(file.read(_HEAD_BYTES))
        return FoundFile(python=header[1].decode("ascii", "replace") if header else None)
    data = file.read(_HEAD_BYTES) if name.startswith("python") else file.read(_LIBRARY_BYTES)
    return FoundFile(program=program(data), libc=None if name.startswith("python") else _libc(data))


def program(data: bytes) -> BaseProgram | None:
    """Return what the beginning of a file tells of the program that it is: ELF, 64 bits, little-endian (elf(5))."""
    if len(data) < 64 or data[:6] != b"\x7fELF\x02\x01":
        return None
    (machine,) = struct.unpack_from("<H", data, 18)
    (table,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    for index in range(count):
        at = table + index * size
        if at + 56 > len(data):
            break
        (kind,) = struct.unpack_from("<I", data, at)
        offset, length = (*struct.unpack_from("<Q", data, at + 8), *struct.unpack_from("<Q", data, at + 32))
        if kind == _PT_INTERP and offset + length <= len(data):
            return BaseProgram(machine, data[offset : offset + length].rstrip(b"\0").decode("ascii", "replace"))
    return BaseProgram(machine, None)


def _libc(data: bytes) -> tuple[str, int, int] | None:
    if found := _GLIBC.search(data):
        return "glibc", int(found[1]), int(found[2])
    if b"musl libc" in data:
        told = Counter((int(found[1]), int(found[2])) for found in _MUSL.finditer(data))
        return ("musl", *min(told)) if told else None
    return None
