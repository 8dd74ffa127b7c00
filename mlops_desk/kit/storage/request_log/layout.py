"""Where parts of a log lie: ``YYYY-MM-DD/HH/requests-MILLISECONDS.parquet``, by the hour (UTC) of their requests.

Merged parts are ``requests-FIRST-LAST.parquet``; one within a merged range is left over from a crash and no longer
counts. What older versions wrote lies beside the days, and is a part of the log as well.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

HOUR_SECONDS = 3600  # an hour has as many
_FILE = re.compile(r"requests-(\d{13})(?:-(\d{13}))?\.parquet")


@dataclass(frozen=True, slots=True)
class ArchivePart:
    """A file of the log and the moments (Unix milliseconds) between which it was rolled up.

    ``hour`` is the Unix second in which the hour of its requests begins; None for one that has requests of any hour.
    """

    path: Path
    first_ms: int
    last_ms: int
    hour: int | None = None

    @property
    def merged(self) -> bool:
        return self.path.stem.count("-") > 1

    @property
    def ends_at(self) -> float:
        """The Unix second before which all its requests came."""
        return self.last_ms / 1000 + 1 if self.hour is None else float(self.hour + HOUR_SECONDS)


def hour_of(received_at: float) -> int:
    """Return the Unix second in which the hour of a request began."""
    return int(received_at // HOUR_SECONDS) * HOUR_SECONDS


def hour_folder(folder: Path, hour: int) -> Path:
    """Return where the requests of an hour lie, UTC."""
    return folder / datetime.fromtimestamp(hour, UTC).strftime("%Y-%m-%d/%H")


def part_path(folder: Path, stamp_ms: int, hour: int) -> Path:
    """Name the part that was rolled up at ``stamp_ms``; rolling it up again replaces it."""
    return hour_folder(folder, hour) / f"requests-{stamp_ms:013d}.parquet"


def merged_path(parts: list[ArchivePart]) -> Path:
    """Name the part that takes the place of ``parts``, which lie in one folder, oldest first."""
    return parts[0].path.parent / f"requests-{parts[0].first_ms:013d}-{max(p.last_ms for p in parts):013d}.parquet"


def parts(folder: Path, since: float = 0.0) -> list[ArchivePart]:
    """Return the files that make up the log, oldest first; ``since`` leaves out hours that ended before."""
    return sorted(_all(folder, since), key=lambda part: (part.ends_at, part.first_ms))


def hours(folder: Path) -> list[int]:
    """Return the hours that have a folder, oldest first, as the Unix seconds in which they begin."""
    found = (_hour_in(place.relative_to(folder).as_posix()) for place in folder.glob("????-??-??/??"))
    return sorted(hour for hour in found if hour is not None)


def parts_in(place: Path, hour: int | None) -> tuple[list[ArchivePart], list[ArchivePart]]:
    """Return the parts in one folder, oldest first, and those that merged ones have taken the place of."""
    found = [
        ArchivePart(path, int(name[1]), int(name[2] or name[1]), hour)
        for path in place.glob("requests-*.parquet")
        if (name := _FILE.fullmatch(path.name))
    ]
    found.sort(key=lambda part: (part.first_ms, part.last_ms))
    covered = [part for part in found if _is_covered(part, found)]
    return [part for part in found if part not in covered], covered


def _hour_in(name: str) -> int | None:
    """Return the hour that a folder is named after; None for one that is not ours."""
    try:
        return int(datetime.strptime(f"{name}+0000", "%Y-%m-%d/%H%z").timestamp())
    except ValueError:
        return None


def _all(folder: Path, since: float) -> Iterator[ArchivePart]:
    yield from parts_in(folder, None)[0]
    for hour in hours(folder):
        if hour + HOUR_SECONDS > since:
            yield from parts_in(hour_folder(folder, hour), hour)[0]


def _is_covered(part: ArchivePart, known: list[ArchivePart]) -> bool:
    return any(
        other.merged
        and other.first_ms <= part.first_ms
        and part.last_ms <= other.last_ms
        and (other.first_ms, other.last_ms, other.merged) != (part.first_ms, part.last_ms, part.merged)
        for other in known
    )
