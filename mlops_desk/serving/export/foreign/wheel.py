"""A wheel as somebody gives it: what it says of itself, and the files that may be laid of it. Nothing of it is run.

Specification: packaging.python.org, "Binary distribution format", "Recording installed projects", "Entry points".
"""

import base64
import binascii
import configparser
import csv
import email.parser
import hashlib
import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain

_DESCRIPTION_BYTES = 4 << 20  # chosen: a package's whole README is in it
_RECORD_BYTES = 64 << 20  # chosen: a line for each of the most files
_MOST_FILES = 200_000  # chosen: ten times the largest wheel known here
_MOST_BYTES = 16 << 30  # chosen: four times the largest wheel of CUDA's libraries
_LONGEST = 1000  # chosen: of a path; a system takes 4096 with what stands before it
_SCRIPT_BYTES = 1 << 20  # chosen: what is larger is a program of its own
_SHEBANG = b"#!python"
_INTERPRETER = b"#!/usr/bin/env python3"
_UNSUMMED = frozenset({"RECORD", "RECORD.jws", "RECORD.p7s"})
_COMMAND = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_CALLED = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_][\w.]*)(\s*\[[^\]]*\])?")
_PLACES = {"purelib": "", "platlib": "", "data": "", "scripts": "bin/"}
_HINT = "Fetch that wheel again."


@dataclass(frozen=True, slots=True)
class WheelFile:
    """A wheel in a folder, by its file's name and its own description. ``size_bytes`` is what it unpacks to."""

    path: Path
    name: str
    version: Version
    tags: frozenset[Tag]
    requires: tuple[Requirement, ...]
    pythons: SpecifierSet
    size_bytes: int


@dataclass(frozen=True, slots=True)
class LaidFile:
    """A file of a wheel and where it goes, below the folder of packages; its sum is compared as it is read."""

    place: str
    mode: int
    info: zipfile.ZipInfo
    sum: bytes | None
    is_script: bool


@contextmanager
def _read(path: Path) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, EOFError, zlib.error, struct.error, RuntimeError) as error:
        raise Invalid(f"The wheel {plain(path.name)} is damaged: {plain(str(error))}.", _HINT) from error
    except (ValueError, LookupError, OverflowError, MemoryError, csv.Error, configparser.Error) as error:
        text = f"The wheel {plain(path.name)} is not of a form that can be read: {plain(str(error))}."
        raise Invalid(text, _HINT) from error


def named(path: Path) -> tuple[str, Version, frozenset[Tag]] | None:
    """Return name, version and tags that a file's name tells; None where it is no wheel's."""
    try:
        name, version, _, tags = parse_wheel_filename(path.name)
    except InvalidWheelFilename:
        return None
    return name, version, tags


def described(path: Path) -> WheelFile:
    """Read what a wheel says of itself. Raises Invalid, OSError."""
    told = named(path)
    if told is None:
        raise Invalid(f"{plain(path.name)} is no name of a wheel.", _HINT)
    name, version, tags = told
    with _read(path), zipfile.ZipFile(path) as wheel:
        infos = _infos(path, wheel)
        folder = _folder(path, infos, name)
        text = _text(path, wheel, f"{folder}/METADATA")
        about = email.parser.Parser().parsestr(text)
        own = canonicalize_name(str(about.get("Name", "")))
        if own != name or Version(str(about.get("Version", ""))) != version:
            said = plain(f"{about.get('Name')} {about.get('Version')}")
            raise Invalid(f"The wheel {plain(path.name)} says that it is {said}.", _HINT)
        major = email.parser.Parser().parsestr(_text(path, wheel, f"{folder}/WHEEL")).get("Wheel-Version", "")
        if not str(major).startswith("1."):
            raise Invalid(f"The wheel {plain(path.name)} is of form {plain(str(major))}; 1 is known.", _HINT)
        try:
            requires = tuple(Requirement(str(one)) for one in about.get_all("Requires-Dist", []))
            pythons = SpecifierSet(str(about.get("Requires-Python") or ""))
        except (InvalidRequirement, InvalidSpecifier) as error:
            raise Invalid(f"The wheel {plain(path.name)} wants what can't be read: {plain(str(error))}.") from error
        return WheelFile(path, name, version, tags, requires, pythons, sum(one.file_size for one in infos))


@contextmanager
def laid(wheel: WheelFile) -> Iterator[tuple[zipfile.ZipFile, list[LaidFile], dict[str, bytes]]]:
    """Give a wheel's files with their places, and the programs that are made for it, by theirs. Raises Invalid."""
    path = wheel.path
    with _read(path):
        archive = zipfile.ZipFile(path)
    with archive:
        with _read(path):
            infos = _infos(path, archive)
            folder = _folder(path, infos, wheel.name)
            sums = _sums(path, archive, folder)
            files = [_placed(path, info, folder, sums) for info in infos if not info.is_dir()]
            commands = _commands(path, archive, folder) if f"{folder}/entry_points.txt" in archive.namelist() else {}
        yield archive, files, commands


@contextmanager
def contents(path: Path, archive: zipfile.ZipFile, file: LaidFile) -> Iterator[tuple[int, IO[bytes]]]:
    """Give a file's size and bytes as they are laid. Raises Invalid where they are not those recorded."""
    with _read(path), archive.open(file.info) as source:
        summed = _Summing(source)
        if file.is_script and file.info.file_size <= _SCRIPT_BYTES:
            data = _for_any_python(summed.read())
            yield len(data), io.BytesIO(data)
        else:
            yield file.info.file_size, summed
        if file.sum is not None and summed.sum.digest() != file.sum:
            raise Invalid(f"The wheel {plain(path.name)} is damaged: {plain(file.place)} is not as recorded.", _HINT)


class _Summing(io.RawIOBase, IO[bytes]):
    """Reads on, and adds up what it has read."""

    def __init__(self, source: IO[bytes]) -> None:
        super().__init__()
        self._source = source
        self.sum = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        piece = self._source.read(size)
        self.sum.update(piece)
        return piece


def _for_any_python(script: bytes) -> bytes:
    """Return a script that says ``#!python`` so that whatever Python is there runs it, as installers do."""
    line, mark, rest = script.partition(b"\n")
    return _INTERPRETER + mark + rest if line.strip() in {_SHEBANG, _SHEBANG + b"w"} else script


def _infos(path: Path, wheel: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return all that is in a wheel, each checked: no name leads out, none stands twice, no link, no bomb."""
    infos = wheel.infolist()
    if len(infos) > _MOST_FILES or sum(one.file_size for one in infos) > _MOST_BYTES:
        raise Invalid(f"The wheel {plain(path.name)} unpacks to more than {_MOST_FILES:,} files or 16 GiB.", _HINT)
    names: set[str] = set()
    for info in infos:
        name = info.filename.rstrip("/")
        kind = stat.S_IFMT(info.external_attr >> 16)
        is_plain = kind in {0, stat.S_IFREG} or (kind == stat.S_IFDIR and info.is_dir())
        is_plain &= not info.flag_bits & 1 and info.compress_type in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
        if not _is_safe(name) or name in names or not is_plain:
            raise Invalid(f"The wheel {plain(path.name)} has a file that can't be laid: {plain(info.filename)!r}.")
        names.add(name)
    return infos


def _is_safe(name: str) -> bool:
    steps = name.split("/")
    is_whole = 0 < len(name) <= _LONGEST and "\\" not in name and name.isprintable()
    return is_whole and not any(step in {"", ".", ".."} or step.startswith(".wh.") for step in steps)


def _folder(path: Path, infos: list[zipfile.ZipInfo], name: str) -> str:
    found = {info.filename.partition("/")[0] for info in infos}
    ours = [one for one in found if one.endswith(".dist-info")]
    if len(ours) != 1 or canonicalize_name(ours[0].rpartition("-")[0].partition("-")[0]) != name:
        raise Invalid(f"The wheel {plain(path.name)} has no description of its own (*.dist-info).", _HINT)
    return ours[0]


def _text(path: Path, wheel: zipfile.ZipFile, name: str, most_bytes: int = _DESCRIPTION_BYTES) -> str:
    if name not in wheel.namelist():
        raise Invalid(f"The wheel {plain(path.name)} lacks its {plain(name)}.", _HINT)
    with wheel.open(name) as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise Invalid(f"The wheel {plain(path.name)} has too long a {plain(name)}.", _HINT)
    return data.decode("utf-8", "replace")


def _sums(path: Path, wheel: zipfile.ZipFile, folder: str) -> dict[str, bytes]:
    """Return the sums that RECORD tells. Raises Invalid for one that is weaker than SHA-256, as the form wants it."""
    found = {}
    for row in csv.reader(io.StringIO(_text(path, wheel, f"{folder}/RECORD", _RECORD_BYTES))):
        if len(row) < 2 or not row[1]:
            continue
        kind, _, text = row[1].partition("=")
        try:
            value = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (binascii.Error, ValueError) as error:
            raise Invalid(f"The wheel {plain(path.name)} has a RECORD that can't be read.", _HINT) from error
        if kind == "sha256":
            found[row[0]] = value
    return found


def _placed(path: Path, info: zipfile.ZipInfo, folder: str, sums: dict[str, bytes]) -> LaidFile:
    name = info.filename
    sum_ = sums.get(name)
    if sum_ is None and not (name.startswith(f"{folder}/") and name.rpartition("/")[2] in _UNSUMMED):
        raise Invalid(f"The wheel {plain(path.name)} has a file that is not in its RECORD: {plain(name)}.", _HINT)
    data, _, rest = name.partition("/")
    where, is_script = name, False
    if data == f"{folder.removesuffix('.dist-info')}.data":
        kind, _, inner = rest.partition("/")
        if not inner or (kind not in _PLACES and kind != "headers"):
            raise Invalid(f"The wheel {plain(path.name)} has a file of no known kind: {plain(name)}.", _HINT)
        is_script = kind == "scripts"
        where = f"include/{inner}" if kind == "headers" else f"{_PLACES[kind]}{inner}"
    is_program = is_script or (info.external_attr >> 16) & 0o111
    return LaidFile(where, 0o755 if is_program else 0o644, info, sum_, is_script)


def _commands(path: Path, wheel: zipfile.ZipFile, folder: str) -> dict[str, bytes]:
    """Return the programs that a wheel's entry points ask for, as pip writes them."""
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names are told apart by their letters
    parser.read_string(_text(path, wheel, f"{folder}/entry_points.txt"))
    found = {}
    for name, value in parser.items("console_scripts") if parser.has_section("console_scripts") else ():
        called = _CALLED.fullmatch(value.strip())
        if _COMMAND.fullmatch(name) and called is not None:
            module, attribute = called[1], called[2]
            first = attribute.partition(".")[0]
            text = f"import sys\nfrom {module} import {first}\nsys.exit({attribute}())\n"
            found[f"bin/{name}"] = _INTERPRETER + b"\n" + text.encode()
    return found
