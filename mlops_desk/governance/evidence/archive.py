"""The file of a pack: a ZIP that any program opens. The same content gives the same bytes. Pure.

A pack that is read may be anybody's: names are plain, nothing is unpacked to a disk, and sizes are bounded before the
first byte is inflated.
"""

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain

MOST_FILES = 100  # chosen: a pack has some twenty
MOST_BYTES = 64 << 20  # chosen: of all files together; the audit of a busy model has some megabytes
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_BROKEN = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error, EOFError, OSError, NotImplementedError,
    RuntimeError, ValueError, OverflowError, MemoryError,
)  # fmt: skip
"""What the library says of files that are none, or are made to hurt it: an offset before the beginning, say."""
_LOCAL, _LISTED, _END = 30, 46, 22
"""Bytes that a ZIP has for each file beside its name, where it lies and in the directory, and once at the end (APPNOTE
4.3.7, 4.3.12, 4.3.16)."""
_RAW_DEFLATE = -15  # how ``zlib`` is told that no header of its own stands before the packed bytes
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the first time that a ZIP can say: when a pack was made is told inside


def packed(files: Mapping[str, bytes]) -> bytes:
    """Return the ZIP of ``files``, in the order of their names. Raises Invalid where they are too many or too large."""
    if len(files) > MOST_FILES or sum(map(len, files.values())) > MOST_BYTES:
        raise Invalid(f"This is more than an evidence pack may have: {MOST_FILES} files, {MOST_BYTES >> 20} MiB.")
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            told = zipfile.ZipInfo(name, _LONG_AGO)
            told.compress_type, told.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(told, files[name])
    return held.getvalue()


def unpacked(data: bytes) -> dict[str, bytes]:
    """Return the files of a ZIP. Raises Invalid where it is none, or is not of the form of a pack."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            listed = archive.infolist()
            _check(listed)
            return {one.filename: archive.read(one) for one in listed}
    except _BROKEN as error:
        raise Invalid(f"This is no evidence pack: {plain(str(error), 200) or 'it can not be read'}.") from error


def beyond_bytes(data: bytes) -> int:
    """Return how many bytes of a ZIP are no part of its files: before, between or behind them, or in comments.

    Raises Invalid where it is none, or one of its files is not what its directory says of it.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            listed, end = sorted(archive.infolist(), key=lambda one: one.header_offset), 0
            used = _END
            for one in listed:
                if one.header_offset < end:
                    raise Invalid("This is no evidence pack: two of its files share bytes.")
                begin = one.header_offset + _LOCAL + sum(struct.unpack_from("<HH", data, one.header_offset + 26))
                end = begin + one.compress_size
                used += _LOCAL + _LISTED + 2 * len(one.filename) + _packed_bytes(one, data[begin:end])
            if end > archive.start_dir:
                raise Invalid("This is no evidence pack: its directory shares bytes with a file.")
    except _BROKEN as error:
        raise Invalid(f"This is no evidence pack: {plain(str(error), 200) or 'it can not be read'}.") from error
    return len(data) - used


def _packed_bytes(one: zipfile.ZipInfo, raw: bytes) -> int:
    """Return how many of the bytes that a file has in the ZIP are needed for it. Raises Invalid."""
    if one.compress_type == zipfile.ZIP_STORED:
        return one.file_size
    reader = zlib.decompressobj(_RAW_DEFLATE)
    content = reader.decompress(raw, one.file_size + 1)  # no more of what may be without end
    if not reader.eof or len(content) != one.file_size:
        raise Invalid(f"This is no evidence pack: {plain(one.filename, 80)} is not as long as it says.")
    return len(raw) - len(reader.unused_data)


def _check(listed: list[zipfile.ZipInfo]) -> None:
    names = [one.filename for one in listed]
    if any(one.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED} for one in listed):
        raise Invalid("This is no evidence pack: its files are packed in another way than those of packs.")
    if len(names) > MOST_FILES or sum(one.file_size for one in listed) > MOST_BYTES:
        raise Invalid(f"This is no evidence pack: it has more than {MOST_FILES} files or {MOST_BYTES >> 20} MiB.")
    if odd := next((name for name in names if not _NAME.fullmatch(name)), None):
        raise Invalid(f"This is no evidence pack: it has a file named {plain(odd, 80)!r}.")
    if len(set(names)) < len(names):
        raise Invalid("This is no evidence pack: two of its files have one name.")
