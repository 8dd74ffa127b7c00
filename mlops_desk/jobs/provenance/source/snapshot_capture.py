"""Taking a snapshot: the worker that reads as the submitter, and the store that keeps what it reads."""

import json
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlops_desk.jobs.provenance.source.snapshot_stream import Limits
from mlops_desk.jobs.provenance.source.store import CodeSnapshot, SnapshotStore
from mlops_desk.jobs.records.provenance import GitIdentity
from mlops_desk.jobs.records.spec import JobSpec, Source
from mlops_desk.kit.base.errors import Refused, TimedOut, Unavailable
from mlops_desk.kit.base.people.person import person
from mlops_desk.kit.base.process import python_command, run_into
from mlops_desk.kit.base.text import plain

_WORKER = "mlops_desk.jobs.provenance.source.worker"
_FOLDER_SECONDS = 45.0  # below what a submit may take in all; 256 MiB of code are read in a few
_FETCH_SECONDS = 110.0  # chosen: a whole repository of some hundred MiB over a slow line
_MARGIN_SECONDS = 5.0  # the worker ends its git itself, before it is ended
_HEADS_BYTES = 256 << 20  # chosen: the heads of all files that a snapshot may have, and what git tells
_MOST_FILES = 50_000  # chosen: code has fewer; each is a link to make
_ERRORS_SHOWN = 600  # chosen: the last lines of a traceback, which name the error


def _no_network(_uid: int) -> Mapping[str, Any]:
    return {}


class Snapshots:
    """``limit_bytes``, ``budget_bytes`` and ``roots`` are settings, with their defaults; ``private`` paths are in none.

    ``roots`` returns the folders that code may lie in, ``~`` for its person's home; None: anywhere. ``context_bytes``
    is the setting for folders of builds, as ``limit_bytes`` is for code. ``network`` tells how git gets out on
    somebody's behalf.
    """

    def __init__(
        self,
        root: Path,
        limit_bytes: Callable[[], int] = lambda: 256 << 20,
        budget_bytes: Callable[[], int] = lambda: 10 << 30,
        private: Iterable[str] = (),
        roots: Callable[[], Sequence[str] | None] = lambda: None,
        context_bytes: Callable[[], int] = lambda: 1 << 30,
        network: Callable[[int], Mapping[str, Any]] = _no_network,
    ) -> None:
        self._network = network
        self.store = SnapshotStore(root)
        self._root = root
        self._limit_bytes = limit_bytes
        self._budget_bytes = budget_bytes
        self._private = tuple(private)
        self._context_bytes = context_bytes
        self._roots = roots

    def limits(self) -> Limits:
        """Return how much one may hold."""
        return Limits(self._limit_bytes(), _MOST_FILES)

    @contextmanager
    def taken(
        self, source: Source, uid: int, dockerfile: str | None = None, reports: Collection[str] = ()
    ) -> Iterator[CodeSnapshot]:
        """Take a snapshot as the user ``uid``; it is safe from being cleared away until this is left.

        With ``dockerfile`` the folder is one that is built by it, and .dockerignore says what does not belong to it.
        Files in ``reports`` (absolute paths) that git does not track are no code.
        Raises the DeskErrors of the worker, TimedOut, Unavailable.
        """
        snapshot = self._take(source, uid, dockerfile, reports)
        try:
            yield snapshot
        finally:
            self.store.let_go(snapshot.sha256)

    def _take(self, source: Source, uid: int, dockerfile: str | None, reports: Collection[str]) -> CodeSnapshot:
        limits = self.limits() if dockerfile is None else Limits(self._context_bytes(), _MOST_FILES)
        seconds = _FOLDER_SECONDS if source.git is None else _FETCH_SECONDS
        request = {
            "folder": source.folder,
            "git": source.git,
            "ref": source.ref,
            "dockerfile": dockerfile,
            "reports": list(reports),
            "private": self._private,
            "roots": self._roots(),
            "limit_bytes": limits.size_bytes,
            "limit_files": limits.files,
            "seconds": seconds - _MARGIN_SECONDS,
            "network": {} if source.git is None else self._network(uid),
        }
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._root) as packed:
                most = limits.size_bytes + _HEADS_BYTES
                done = run_into(
                    python_command(_WORKER), packed, seconds, most, name="The snapshot of the code",
                    given=json.dumps(request).encode(), as_person=person(uid),
                )  # fmt: skip
                packed.seek(0)
                return self._kept(packed, limits, done.code, done.errors)
        except TimedOut as error:
            what = plain(source.folder or source.git or "")
            text = f"The source {what} could not be read within {seconds:g} s; the job was not queued."
            raise TimedOut(text, "Does it lie on a share that does not answer?") from error
        except OSError as error:
            raise Unavailable(f"The snapshot of the code can't be kept: {error.strerror}.") from error

    def _kept(self, packed: Any, limits: Limits, code: int, errors: bytes) -> CodeSnapshot:
        if code != 0:
            tail = plain(errors.decode("utf-8", "replace").strip()[-_ERRORS_SHOWN:], _ERRORS_SHOWN)
            raise Unavailable(f"The snapshot of the code failed with code {code}. It last wrote: {tail}")
        return self.store.keep(packed, limits)

    def tidy(self, active: Callable[[], Iterable[str]]) -> int:
        """Clear away what is beyond the budget; never what jobs that are not over use (``active``)."""
        return self.store.tidy(active, self._budget_bytes())


def git_identity(facts: dict[str, Any]) -> GitIdentity:
    """Return what the worker told of a checkout, as far as it is of the right form."""
    untracked = facts.get("untracked")
    dirty = facts.get("dirty")
    return GitIdentity(
        commit=_word(facts.get("commit")),
        dirty=dirty if isinstance(dirty, bool) else None,
        branch=_word(facts.get("branch")),
        remote=_word(facts.get("remote")),
        diff_sha256=_word(facts.get("diff_sha256")),
        untracked=tuple(plain(str(name)) for name in untracked) if isinstance(untracked, list) else (),
    )


def lacking_submodules(facts: dict[str, Any]) -> tuple[str, ...]:
    """Return the submodules that the worker told to be absent."""
    found = facts.get("submodules")
    return tuple(plain(str(name)) for name in found) if isinstance(found, list) else ()


def changed_files(facts: dict[str, Any]) -> tuple[str, ...]:
    """Return the files of a checkout that the worker told to differ from its commit."""
    found = facts.get("changed")
    return tuple(plain(str(name)) for name in found) if isinstance(found, list) else ()


def _word(value: object) -> str | None:
    return plain(value, _ERRORS_SHOWN) if isinstance(value, str) and value else None


def places_in_source(spec: JobSpec) -> list[str]:
    """Return the paths in the source's folder on which something else is mounted. Raises Refused."""
    if spec.source is None:
        return []
    top = spec.source.target.rstrip("/")
    targets = [mount.target.rstrip("/") for mount in spec.mounts]
    if top in targets:
        raise Refused(f"Both the source and a mount have the target {plain(top)}.", "Give one of them another target.")
    return [target.removeprefix(f"{top}/") for target in targets if target.startswith(f"{top}/")]
