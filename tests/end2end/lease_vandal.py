"""A user who means harm: tries to change what others wrote into the lease folder, and fills it with rubbish.

Prints a line for each thing that should not have been possible. What is put into the vandal's own folder may hold the
one GPU that the command line names, and only that.
"""

import contextlib
import fcntl
import os
import random
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path


def main(uid: int, leases: Path, victim: str, seconds: float, seed: int) -> None:
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
    dice = random.Random(seed)
    until = time.monotonic() + seconds
    print("there", flush=True)
    while time.monotonic() < until:
        others = _of_others(leases, uid)
        if others and dice.random() < 0.5:
            target = dice.choice(others)
            name, act = dice.choice([*_HARM.items()])
            try:
                act(target)
                print("COULD", name, target, flush=True)
            except (PermissionError, FileNotFoundError, FileExistsError, NotADirectoryError):
                pass
        else:
            _litter(leases, uid, victim, dice)
        time.sleep(dice.random() * 0.01)


_HARM: dict[str, Callable[[Path], object]] = {
    "write": lambda path: path.write_text("{"),
    "empty": lambda path: os.truncate(path, 0),
    "remove": lambda path: path.unlink(),
    "replace": lambda path: _mine(path).rename(path),
    "rename": lambda path: path.rename(path.with_name("other")),
    "make old": lambda path: os.utime(path, (0, 0)),
    "widen": lambda path: path.chmod(0o666),
    "move its folder": lambda path: path.parent.rename(path.parent.with_name("other")),
    "remove its folder": lambda path: shutil.rmtree(path.parent),
    "add a file": lambda path: (path.parent / "GPU-x.lease").write_text("{"),
    "hold its lock": lambda path: fcntl.flock((path.parent / "lock").open(), fcntl.LOCK_EX),
}


def _of_others(leases: Path, uid: int) -> list[Path]:
    found = []
    for path in leases.glob("*/*"):
        with contextlib.suppress(OSError):  # gone by now
            found += [path] if path.lstat().st_uid != uid else []
    return found


def _mine(path: Path) -> Path:
    mine = path.parents[1] / f"rubbish-{os.getpid()}"
    mine.write_text("{")
    return mine


def _litter(leases: Path, uid: int, victim: str, dice: random.Random) -> None:
    """Put rubbish where files of ours may be: names of other users, and the one GPU in a folder of one's own."""
    own = leases / f"mlops-desk-leases-{dice.choice([uid, dice.randint(4100, 4110), 0])}"
    try:
        own.mkdir()
    except FileExistsError:
        if own.lstat().st_uid != uid:
            return
    place = own / f"{victim}.lease"
    if place.is_dir() and not place.is_symlink():
        place.rmdir()
    else:
        place.unlink(missing_ok=True)
    theirs = [path for path in _of_others(leases, uid) if path.name == place.name]
    kind = dice.choice(("garbage", "empty", "folder", "link", "fifo", "copy", "hard link", "flood", "closed"))
    if kind == "garbage":
        place.write_bytes(dice.randbytes(dice.randint(1, 5000)))
    elif kind == "empty":
        place.write_bytes(b"")
    elif kind == "folder":
        place.mkdir()
    elif kind == "link":
        place.symlink_to(dice.choice(theirs) if theirs else "/etc/passwd")
    elif kind == "fifo":
        os.mkfifo(place)
    elif kind == "flood":
        for number in range(50):
            (own / f"decoy-{number}").write_text("x")
    elif kind == "closed":
        own.chmod(0o000)
        own.chmod(0o755)
    elif theirs:
        _copy(dice.choice(theirs), place, linked=kind == "hard link")


def _copy(source: Path, target: Path, *, linked: bool) -> None:
    try:
        if linked:
            os.link(source, target)
        else:
            target.write_bytes(source.read_bytes())
    except (PermissionError, FileNotFoundError):
        pass  # the kernel protects others' files from links


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], float(sys.argv[4]), int(sys.argv[5]))
