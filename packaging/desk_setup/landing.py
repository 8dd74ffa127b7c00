"""Which end-to-end files this landing may not leave out: a third of them by its number, and those of rooms it touches.

    PYTHONPATH=packaging python3 -m desk_setup.landing

is run once, on the state that landed last, as the first act of a change: it writes `.ci/landing.json` with the next
number and a fingerprint of each room and each end-to-end file as they landed. CI may have nothing but the newest
commit, so both stand in the file: what has another fingerprint by the end of the change was touched by it, and of three
numbers that follow each other every file has its turn at one.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import zlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from desk_setup.say import ROOT, say

if TYPE_CHECKING:
    from pathlib import Path

FILE = ROOT / ".ci" / "landing.json"
TURNS = 3
"""Landings within which each end-to-end file runs."""
MOST_COMMITS = 150
"""So many commits may follow the one that began the landing; chosen: twice what a large change had."""
ROOMS = {
    "alerts": ("alert", "judgement", "webhook"),
    "api": ("agent", "forwarded_socket", "watch"),
    "cli": ("agent", "hostile_folder", "main_path", "watch", "ci"),
    "desk": ("agent", "main_path", "upgrade"),
    "drift": ("drift", "loop", "main_job"),
    "engines": ("engine", "faults_engine", "forwarded_socket", "gpu_sets", "podman", "refused_starts", "rootless"),
    "events": ("judgement", "lost_gpu", "telemetry/test_crowd"),
    "governance": ("data_catalogue", "evidence", "governance", "serving_labels"),
    "images": ("images", "private_images", "way_out"),
    "jobs": (
        *("bars", "ci", "exec", "jobs", "kills", "log_archive", "made_rows", "main_path", "training_lives", "truce"),
        *("way_out",),
    ),
    "judging": ("alert", "judgement", "rule"),
    "leases": ("gpu_sets", "leases", "lost_gpu", "truce"),
    "registry": (
        *("alias", "artifacts", "clean_up", "mirror", "no_unpickling", "real_models", "registry", "store"),
        *("version_transfer", "window_stores"),
    ),
    "rules": ("loop", "made_rows", "main_job", "rule", "training_lives", "webhook"),
    "runtimes": ("jobs", "log_archive", "refused_starts", "runtime"),
    "serving": ("serving", "truce"),
    "storage": ("audit_kills", "faults_clock", "faults_disk", "keyring", "kills", "upgrade"),
    "telemetry": ("lost_gpu", "telemetry/"),
    "ui": ("window",),
}
"""For each package of the program, how the names of the end-to-end files begin that try it (without `test_`)."""
EVERYWHERE = ("base", "records", "verbs")
"""What every room stands on. A folder or module in them, in `api`, `cli` or `desk` that has a room's name belongs to
that room; the rest is tried by each file, and so by those that no run leaves out."""
_SHARED = ("api", "cli", "desk", *EVERYWHERE)


@dataclass(frozen=True)
class Landing:
    """Its number, and the fingerprints of what landed before it, by room and by end-to-end file."""

    number: int
    prints: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> Landing:
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1, sort_keys=True) + "\n", encoding="utf-8")

    def due(self, files: list[str]) -> set[str]:
        """Those whose turn it is. By the name alone, so that a new file moves no other's turn."""
        return {name for name in files if zlib.crc32(name.encode()) % TURNS == self.number % TURNS}

    def touched(self, files: list[str], root: Path) -> set[str]:
        """Those that the change itself touches, and those of the rooms that it touches."""
        now = prints(root)
        changed = {name for name in now.keys() | self.prints.keys() if now.get(name) != self.prints.get(name)}
        return {name for name in files if name in changed or not changed.isdisjoint(rooms_of(name))}


def rooms_of(file: str) -> set[str]:
    """The rooms that an end-to-end file tries; `file` is below tests/ and without ending."""
    short = file.removeprefix("end2end/").removeprefix("test_")
    return {room for room, begins in ROOMS.items() if short.startswith(begins)}


def room_of(module: Path) -> str | None:
    """The room to which a module of the program belongs; `module` is below mlops_desk/."""
    parts = module.with_suffix("").parts
    if parts[0] in _SHARED:
        own = next((part for part in parts[1:] if part in ROOMS and part not in _SHARED), None)
        return own or (parts[0] if parts[0] in ROOMS else None)
    return parts[0] if parts[0] in ROOMS else None


def prints(root: Path) -> dict[str, str]:
    """A fingerprint of each room's modules and of each end-to-end file: their names and all that they hold."""
    hashes: dict[str, hashlib._Hash] = {}
    program, tests = root / "mlops_desk", root / "tests"
    for path in sorted(program.rglob("*.py")):
        room = room_of(path.relative_to(program))
        if room is not None:
            _add(hashes, room, path, root)
    for path in sorted((tests / "end2end").rglob("test_*.py")):
        _add(hashes, path.relative_to(tests).with_suffix("").as_posix(), path, root)
    return {name: one.hexdigest()[:12] for name, one in sorted(hashes.items())}


def _add(hashes: dict[str, hashlib._Hash], name: str, path: Path, root: Path) -> None:
    whole = hashes.setdefault(name, hashlib.sha256())
    whole.update(f"{path.relative_to(root).as_posix()}\0".encode())
    whole.update(hashlib.sha256(path.read_bytes()).digest())


def commits_since(path: Path) -> int:
    """How many commits follow the one that began this landing, as far as this copy's history goes; 0 without one."""
    git = ["git", "-C", str(path.parent)]
    last = _told([*git, "log", "-1", "--format=%H", "--", path.name])
    return int(_told([*git, "rev-list", "--count", f"{last}..HEAD"]) or 0) if last else 0


def _told(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def main() -> None:
    number = Landing.read(FILE).number + 1
    Landing(number, prints(ROOT)).write(FILE)
    say(f"Landing {number} begins: commit {FILE.relative_to(ROOT)} before anything else.")


if __name__ == "__main__":
    main()
