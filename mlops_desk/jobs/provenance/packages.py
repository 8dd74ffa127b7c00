"""Lists of packages as they were told inside jobs, each kept once under its hash."""

import hashlib
import logging
from pathlib import Path

from mlops_desk.kit.base.disk.files import write_atomically

_log = logging.getLogger(__name__)

FOLDER = "packages"
"""The folder of these lists, beside the snapshots of code."""
_LIBRARIES = frozenset({"cuda", "cudnn", "nccl"})
_NAME_LENGTH = 64  # of a SHA-256 in hexadecimal


class PackageLists:
    """``root`` is their folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def keep(self, text: str) -> str:
        """Keep a list and return its hash, which still tells whether two are the same where no room is left."""
        data = text.encode("utf-8", "replace")
        name = hashlib.sha256(data).hexdigest()
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self._root / f"{name}.txt", data)
        except OSError as error:
            _log.warning("A list of packages can't be kept: %s", error.strerror)
        return name

    def read(self, name: str | None) -> str | None:
        """Return the list of a hash; None where there is none. A name that is no hash (a record's) names nothing."""
        if name is None or len(name) != _NAME_LENGTH or not name.isalnum():
            return None
        try:
            return (self._root / f"{name}.txt").read_text(encoding="utf-8")
        except OSError:
            return None


def library_versions(text: str) -> dict[str, str]:
    """Return the versions of NVIDIA's libraries inside that a list tells beside the packages, as ``NAME inside``."""
    told = (line.removeprefix("# ").split(" ", 1) for line in text.splitlines() if line.startswith("# "))
    return {f"{words[0]} inside": words[1].strip() for words in told if len(words) == 2 and words[0] in _LIBRARIES}
