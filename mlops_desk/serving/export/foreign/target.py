"""For what machine and which Python a base image is, told by its files, and which wheels run there. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.version import InvalidVersion, Version

from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.serving.export.foreign.tree import FoundFile, ImageTree

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
