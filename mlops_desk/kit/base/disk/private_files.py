"""Folders and files that only their owner can read, whoever made them and whatever the umask was.

A folder that others can read is narrowed only when nothing but our own things lies in it: a home or a shared
folder that somebody names as data folder keeps its rights, and the files in it are narrow by themselves.
"""

import logging
import os
import stat
from pathlib import Path

from mlops_desk.kit.base.errors import Refused

_log = logging.getLogger(__name__)

UMASK = 0o077  # nothing for group and others
_OTHERS = 0o077  # rights of group and others
_OURS = (
    "agent.lock", "demo", "endpoints", "events.json", "jobs", "leases", "log", "metrics.token", "mlflow",
    "recordings", "settings.json", "state.db", "telemetry.db", "demo-data", "backups", "engines.json", "secrets",
    "reserve", "sources", "staging", "unreadable", "private-images.json", "drift",
    "audit-heads",
)  # fmt: skip
_FILES = ("agent.lock", "events.json", "metrics.token", "settings.json", "state.db", "telemetry.db",
          "private-images.json")  # fmt: skip


def make_private(folder: Path) -> None:
    """Make ``folder`` and what is missing above it, each 0700; narrow one of ours. Raises OSError, Refused."""
    missing = [part for part in (folder, *folder.parents) if not part.exists()]
    for part in reversed(missing):
        part.mkdir(mode=0o700, exist_ok=True)
    facts = folder.stat()
    if facts.st_uid != os.getuid():
        if os.getuid():
            text = f"The data folder {folder} belongs to another user (uid {facts.st_uid})."
            raise Refused(text, "Choose one of your own with --data-dir or MLOPS_DESK_DATA_DIR.")
        _log.warning(
            "The data folder %s belongs to uid %s, who can read and change what is in it", folder, facts.st_uid
        )
        return
    if facts.st_mode & _OTHERS:
        if _holds_only_ours(folder, facts):
            folder.chmod(0o700)
        else:
            _log.warning("The data folder %s can be read by others; besides ours it holds other files", folder)
    for file in folder.iterdir():
        if file.name.startswith(_FILES):
            _narrow(file)


def _narrow(file: Path) -> None:
    facts = file.lstat()
    if stat.S_ISREG(facts.st_mode) and facts.st_uid == os.getuid() and facts.st_mode & _OTHERS:
        file.chmod(stat.S_IMODE(facts.st_mode) & ~_OTHERS)


def _holds_only_ours(folder: Path, facts: os.stat_result) -> bool:
    """Tell whether a folder is a data folder and nothing else: not shared (sticky), no foreign names."""
    return not facts.st_mode & stat.S_ISVTX and all(
        item.name.lstrip(".").startswith(_OURS) for item in folder.iterdir()
    )
