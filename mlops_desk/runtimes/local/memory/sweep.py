"""Removes what agents that are gone have left in memory: secrets and logins that nobody needs any more.

Only what is provably nobody's: it is this user's, no agent holds it, its agent has noted on which engines its
containers may be, each of those answers, and none has a container of it that may still begin or go on. All else is left
alone; a restart of the machine forgets it.
"""

import fcntl
import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from mlops_desk.base.errors import DeskError
from mlops_desk.engines.engine import Engine
from mlops_desk.runtimes.local.memory.folder import NAME, is_private, noted

_log = logging.getLogger(__name__)

_OVER = frozenset({"exited", "dead"})


def sweep(memory: Path, instance: str, engines: Mapping[str, Engine], label: str) -> list[Path]:
    """Remove the folders below ``memory`` that nobody needs, and return which; ``engines`` are all, by address.

    ``instance`` is this agent's own, ``label`` what each agent's containers have theirs in.
    """
    swept = []
    for folder in sorted(memory.glob(NAME.format(uid=os.geteuid(), instance="*"))):
        theirs = folder.name.rpartition("-")[2]
        if theirs == instance:
            continue
        try:
            if _sweep(folder, engines, {label: theirs}):
                swept.append(folder)
        except OSError as error:  # another agent of this user removes it just now, or it is none: looked at again later
            _log.debug("%s can't be looked at: %s", folder, error.strerror)
        except DeskError as error:
            _log.debug("%s is left alone, an engine does not answer: %s", folder, error.message)
    if swept:
        _log.info("What agents that are gone had left in memory was removed: %s", ", ".join(one.name for one in swept))
    return swept


def _sweep(folder: Path, engines: Mapping[str, Engine], labels: Mapping[str, str]) -> bool:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not is_private(descriptor):
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False  # its agent lives
        found = noted(descriptor)
        if found is None or not found <= engines.keys():
            return False
        if any(_needs(engines[address], labels) for address in found):
            return False
        for part in folder.iterdir():
            if part.is_dir() and not part.is_symlink():
                part.chmod(0o700)
        shutil.rmtree(folder)
    finally:
        os.close(descriptor)
    return True


def _needs(engine: Engine, labels: Mapping[str, str]) -> bool:
    """Tell whether an engine has a container of that agent which may still begin, or go on."""
    return any(facts.status not in _OVER for facts in engine.containers(labels))
