"""For what machine and which Python a base image is, told by its files, and which wheels run there. Pure."""

import posixpath
import re
import struct
import tarfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

from packaging.specifiers import SpecifierSet
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.version import InvalidVersion, Version

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain

# The files that the layers of an image leave, as far as they tell for what machine and Python it is. Nothing is run.
#
# A layer may take away what one below it has: a file ``.wh.NAME`` hides NAME, and ``.wh..wh..opq`` all that its folder
# had before (OCI image specification, ``layer.md``).

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
    return FoundFile(program=program(data), libc=None if name.startswith("python") else _tree_libc(data))


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


def _tree_libc(data: bytes) -> tuple[str, int, int] | None:
    if found := _GLIBC.search(data):
        return "glibc", int(found[1]), int(found[2])
    if b"musl libc" in data:
        told = Counter((int(found[1]), int(found[2])) for found in _MUSL.finditer(data))
        return ("musl", *min(told)) if told else None
    return None


# By Docker's word: what the kernel calls it, its number in a program's head (elf(5)), and the oldest glibc that wheels
# are made for there (PEP 513 and 599).
_MACHINES = {
    "amd64": ("x86_64", 62, 5),
    "arm64": ("aarch64", 183, 17),
    "ppc64le": ("ppc64le", 21, 17),
    "riscv64": ("riscv64", 243, 17),
}
_OLD_NAMES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}  # PEP 600
_SURE_GLIBC = 17  # chosen: manylinux2014, which everything has that Python 3.9 and later runs on
_LATEST = 99  # chosen: no Python has had so many corrections; stands for a newest one that is not known
_OLDEST_PYTHON = 9  # what the scoring server needs, of Python 3
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # what containers get without one
_NAME = re.compile(r"python3\.(\d{1,2})")
_LIBRARIES = ("", "lib/{}-linux-gnu", "usr/lib/{}-linux-gnu", "lib64", "usr/lib64", "lib", "usr/lib")


@dataclass(frozen=True, slots=True)
class PythonTarget:
    """Where wheels are to run. ``libc`` with its version is None where nothing tells which it is.

    ``releases`` are the full versions that its Python may have: one, or where none is told the first and a last.
    """

    architecture: str
    machine: str
    minor: int
    releases: tuple[str, ...]
    libc: tuple[str, int, int] | None
    folders: tuple[str, ...]

    @property
    def python(self) -> str:
        return f"3.{self.minor}"

    @property
    def title(self) -> str:
        """What it is, in words."""
        library = "a C library that is not told" if self.libc is None else "{} {}.{}".format(*self.libc)
        return f"Python {self.python} on linux/{self.architecture} with {library}"

    def tags(self) -> dict[Tag, int]:
        """Return the tags of wheels that run there, by how well they fit: the lowest is best."""
        version, abi = (3, self.minor), f"cp3{self.minor}"
        platforms = self._platforms()
        both = [*cpython_tags(version, [abi], platforms), *compatible_tags(version, abi, platforms)]
        ranks: dict[Tag, int] = {}
        for rank, tag in enumerate(both):
            ranks.setdefault(tag, rank)
        return ranks

    def _platforms(self) -> list[str]:
        machine = self.machine
        oldest = _MACHINES[self.architecture][2]
        kind, major, minor = self.libc or ("glibc", 2, 0)
        names = []
        if kind == "musl":
            names = [f"musllinux_{major}_{one}_{machine}" for one in range(minor, -1, -1)]
        elif major == 2:
            for one in range(minor, oldest - 1, -1):
                names.append(f"manylinux_2_{one}_{machine}")
                if one in _OLD_NAMES:
                    names.append(f"{_OLD_NAMES[one]}_{machine}")
        return [*names, f"linux_{machine}"]

    def environments(self) -> list[dict[str, str]]:
        """Return what markers (PEP 508) may find there: one, or two where the full version is not told."""
        known = {
            "os_name": "posix", "sys_platform": "linux", "platform_system": "Linux", "platform_machine": self.machine,
            "platform_python_implementation": "CPython", "implementation_name": "cpython",
            "python_version": self.python, "platform_release": "", "platform_version": "", "extra": "",
        }  # fmt: skip
        return [{**known, "python_full_version": one, "implementation_version": one} for one in self.releases]

    def takes(self, pythons: SpecifierSet) -> bool:
        """Whether what a wheel wants of Python (Requires-Python) can be met."""
        return any(pythons.contains(one, prereleases=True) for one in self.releases)

    def pip_words(self) -> list[str]:
        """Return the options by which pip fetches wheels for it."""
        kind, major, minor = self.libc or ("glibc", 2, _SURE_GLIBC)
        if kind == "musl":
            platforms = [f"musllinux_{major}_{minor}_{self.machine}"]
        else:
            steps = [one for one in (17, 28, 34) if one <= minor] or [minor]  # what projects publish wheels for
            platforms = [f"manylinux_{major}_{one}_{self.machine}" for one in steps]
            platforms[:0] = [f"manylinux2014_{self.machine}"] if _SURE_GLIBC in steps else []  # pip knows no other name
        words = [word for one in platforms for word in ("--platform", one)]
        return [*words, "--python-version", self.python, "--implementation", "cp", "--only-binary=:all:"]


def target_of(config: Mapping[str, Any], tree: ImageTree) -> PythonTarget:
    """Return what an image's files say of it, against its own description. Raises Invalid."""
    architecture = str(config.get("architecture"))
    if config.get("os") != "linux" or architecture not in _MACHINES:
        known = ", ".join(f"linux/{one}" for one in _MACHINES)
        shown = plain(f"{config.get('os')}/{architecture}")
        raise Invalid(f"The base image is for {shown}; images are made for {known}.")
    machine, number, _ = _MACHINES[architecture]
    path, found = _python(config, tree)
    if found.program is None or found.program.machine != number:
        raise Invalid(
            f"The base image says that it is for linux/{architecture}, but its {plain(path)} is no program for that.",
            "Take the image for that platform, as skopeo copy --override-arch fetches it.",
        )
    minor = _minor(path)
    if minor < _OLDEST_PYTHON:
        raise Invalid(f"The base image has Python 3.{minor}; the scoring server needs 3.{_OLDEST_PYTHON} or later.")
    libc = _libc(tree, found.program.loader, machine)
    return PythonTarget(architecture, machine, minor, _releases(config, tree, path, minor), libc, search_path(config))


def environment_of(config: Mapping[str, Any]) -> dict[str, str]:
    """Return what an image's configuration says of the environment, as it is."""
    given = (config.get("config") or {}).get("Env") or []
    return dict(one.split("=", 1) for one in given if isinstance(one, str) and "=" in one)


def search_path(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the folders in which an image looks for programs: absolute ones alone."""
    said = environment_of(config).get("PATH") or _PATH
    return tuple(one for one in said.split(":") if one.startswith("/") and one.isprintable())


def _python(config: Mapping[str, Any], tree: ImageTree) -> tuple[str, FoundFile]:
    folders = search_path(config)
    for folder in folders:
        if found := tree.resolve(f"{folder}/python3"):
            return found
    raise Invalid(
        f"The base image has no python3 in {plain(':'.join(folders), 200)}.",
        "Take an image of Python, as python:3.12-slim for the platform.",
    )


def _minor(path: str) -> int:
    found = _NAME.fullmatch(path.rpartition("/")[2])
    if found is None:
        raise Invalid(
            f"Of the base image's python3 ({plain(path)}) nothing tells which version it is.",
            "Take an image in which python3 leads to a program named after its version, as python3.12.",
        )
    return int(found[1])


def _releases(config: Mapping[str, Any], tree: ImageTree, path: str, minor: int) -> tuple[str, ...]:
    prefix = path.rpartition("/bin/")[0]
    header = tree.resolve(f"{prefix}/include/python3.{minor}/patchlevel.h")
    for said in (header[1].python if header else None, environment_of(config).get("PYTHON_VERSION")):
        try:
            version = Version(said or "")
        except InvalidVersion:
            continue
        if version.release[:2] == (3, minor):
            return (str(version),)
    return (f"3.{minor}.0", f"3.{minor}.{_LATEST}")


def _libc(tree: ImageTree, loader: str | None, machine: str) -> tuple[str, int, int] | None:
    """Return which C library a program is loaded with: its version where a file tells it, else a sure one."""
    if loader is None:
        return None
    found = tree.resolve(loader)
    if "musl" in loader:
        return found[1].libc if found is not None else None
    beside = found[0].rpartition("/")[0] if found is not None else ""
    for folder in _LIBRARIES:
        library = tree.resolve(f"{folder.format(machine) or beside}/libc.so.6")
        if library is not None and library[1].libc is not None:
            return library[1].libc
    return ("glibc", 2, _SURE_GLIBC)
