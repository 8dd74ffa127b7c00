"""Files of the desk deleted, each only if it is the very one that was shown, and in no other folder than the desk's.

Every folder on the way is opened by itself: a link, or another file system that was mounted there, is not followed.
Each file goes by itself, so that whatever ends the agent leaves whole files, and the next preview shows what is left.
"""

import os
import stat
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from mlops_desk.governance.data.retention_plan import is_inside
from mlops_desk.governance.records.data.retention import RetentionDone, RetentionItem, RetentionLeft

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def delete(root: Path, token: str, items: Iterable[RetentionItem]) -> RetentionDone:
    """Delete files below ``root``; what can't be, or is another file by now, is left and named."""
    files = size = 0
    left: list[RetentionLeft] = []
    top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for item in items:
            why = _deleted(top, item)
            if why is None:
                files, size = files + 1, size + item.size_bytes
            else:
                left.append(RetentionLeft(item.path, why))
    finally:
        os.close(top)
    return RetentionDone(token, files, size, tuple(left))


def _deleted(top: int, item: RetentionItem) -> str | None:
    """Delete one file; return why it was left, None where it is gone."""
    if not is_inside(item.path):
        return "It lies outside of the data folder."
    *folders, name = PurePosixPath(item.path).parts
    opened = [os.dup(top)]
    try:
        for folder in folders:
            opened.append(os.open(folder, _FOLDER, dir_fd=opened[-1]))
        why = _another(os.stat(name, dir_fd=opened[-1], follow_symlinks=False), os.fstat(top).st_dev, item)
        if why is None:
            os.unlink(name, dir_fd=opened[-1])
    except FileNotFoundError:
        return "It is not there any more."
    except OSError as error:
        return f"It can't be deleted: {error.strerror}."
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return why


def _another(facts: os.stat_result, device: int, item: RetentionItem) -> str | None:
    """Return why a file is not the one that was shown; None: it is."""
    if facts.st_dev != device:
        return "Another file system is mounted there."
    if not stat.S_ISREG(facts.st_mode):
        return "It is no file any more."
    if (facts.st_ino, facts.st_size, facts.st_mtime_ns) != (item.inode, item.size_bytes, item.changed_ns):
        return "It was changed since it was shown."
    return None
