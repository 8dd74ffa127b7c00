"""The chain as a file: JSON lines, a head line, a link each, and the digest of the last, so that a cut is seen."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from mlops_desk.base.disk.files import open_plain
from mlops_desk.base.errors import Hint, Invalid, Unavailable
from mlops_desk.base.text import plain
from mlops_desk.records.audit import EXPORT_FORM, AuditLink
from mlops_desk.storage.audit.chain import ChainEnd, Unreadable, link_of

_LINE_BYTES = 1 << 20  # chosen: an entry's texts are capped at some thousand characters each


def links_of(path: Path) -> Iterator[AuditLink | Unreadable | ChainEnd]:
    """Read an export with its last line. Raises Invalid where it is none, or ends before that line, and Unavailable."""
    try:
        with open_plain(path, links=True) as stream:
            if _told(stream.readline(_LINE_BYTES)).get("form") != EXPORT_FORM:
                raise Invalid(f"{plain(path.name)} is no exported audit.", Hint("mlops-desk audit export FILE"))
            yield from _links(path, stream)
    except OSError as error:
        raise Unavailable(f"{plain(str(path))} can't be read: {error.strerror}.") from error


def _links(path: Path, stream: BinaryIO) -> Iterator[AuditLink | Unreadable | ChainEnd]:
    for number in itertools.count(2):
        line = stream.readline(_LINE_BYTES)
        if not line.endswith(b"\n"):
            raise Invalid(f"{plain(path.name)} ends in line {number}, before the last of an exported audit.")
        link = link_of(line.decode("utf-8", "replace"))
        if link is None and "head" in (told := _told(line)):
            yield ChainEnd(told["head"], told.get("records"), is_last=not stream.read(1))
            return
        yield Unreadable(f"line {number}") if link is None else link


def _told(line: bytes) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}
