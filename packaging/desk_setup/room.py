"""How much room on the disk a whole run of CI needs, whether it is there, and how much the run took.

A disk that fills up half-way fails dozens of tests, each in words of its own, after an hour. So it is asked first.

    python3 -m desk_setup.room begin     # clears what earlier runs left at the engine; exit 1 where room is short.
                                         # With CI in the environment a short disk gets the unused build cache back
    python3 -m desk_setup.room watch     # until it is ended: writes down the least room that was seen
    python3 -m desk_setup.room end       # clears what this run left at the engine, and says what the run took
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from desk_setup.engine_traces import Traces, line_to
from desk_setup.say import BUILD, SetupError, complain, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

GB = 10**9
NEEDS = {"checkout": 6 * GB, "temporary": 2 * GB, "engine": 22 * GB}
"""What a run may have on the disk at its worst. Checkout: environments of 1.2 GB in three places, two clean Debian
systems. Temporary: the data folders of tests. Engine: the images of the tests and what building endpoints caches, a few
hundred MB each. A run took 27 GB at its worst; each says at its end what it took."""
LOOK_SECONDS = 10
"""Chosen: what fills a disk lasts longer."""
STATE = BUILD / "room.json"
LOWEST = BUILD / "room-lowest.json"


@dataclass(frozen=True)
class Disk:
    """A file system, what of the run lies there, how much that needs and how much is free, in bytes."""

    folders: tuple[Path, ...]
    needs_bytes: int
    free_bytes: int

    @property
    def is_short(self) -> bool:
        return self.free_bytes < self.needs_bytes

    def sentence(self) -> str:
        """What is needed and what is there, in one sentence."""
        where = " and ".join(str(folder) for folder in self.folders)
        return f"A run needs {_gb(self.needs_bytes)} on the disk of {where}, where {_gb(self.free_bytes)} are free."


def disks(places: Mapping[str, Path]) -> list[Disk]:
    """Return the file systems on which `places` lie: what lies on one adds up."""
    together: dict[int, list[str]] = {}
    for name, folder in places.items():
        together.setdefault(folder.stat().st_dev, []).append(name)
    return [
        Disk(
            tuple(places[name] for name in names),
            sum(NEEDS[name] for name in names),
            shutil.disk_usage(places[names[0]]).free,
        )
        for names in together.values()
    ]


def shortage(found: Iterable[Disk], cached_bytes: int | None) -> SetupError | None:
    """What to say where room is short; `cached_bytes` of build cache could be had back, None if unknown."""
    short = [disk for disk in found if disk.is_short]
    if not short:
        return None
    told = " ".join(disk.sentence() for disk in short)
    if cached_bytes is not None and cached_bytes > 0:
        told += f" The engine keeps {_gb(cached_bytes)} of build cache that nothing uses, which this gives back:"
        return SetupError(told, "docker builder prune --all --force")
    return SetupError(f"{told} This shows what fills it:", f"du -xh --max-depth=2 {short[0].folders[0]} | sort -h")


def places_of(traces: Traces | None) -> dict[str, Path]:
    """Return where a run writes: the checkout, the folder for temporary files, and the engine's if it is here."""
    places = {"checkout": BUILD, "temporary": Path(tempfile.gettempdir())}
    root = None if traces is None else traces.folder()
    if root is not None and root.is_dir():
        places["engine"] = root
    return places


def begin() -> int:
    """Clear away, look, and write down how things stand. Returns the exit code."""
    BUILD.mkdir(exist_ok=True)
    line = line_to(os.environ)
    traces = None if line is None else Traces(line)
    if traces is not None:
        say(traces.clear_old())
    places = places_of(traces)
    found = disks(places)
    if traces is not None and "CI" in os.environ and any(disk.is_short for disk in found):
        say(traces.clear_cache())
        found = disks(places)
    for disk in found:
        say(disk.sentence())
    problem = shortage(found, None if traces is None else traces.unused_cache_bytes())
    if problem is not None:
        complain(problem)
        return 1
    LOWEST.unlink(missing_ok=True)
    STATE.write_text(
        json.dumps(
            {
                "free": {str(disk.folders[0]): disk.free_bytes for disk in found},
                "engine": None if traces is None else traces.all(),
            }
        )
    )
    return 0


def watch() -> int:
    """Write down the least room that was seen, until somebody ends this process."""
    lowest: dict[str, int] = json.loads(STATE.read_text())["free"]
    while True:
        lowest = {folder: min(least, shutil.disk_usage(folder).free) for folder, least in lowest.items()}
        unfinished = LOWEST.with_suffix(".new")
        unfinished.write_text(json.dumps(lowest))
        unfinished.replace(LOWEST)
        time.sleep(LOOK_SECONDS)


def end() -> int:
    """Say what the run took, and clear away what it left at the engine."""
    state = json.loads(STATE.read_text())
    if LOWEST.exists():
        for folder, least in json.loads(LOWEST.read_text()).items():
            taken = _gb(state["free"][folder] - least)
            say(f"At its worst there were {taken} more on the disk of {folder} than before.")
    line = line_to(os.environ)
    if line is not None and state["engine"] is not None:
        say(Traces(line).clear_new(state["engine"]))
    return 0


def _gb(number_bytes: int) -> str:
    return f"{number_bytes / GB:.1f} GB"


if __name__ == "__main__":
    sys.exit({"begin": begin, "watch": watch, "end": end}[sys.argv[1]]())
