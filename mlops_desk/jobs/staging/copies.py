"""The copies as they lie in the cache: one folder for each, its facts beside what was copied.

<uid>/                        whose jobs may use what is in it: nobody else's
<uid>/<source>/<name>/        a copy of a source as it was listed once (``source`` and ``name`` are hashes)
    tree/                     what containers see
    manifest                  each file with its hash, in the order of the listing; as far as it was copied
    parts                     hashes of parts of large files that are under way
    listing                   what there is to copy
    copy.json                 the facts: ``CopyFacts``

All of it is closed to everybody but the agent; the trees belong to the person whose data they are.
"""

import hashlib
import json
import logging
import os
import re
import secrets
import shutil
import stat
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.errors import Hint, NotFound, Refused, Unavailable
from mlops_desk.kit.base.process import run_command
from mlops_desk.kit.base.text import plain

_log = logging.getLogger(__name__)

_ID = re.compile(r"[0-9]{1,10}/[0-9a-f]{16}/[0-9a-f]{32}", re.ASCII)
_GONE = ".gone-"
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_REMOVE_SECONDS = 3600.0  # chosen: millions of files of a slow disk; what is left is removed with the next


@dataclass(frozen=True, slots=True)
class CopyFacts:
    """What is known of a copy. Times are Unix seconds.

    ``whole``: all of it was verified, in the boot ``boot``: after another one a crash may have lost what was not on
    the disk yet, so it is hashed anew before it is used. ``looked_at``: when its source was last seen to be like it.
    ``single``: the source is one file. ``taken_bytes`` is what it takes of the disk, without what it has from ``base``,
    another copy (``linked_bytes``). ``copy_seconds`` is how long reading, writing and verifying took of
    ``copied_files`` with ``copied_bytes``.
    """

    source: str
    uid: int
    files: int
    size_bytes: int
    taken_bytes: int
    made_at: float
    used_at: float
    looked_at: float
    whole: bool = False
    boot: str = ""
    sha256: str | None = None
    base: str | None = None
    linked_bytes: int = 0
    single: bool = False
    copied_files: int = 0
    copied_bytes: int = 0
    copy_seconds: float = 0.0


class Copies:
    """The copies below ``root``. Not safe to use from several threads at once: its owner has the lock."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known = self._read()

    def all(self) -> dict[str, CopyFacts]:
        return dict(self._known)

    def get(self, copy: str) -> CopyFacts | None:
        return self._known.get(copy)

    def path(self, copy: str) -> Path:
        """Return a copy's folder. Raises NotFound for what is no name of one."""
        if not _ID.fullmatch(copy):
            raise NotFound(f"{plain(copy)} is no copy.", Hint("mlops-desk jobs cache", after=" shows them all."))
        return self.root / copy

    def id_of(self, uid: int, source: str, name: str) -> str:
        family = hashlib.sha256(os.fsencode(source)).hexdigest()[:16]
        return f"{uid}/{family}/{name}"

    def of(self, uid: int, source: str) -> dict[str, CopyFacts]:
        """Return the copies of a source for a person, by id."""
        return {copy: one for copy, one in self._known.items() if (one.uid, one.source) == (uid, source)}

    def check(self) -> None:
        """See that the cache is there and closed. Raises Refused, Unavailable."""
        check_closed(self.root)

    def used_bytes(self) -> int:
        return sum(one.taken_bytes for one in self._known.values())

    def frees_bytes(self, copy: str) -> int:
        """Return what goes when a copy goes: not what another one has from it."""
        shared = max((one.linked_bytes for one in self._known.values() if one.base == copy), default=0)
        return max(0, self._known[copy].taken_bytes - shared)

    def put(self, copy: str, facts: CopyFacts) -> None:
        """Write down what is known of a copy; its folder is there. Raises Unavailable."""
        try:
            write_atomically(self.path(copy) / "copy.json", json.dumps(asdict(facts)).encode())
        except OSError as error:
            raise Unavailable(f"What is known of a copy can't be written down: {error.strerror}.") from error
        self._known[copy] = facts

    def make(self, copy: str) -> Path:
        """Make a copy's folder, closed to others, and its tree, its person's. Raises Unavailable, Refused."""
        path, uid = self.path(copy), int(copy.partition("/")[0])
        check_closed(self.root)
        try:
            for folder in (path.parent.parent, path.parent, path):
                folder.mkdir(mode=0o700, exist_ok=True)
            tree = path / "tree"
            tree.mkdir(mode=0o755, exist_ok=True)
            tree.chmod(0o755)
            if os.geteuid() == 0:
                os.chown(tree, uid, -1, follow_symlinks=False)
        except OSError as error:
            hint = Hint("mlops-desk settings show jobs.staging_folder", before="Where the cache lies: ")
            raise Unavailable(f"The folder {path} can't be made in the cache: {error.strerror}.", hint) from error
        return path

    def remove(self, copy: str) -> int:
        """Take a copy out of the cache, so that no job gets it any more; return what that frees. Raises Unavailable.

        Its files are removed by ``sweep``. What others have from it is theirs from now on.
        """
        freed = self.frees_bytes(copy)
        path = self.path(copy)
        try:
            path.rename(self.root / f"{_GONE}{secrets.token_hex(8)}")
        except FileNotFoundError:
            _log.info("The copy %s was gone already", copy)
        except OSError as error:
            raise Unavailable(f"The copy {path} can't be removed: {error.strerror}.") from error
        self._known.pop(copy)
        for other, one in list(self._known.items()):
            if one.base == copy:
                self.put(other, replace(one, taken_bytes=one.taken_bytes + one.linked_bytes, base=None, linked_bytes=0))
        return freed

    def sweep(self) -> None:
        """Remove the files of copies that were taken out; by a child, as there may be millions. Raises Unavailable."""
        gone = [str(path) for path in self.root.glob(f"{_GONE}*")]
        if gone:
            done = run_command(["rm", "-rf", "--one-file-system", "--", *gone], _REMOVE_SECONDS)
            if done.code != 0:
                _log.warning("What was taken out of the cache can't be removed: %s", plain(done.errors.decode()[:300]))

    def _read(self) -> dict[str, CopyFacts]:
        found = {}
        for path in self.root.glob("*/*/*/copy.json"):
            copy = "/".join(path.parts[-4:-1])
            try:
                facts = CopyFacts(**json.loads(path.read_bytes()))
            except (OSError, ValueError, TypeError) as error:
                _log.warning("The copy %s in the cache is not known any more and goes: %s", plain(copy), error)
                shutil.move(path.parent, self.root / f"{_GONE}{secrets.token_hex(8)}")
                continue
            if _ID.fullmatch(copy):
                found[copy] = facts
        return found


def check_closed(root: Path) -> None:
    """Make the cache's folder, and see that nobody but us gets into it or can put another in its place.

    Raises Refused, Unavailable.
    """
    hint = Hint("mlops-desk settings set jobs.staging_folder FOLDER", before="Choose another: ")
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = root.lstat()
        above = [parent.stat() for parent in root.parents]
    except OSError as error:
        raise Unavailable(f"The folder of the cache, {root}, can't be made: {error.strerror}.", hint) from error
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o077:
        raise Refused(f"{root} is not a private folder of the agent's, so no data are put there.", hint)
    for parent in above:
        if parent.st_mode & _OTHERS_WRITE and not parent.st_mode & stat.S_ISVTX:
            raise Refused(f"Others may put something else in the place of {root}, so no data are put there.", hint)
