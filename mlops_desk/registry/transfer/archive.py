"""Reading an exported version that comes from anybody: by its own list, each file up to its size and down to its hash.

Nothing is unpacked to a place that a member names by itself, and nothing of it is loaded. What the list does not have,
has twice, or has otherwise than it is, makes the whole archive refused.
"""

import hashlib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import IO

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.files import open_plain
from mlops_desk.kit.base.disk.free_space import free_bytes
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, NotFound, Refused, Unavailable
from mlops_desk.kit.base.text import plain, size_text
from mlops_desk.registry.artifacts.files import zip_list_bytes
from mlops_desk.registry.mlflow.download import checked
from mlops_desk.registry.records.transfer import HashedFile
from mlops_desk.registry.transfer import file_format
from mlops_desk.registry.transfer.file_format import ArchivedVersion
from mlops_desk.registry.transfer.hashing import LARGEST_BYTES, MOST_FILES

_HEAD_BYTES = 32 << 20  # chosen: the list of twenty thousand files, and a run with thousands of metrics
_DIRECTORY_BYTES = 64 << 20  # chosen: the list of members that zip itself keeps
_PIECE_BYTES = 4 << 20  # chosen: a few milliseconds of hashing
_SPARE_BYTES = 256 << 20  # chosen: is left to whatever else writes meanwhile
_AGAIN = Hint("mlops-desk registry export MODEL VERSION FILE", before="Have it exported again: ")


@contextmanager
def opened(path: Path) -> Iterator[tuple[zipfile.ZipFile, ArchivedVersion]]:
    """Open an archive whose list and members agree. Raises DeskErrors."""
    try:
        if not path.is_file():
            raise NotFound(f"There is no file {plain(str(path), 400)}.")
        with open_plain(path, links=True) as file:
            _check_directory(file)
            with zipfile.ZipFile(file) as archive:
                version = _head(archive)
                _check_members(archive, version)
                yield archive, version
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError, ValueError) as error:
        text = f"{plain(str(path), 400)} is not a whole exported version: {plain(str(error))}."
        raise Refused(text, _AGAIN) from error
    except OSError as error:
        raise Unavailable(f"{plain(str(path), 400)} can't be read: {error.strerror}.") from error


def _check_directory(file: IO[bytes]) -> None:
    """Refuse a file whose own list of members would fill the memory: zipfile reads it whole."""
    if zip_list_bytes(file) > _DIRECTORY_BYTES:
        raise Refused("The archive's list of members is too large to be read.", _AGAIN)


def _head(archive: zipfile.ZipFile) -> ArchivedVersion:
    try:
        info = archive.getinfo(file_format.MEMBER)
    except KeyError as error:
        raise Refused(f"The file has no {file_format.MEMBER}: it is not an exported version.", _AGAIN) from error
    if info.file_size > _HEAD_BYTES or info.compress_type != zipfile.ZIP_STORED:
        raise Refused("What the archive says of itself is too large to be read.", _AGAIN)
    with archive.open(info) as member:
        data = member.read(_HEAD_BYTES + 1)
    try:
        version = wire.loads(data, ArchivedVersion)
    except Invalid as error:
        raise Refused(f"What the archive says of itself can't be understood: {error.message}", _AGAIN) from error
    if version.kind != file_format.NAME:
        raise Refused("The file is an archive of something else.", _AGAIN)
    if version.form > file_format.FORM:
        text = f"The archive is of form {version.form}, and this program reads up to {file_format.FORM}."
        raise Refused(text, "Take a newer MLOps Desk.")
    return version


def _check_members(archive: zipfile.ZipFile, version: ArchivedVersion) -> None:
    """Refuse what is listed twice, under an odd name, larger than it may be, packed, or not listed at all."""
    names = [info.filename for info in archive.infolist()]
    listed = {file_format.FILES + file.path: file for file in version.files}
    if len(names) != len(set(names)) or len(listed) != len(version.files):
        raise Refused("The archive has a file twice; which of the two is meant nobody knows.", _AGAIN)
    if len(listed) > MOST_FILES:
        raise Refused(f"The archive has more than {MOST_FILES:,} files.")
    if set(names) != {file_format.MEMBER, *listed}:
        odd = min(set(names) ^ {file_format.MEMBER, *listed})
        raise Refused(f"The archive's list and what is in it differ: {plain(odd)}.", _AGAIN)
    folded = {checked(file.path).casefold() for file in version.files}
    if len(folded) != len(version.files):
        raise Refused("Two files of the archive have names that differ in large and small letters alone.", _AGAIN)
    for info in archive.infolist():
        file = listed.get(info.filename)
        if file is not None and (info.file_size != file.size_bytes or info.compress_type != zipfile.ZIP_STORED):
            raise Refused(f"{plain(file.path)} is not as large as the archive's list says, or is packed.", _AGAIN)
    if (total := sum(file.size_bytes for file in version.files)) > LARGEST_BYTES:
        raise Refused(f"The files take {size_text(total)}, which is more than is taken in.")


def unpack(archive: zipfile.ZipFile, version: ArchivedVersion, folder: Path) -> None:
    """Write the files into an empty folder, each checked. Raises DeskErrors."""
    needed = sum(file.size_bytes for file in version.files) + _SPARE_BYTES
    free = free_bytes(folder)
    if free is not None and free < needed:
        text = f"Unpacking takes {size_text(needed)}, and {size_text(free)} are free."
        raise Refused(text, "Free some space on the disk of the data folder.")
    for file in version.files:
        with _made(folder.joinpath(*checked(file.path).split("/")), file) as out:
            _copy(archive, file, out)


def _made(target: Path, file: HashedFile) -> FileIO:
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return FileIO(target, "xb")
    except (FileExistsError, NotADirectoryError) as error:
        raise Refused(f"{plain(file.path)} is a file and a folder in this archive.", _AGAIN) from error
    except OSError as error:
        raise _no_room(error) from error


def _copy(archive: zipfile.ZipFile, file: HashedFile, out: FileIO) -> None:
    digest, size = hashlib.sha256(), 0
    with archive.open(file_format.FILES + file.path) as member:
        while data := member.read(_PIECE_BYTES):
            digest.update(data)
            size += len(data)
            if size > file.size_bytes:
                break
            _write(out, memoryview(data))
    if (size, digest.hexdigest()) != (file.size_bytes, file.sha256):
        raise DeskError(f"{plain(file.path)} is not what the archive's list says.", _AGAIN)


def _write(out: FileIO, data: memoryview) -> None:
    """Write all of a piece: a disk that is nearly full takes the beginning of one, and says so by a number alone."""
    try:
        while data:
            data = data[out.write(data) :]
    except OSError as error:
        raise _no_room(error) from error


def _no_room(error: OSError) -> DeskError:
    """Return what keeps files from being unpacked: it is where they go that is at fault, and not the archive."""
    text = f"The files of the version can't be unpacked: {error.strerror}. Nothing was imported."
    return Unavailable(text, "Look at the disk of the data folder, and try again.")
