"""Heads of the audit's chain outside its database: in a folder of their own, and in the system's journal.

``audit-heads/2026-12.jsonl`` has a line for each head: the record's number, its digest, when it was anchored, and what
took the database's place then, where something did. Lines are only appended, and kept for ever, as the audit is.
An ordinary user can't take back what stands in the journal of a system.
"""

import json
import os
import re
import socket
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlops_desk.kit.base.errors import DeskError, Invalid
from mlops_desk.kit.base.process import run_command
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.audit import AuditAnchors, AuditReplacement
from mlops_desk.kit.storage.audit.chain import Anchor

JOURNAL_SOCKET = Path("/run/systemd/journal/socket")
"""Where systemd-journald takes entries, a datagram each (systemd.journal-fields(7), "Native Journal Protocol")."""
JOURNAL = "the system's journal"
GIVEN = "a pack of evidence"
_MESSAGE_ID = "b7c51d1fd6d14d9fa0d4c1b1a5e9a2c6"  # random: what these entries are found by
_PROGRAM = "journalctl"  # of systemd, and installed where its journal is
_JOURNAL_SECONDS = 20.0  # chosen: a journal of gigabytes on a slow disk, with an index for what is asked
_MOST_BYTES = 64 << 20  # chosen: a head each ten minutes of three years
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LATEST = 32_503_680_000.0  # the year 3000: a later time can't be told as a day
_GIVEN = re.compile(r"(\d{1,12}):([0-9a-f]{64})(?:@(\d+(?:\.\d+)?))?")


@dataclass(frozen=True, slots=True)
class GatheredAnchors:
    """All heads that were found: those the chain is ``held`` against, where they lie, and when it was replaced."""

    held: tuple[Anchor, ...]
    places: tuple[AuditAnchors, ...]
    replaced: tuple[AuditReplacement, ...]


def append_head(folder: Path, anchor: Anchor) -> None:
    """Append a head to the file of its month, which then lies on the disk. Raises OSError."""
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{datetime.fromtimestamp(anchor.at, UTC):%Y-%m}.jsonl"
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise OSError(f"{path} is no file")
        is_torn = facts.st_size and os.pread(descriptor, 1, facts.st_size - 1) != b"\n"
        told = {"record": anchor.number, "head": anchor.digest, "at": anchor.at}
        line = json.dumps(told if anchor.replaced is None else {**told, "replaced": anchor.replaced})
        os.write(descriptor, f"{chr(10) if is_torn else ''}{line}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def send_head(instance: str, anchor: Anchor, path: Path = JOURNAL_SOCKET) -> bool:
    """Send a head to the system's journal, without waiting for it; False: there is none. Raises OSError."""
    if not path.is_socket():
        return False
    fields = {
        "MESSAGE": f"MLOps Desk: the audit has {anchor.number} records, its head is {anchor.digest}.",
        "MESSAGE_ID": _MESSAGE_ID,
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": "mlops-desk",
        "MLOPS_DESK_INSTANCE": instance,
        "MLOPS_DESK_RECORD": str(anchor.number),
        "MLOPS_DESK_HEAD": anchor.digest,
        "MLOPS_DESK_AT": repr(anchor.at),
        **({} if anchor.replaced is None else {"MLOPS_DESK_REPLACED": plain(anchor.replaced, 200)}),
    }
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.setblocking(False)
        sender.sendto("".join(f"{name}={value}\n" for name, value in fields.items()).encode(), str(path))
    return True


def gathered(folder: str | None, instance: str | None, given: Iterable[str] = ()) -> GatheredAnchors:
    """Return all heads that are found outside the database. Raises Invalid for one of ``given`` that is none."""
    places: list[tuple[AuditAnchors, list[Anchor]]] = []
    if folder is not None:
        places.append(_of_folder(Path(folder)))
    if instance is not None and JOURNAL_SOCKET.is_socket():
        places.append(_of_journal(instance))
    if packs := [anchor_of(text) for text in given]:
        places.append((_described(GIVEN, packs), packs))
    held, replaced = _standing([anchors for _about, anchors in places])
    return GatheredAnchors(held, tuple(about for about, _anchors in places if about.heads or about.trouble), replaced)


def anchor_of(text: str) -> Anchor:
    """Return the head that ``RECORD:DIGEST`` or ``RECORD:DIGEST@UNIX_TIME`` names. Raises Invalid."""
    match = _GIVEN.fullmatch(text)
    if match is None:
        raise Invalid(
            f"{plain(text, 100)!r} is no head of a record.", "It is RECORD:DIGEST, or RECORD:DIGEST@UNIX_TIME."
        )
    return Anchor(int(match[1]), match[2], float(match[3] or 0.0), GIVEN)


def _standing(sources: Sequence[Sequence[Anchor]]) -> tuple[tuple[Anchor, ...], tuple[AuditReplacement, ...]]:
    """Return what is to be met of all sources, each in its order, and when a backup took the database's place.

    What was anchored before that of later records is of what was replaced. Within a source its order tells what was
    before, between two the time does.
    """
    held: list[Anchor] = []
    cuts = [(source, place, one) for source in sources for place, one in enumerate(source) if one.replaced is not None]
    gone: dict[tuple[float, str, int], int] = {(cut.at, cut.replaced or "", cut.number): 0 for *_where, cut in cuts}
    for source in sources:
        for place, anchor in enumerate(source):
            over = [
                cut
                for origin, at, cut in cuts
                if anchor.number > cut.number and (place < at if origin is source else anchor.at <= cut.at)
            ]
            for cut in over:
                key = (cut.at, cut.replaced or "", cut.number)
                gone[key] = max(gone[key], anchor.number)
            if not over:
                held.append(anchor)
    replaced = [AuditReplacement(at, by, record, last or None) for (at, by, record), last in sorted(gone.items())]
    return tuple(held), tuple(replaced)


def _described(place: str, anchors: Sequence[Anchor], trouble: str | None = None) -> AuditAnchors:
    newest = max(anchors, key=lambda anchor: anchor.number, default=None)
    at = None if newest is None else newest.at or None
    return AuditAnchors(place, len(anchors), None if newest is None else newest.number, at, trouble)


def _of_folder(folder: Path) -> tuple[AuditAnchors, list[Anchor]]:
    place = f"the folder {plain(str(folder), 200)}"
    anchors: list[Anchor] = []
    trouble = None
    try:
        files = sorted(folder.glob("*.jsonl"))
        for file in files:
            for number, line in enumerate(_lines(file), 1):
                anchor = _from_line(line, place)
                if anchor is None:
                    trouble = f"Line {number} of {plain(file.name, 80)} is no head."
                else:
                    anchors.append(anchor)
    except OSError as error:
        trouble = f"It can't be read: {error.strerror or error}."
    return _described(place, anchors, trouble), anchors


def _lines(file: Path) -> list[bytes]:
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{plain(file.name, 80)} is no file")
        return [line for line in stream.read(_MOST_BYTES).split(b"\n") if line]


def _from_line(line: bytes, place: str) -> Anchor | None:
    told = _object(line)
    return _anchor(told.get("record"), told.get("head"), told.get("at"), told.get("replaced"), place)


def _of_journal(instance: str) -> tuple[AuditAnchors, list[Anchor]]:
    """Ask the journal, whose ``_UID`` nobody but the system writes."""
    names = "MLOPS_DESK_RECORD,MLOPS_DESK_HEAD,MLOPS_DESK_AT,MLOPS_DESK_REPLACED"
    wanted = (f"MESSAGE_ID={_MESSAGE_ID}", f"MLOPS_DESK_INSTANCE={instance}", f"_UID={os.getuid()}")
    command = (_PROGRAM, "--output=json", f"--output-fields={names}", "--no-pager", "--quiet", "--all", *wanted)
    try:
        done = run_command(command, _JOURNAL_SECONDS, output_bytes=_MOST_BYTES)
    except DeskError as error:
        return _described(JOURNAL, [], f"It can't be read: {error.message}"), []
    anchors = list(_from_journal(done.output.decode("utf-8", "replace").splitlines()))
    trouble = None
    if done.code and not anchors:
        trouble = f"It can't be read: its reader ended with {done.code}."
    return _described(JOURNAL, anchors, trouble), anchors


def _from_journal(lines: Iterable[str]) -> Iterator[Anchor]:
    """Yield the heads of journalctl's JSON; a field that is no text (null, a list of bytes) makes no head."""
    for line in lines:
        told = _object(line)
        try:
            number, at = int(told["MLOPS_DESK_RECORD"]), float(told["MLOPS_DESK_AT"])
        except (KeyError, ValueError, TypeError):
            continue
        anchor = _anchor(number, told.get("MLOPS_DESK_HEAD"), at, told.get("MLOPS_DESK_REPLACED"), JOURNAL)
        if anchor is not None:
            yield anchor


def _anchor(number: object, digest: object, at: object, replaced: object, place: str) -> Anchor | None:
    if type(number) is not int or number < 0 or not isinstance(digest, str) or _DIGEST.fullmatch(digest) is None:
        return None
    if not isinstance(at, (int, float)) or not 0 <= at < _LATEST or not isinstance(replaced, (str, type(None))):
        return None
    return Anchor(number, digest, float(at), place, None if replaced is None else plain(replaced, 200))


def _object(line: str | bytes) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}
