"""One disk budget for what is kept of jobs: logs, snapshots of code, copies of data; each has a part of it. Pure.

Data can be copied once more, code and logs can't be had again. So where the parts together are more than the budget,
the part of data shrinks first, and then the other two alike.
"""

from dataclasses import dataclass
from pathlib import Path

from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.settings import SettingsStore

LOGS, SNAPSHOTS, STAGING = "jobs.log_mebibytes", "jobs.snapshots_mebibytes", "jobs.staging_mebibytes"
"""The settings of the parts, and that of the whole."""
WHOLE = "jobs.disk_mebibytes"


@dataclass(frozen=True, slots=True)
class DiskShares:
    """What each kind may take. Bytes."""

    logs: int
    snapshots: int
    staging: int

    @property
    def whole(self) -> int:
        return self.logs + self.snapshots + self.staging


DEFAULT_SHARES = DiskShares(4 << 30, 10 << 30, 100 << 30)  # the settings' own defaults


def shares(whole: int, logs: int, snapshots: int, staging: int) -> DiskShares:
    """Return the parts as they hold: as they are wished for where they fit into ``whole`` bytes, or where that is 0."""
    if whole <= 0 or logs + snapshots + staging <= whole:
        return DiskShares(logs, snapshots, staging)
    kept = logs + snapshots
    if kept <= whole:
        return DiskShares(logs, snapshots, whole - kept)
    fewer = whole * logs // kept
    return DiskShares(fewer, whole - fewer, 0)


def shares_of(store: SettingsStore) -> DiskShares:
    """Return the parts that hold now, by the settings."""
    whole, logs, snapshots, staging = (int(store.number(key)) << 20 for key in (WHOLE, LOGS, SNAPSHOTS, STAGING))
    return shares(whole, logs, snapshots, staging)


def staging_folder(folder: DataFolder, store: SettingsStore) -> Path:
    """Return the folder of copies of data."""
    chosen = store.text("jobs.staging_folder")
    return Path(chosen).expanduser().absolute() if chosen else folder.staging
