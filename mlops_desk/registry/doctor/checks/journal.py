"""How an SQLite store keeps its writes apart from its readers, what a dead writer has left, and who has it open."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.kit.base.disk.mount_points import UNSAFE, filesystem_of
from mlops_desk.kit.base.text import plain, size_text
from mlops_desk.registry.doctor.checks.findings import advice, fine, trouble
from mlops_desk.registry.records.doctor import StoreFinding

CHECK, LEFT, OPEN = "journal", "unfinished", "open"
FIX, RECOVER = "wal", "recover"
_TITLE = "Readers and writers"
_WAL_BYTES = 64 << 20  # chosen: sixteen times what SQLite folds back by itself
_NAMED = 5  # chosen: as many as stand in a sentence
_EFFECT = (
    "Readers and writers no longer wait for one another: a page that lists runs can't make a training fail with "
    '"database is locked". The store then has two more files beside it while it is open (-wal, -shm); copy all three, '
    "or none. Whoever has it open goes on. It stays so until somebody sets it back."
)
_RECOVER_EFFECT = "Opens the store as any writer would: SQLite takes back, or finishes, what was not finished."


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that has a store open."""

    pid: int
    name: str


def holders(path: Path, proc: Path = Path("/proc")) -> list[Holder]:
    """Return the processes that have a file open, of those that this user may look into."""
    facts = path.stat()
    own = str(os.getpid())
    others = (folder for folder in _processes(proc) if folder.name != own)
    holding = (folder for folder in others if any(same(entry, facts) for entry in _descriptors(folder)))
    return [Holder(int(folder.name), _name(folder)) for folder in holding]


def same(entry: Path, facts: os.stat_result) -> bool:
    """Tell whether a descriptor is of this very file."""
    try:
        one = entry.stat()
    except OSError:
        return False  # closed meanwhile, or of somebody else
    return (one.st_dev, one.st_ino) == (facts.st_dev, facts.st_ino)


def _processes(proc: Path) -> Iterable[Path]:
    return (folder for folder in proc.iterdir() if folder.name.isdecimal())


def _descriptors(folder: Path) -> list[Path]:
    try:
        return list((folder / "fd").iterdir())
    except OSError:
        return []  # it has ended, or is somebody else's


def _name(folder: Path) -> str:
    try:
        return plain((folder / "comm").read_text(encoding="utf-8", errors="replace").strip(), 40)
    except OSError:
        return "?"


def look(path: Path, mode: str, held: list[Holder]) -> list[StoreFinding]:
    """Look at the journal mode, at the log of writes that lies beside the store, and at who has it open."""
    return [_mode(path, mode), _log(path, held), _open(held)]


def unfinished(why: str) -> StoreFinding:
    """Tell of a store that nobody can read before a write that broke off is taken back."""
    text = f"A program that wrote to it was ended in the midst of it: {why} Whoever writes to it next takes it back."
    return trouble(LEFT, "Unfinished write", text, fix=RECOVER, effect=_RECOVER_EFFECT)


def is_over_network(path: Path) -> str | None:
    """Return the kind of filesystem where it is one on which several machines may write; None elsewhere."""
    kind = filesystem_of(path.parent)
    return kind if kind in UNSAFE else None


def _mode(path: Path, mode: str) -> StoreFinding:
    network = is_over_network(path)
    if network is not None:
        text = f"The store lies on {plain(network, 40)}, where SQLite's locks can't be relied on and a log of writes "
        return trouble(
            CHECK, _TITLE, f"{text}(WAL) does not work. Move it to a disk of this machine, or to PostgreSQL."
        )
    if mode == "wal":
        return fine(CHECK, _TITLE, "It keeps a log of writes (WAL): readers and writers do not wait for one another.")
    text = (
        "Whoever reads makes writers wait (it keeps a rollback journal). A page or script that reads for 20 s makes a "
    )
    return advice(CHECK, _TITLE, f'{text}training that logs fail with "database is locked".', fix=FIX, effect=_EFFECT)


def _log(path: Path, held: list[Holder]) -> StoreFinding:
    title = "Unfinished write"
    log = path.with_name(f"{path.name}-wal")
    size = log.stat().st_size if log.exists() else 0
    if size and not held:
        text = f"A log of writes of {size_text(size)} lies beside it and nobody has it open: a writer was ended."
        return advice(LEFT, title, text, fix=RECOVER, effect=_RECOVER_EFFECT, size_bytes=size)
    if size > _WAL_BYTES:
        text = f"The log of writes has grown to {size_text(size)}: somebody reads without an end, so that it can't be"
        return advice(LEFT, title, f"{text} folded back. Who has it open is told below.", size_bytes=size)
    return fine(LEFT, title, "No writer has left anything half done.")


def _open(held: list[Holder]) -> StoreFinding:
    if not held:
        return fine(OPEN, "Open files", "No process of yours has it open.")
    some = ", ".join(f"{one.name} ({one.pid})" for one in held[:_NAMED])
    more = f" and {len(held) - _NAMED} more" if len(held) > _NAMED else ""
    return fine(OPEN, "Open files", f"{len(held)} of the processes that may be looked into have it open: {some}{more}.")
