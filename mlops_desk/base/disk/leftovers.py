"""Temporary folders that a process of ours has left behind, because it was killed while it worked in one.

They lie in the folder that all programs share for such things, and their names say that they are ours. Which process
made one is not known any more, but none works in one for as long as a day.
"""

import logging
import re
import shutil
import stat
import time
from os import getuid
from pathlib import Path

_log = logging.getLogger(__name__)
_OURS = re.compile(
    r"mlops-desk-(?:answers|columns|cut|drift|evaluation|git|pin|reference|rows|signers|window|windows)-[a-z0-9_]{8}"
)
"""Names as ``tempfile`` makes them of the prefixes that the agent and its workers use."""
LEFT_SECONDS = 86_400.0  # chosen: six times as long as the longest of these tasks may take


def sweep(shared: Path, now: float | None = None) -> int:
    """Delete this user's folders of ours below ``shared`` that nobody has changed for a day; return how many."""
    at, swept = time.time() if now is None else now, 0
    try:
        found = [path for path in shared.iterdir() if _OURS.fullmatch(path.name)]
    except OSError as error:
        _log.info("What was left in %s can't be seen: %s", shared, error)
        return 0
    for path in found:
        try:
            facts = path.lstat()
            if stat.S_ISDIR(facts.st_mode) and facts.st_uid == getuid() and at - facts.st_mtime > LEFT_SECONDS:
                shutil.rmtree(path)
                swept += 1
        except OSError as error:
            _log.info("%s can't be taken away: %s", path, error)
    if swept:
        _log.info("%d folders that killed processes had left in %s were taken away", swept, shared)
    return swept
