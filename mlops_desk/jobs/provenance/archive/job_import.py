"""An exported job as the agent takes it: read by a worker, and every word of it checked as if a person had typed it."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from mlops_desk.jobs.file.spec import checked_spec
from mlops_desk.jobs.provenance.source.snapshot_capture import Snapshots
from mlops_desk.jobs.provenance.source.snapshot_stream import FactsEntry, Limits, read_entries
from mlops_desk.jobs.records.provenance import Capsule, DataIdentity, GitIdentity, ImageIdentity, ImportedFrom
from mlops_desk.jobs.records.spec import JobKind, JobSpec
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import DeskError, Invalid, Refused, TimedOut, Unavailable
from mlops_desk.kit.base.people.person import person
from mlops_desk.kit.base.process import python_command, run_into
from mlops_desk.kit.base.text import plain

_READER = "mlops_desk.jobs.provenance.archive.reader"
_SECONDS = 110.0  # chosen: as long as fetching code is given; a gigabyte is read and compared in ten
_TOLD_BYTES = 64 << 20  # chosen: more than the record, the packages and the diff of any job
_ERRORS_SHOWN = 600  # chosen: the last lines of a traceback, which name the error
_TEXT = 200  # chosen: two lines, as for all names
_MOST = 1000  # chosen: entries of a list that came from outside: a job has fewer mounts, GPUs and layers


@dataclass(frozen=True, slots=True)
class ReadArchive:
    """What an archive holds; ``source_sha256`` of the capsule names code that is in it."""

    origin: ImportedFrom
    spec: JobSpec
    image_id: str | None
    packages: str | None
    code_files: int
    code_bytes: int

    @property
    def capsule(self) -> Capsule:
        return self.origin.capsule or Capsule()


class Importing:
    """``root`` is a folder of the agent's for what workers write; ``snapshots`` keep the code."""

    def __init__(self, root: Path, snapshots: Snapshots) -> None:
        self._root = root
        self._snapshots = snapshots

    def look(self, path: str, uid: int) -> ReadArchive:
        """Read and check an archive as the user ``uid``; nothing of it is kept. Raises DeskErrors."""
        with self._worked(path, uid, with_code=False) as (stream, limits):
            for entry in read_entries(stream, limits):
                if isinstance(entry, FactsEntry):
                    return _archive(path, entry.facts)
        raise Unavailable(f"{plain(path)} was not read.", "Try again.")

    @contextmanager
    def taken(self, path: str, uid: int) -> Iterator[ReadArchive]:
        """Give an archive whose code is kept, at least until this is left. Raises DeskErrors."""
        with self._worked(path, uid, with_code=True) as (stream, limits):
            first = next(read_entries(stream, limits), None)
            facts = first.facts if isinstance(first, FactsEntry) else {}
            archive = _archive(path, facts)
            if archive.capsule.source_sha256 is None:
                yield archive
                return
            stream.seek(0)
            snapshot = self._snapshots.store.keep(stream, limits)
        try:
            if snapshot.sha256 != archive.capsule.source_sha256:
                raise Refused(f"The code in {plain(path)} is not the code that its record names.", "Export it again.")
            yield _with_diff(archive, snapshot.facts.get("diff_sha256"))
        finally:
            self._snapshots.store.let_go(snapshot.sha256)

    @contextmanager
    def _worked(self, path: str, uid: int, *, with_code: bool) -> Iterator[tuple[IO[bytes], Limits]]:
        """Give what the worker wrote. Raises TimedOut, Unavailable, Refused."""
        if not path.startswith("/"):
            raise Invalid(f"The file {plain(path)!r} is not absolute.", "Name it with its whole path.")
        limits = self._snapshots.limits()
        request = {
            "path": path, "with_code": with_code, "limit_bytes": limits.size_bytes, "limit_files": limits.files
        }  # fmt: skip
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._root) as written:
                most = _TOLD_BYTES + (2 * limits.size_bytes if with_code else 0)
                done = run_into(
                    python_command(_READER), written, _SECONDS, most, name=f"Reading {plain(path)}",
                    given=json.dumps(request).encode(), as_person=person(uid),
                )  # fmt: skip
                if done.code != 0:
                    tail = plain(done.errors.decode("utf-8", "replace").strip()[-_ERRORS_SHOWN:], _ERRORS_SHOWN)
                    raise Unavailable(f"Reading {plain(path)} ended with code {done.code}. It last wrote: {tail}")
                written.seek(0)
                yield written, limits
        except TimedOut as error:
            text = f"{plain(path)} was not read within {_SECONDS:g} s; nothing of it was kept."
            raise TimedOut(text, "Does it lie on a share that does not answer?") from error
        except OSError as error:
            raise Unavailable(f"{plain(path)} can't be taken in: {error.strerror}.", "Free some space.") from error


def _archive(path: str, told: Mapping[str, Any]) -> ReadArchive:
    """Return what was told of an archive, checked. Raises Refused."""
    record = told.get("record")
    if not isinstance(record, Mapping):
        raise Refused(f"{plain(path)} holds no record of a job.", "Export the job again.")
    try:
        told_spec = wire.from_builtins(record.get("spec"), JobSpec)
        spec = checked_spec(told_spec)
        capsule = _plain_capsule(wire.from_builtins(record.get("capsule") or {}, Capsule))
    except DeskError as error:
        text = f"The job in {plain(path)} is none that can be run: {error.message}"
        raise Refused(text, error.hint) from error
    if told_spec.kind is JobKind.PROCESS:
        raise Refused(f"{plain(path)} is of a process of somebody's own, which no desk started.", "Start it again.")
    submitted = record.get("submitted_at")
    origin = ImportedFrom(
        job_id=_text(record.get("id")) or "?",
        host=_text(told.get("host")) or "?",
        user=_text(record.get("user")) or "?",
        submitted_at=float(submitted) if isinstance(submitted, (int, float)) else None,
        state=_text(record.get("state")),
        capsule=capsule,
    )
    packages = told.get("packages")
    return ReadArchive(
        origin, spec, _text(record.get("image_id")), packages if isinstance(packages, str) else None,
        int(told.get("code_files") or 0), int(told.get("code_bytes") or 0),
    )  # fmt: skip


def _with_diff(archive: ReadArchive, diff_sha256: object) -> ReadArchive:
    """Return it with the diff as it is kept here; one that was not in the file is named and not had."""
    git = replace(archive.capsule.git, diff_sha256=diff_sha256 if isinstance(diff_sha256, str) else None)
    return replace(archive, origin=replace(archive.origin, capsule=replace(archive.capsule, git=git)))


def _text(value: object) -> str | None:
    return plain(value, _TEXT) if isinstance(value, str) and value else None


def _plain_capsule(capsule: Capsule) -> Capsule:
    """Return a capsule from outside with plain, short texts and lists that end."""
    image = capsule.image
    return replace(
        capsule,
        image=ImageIdentity(
            _text(image.id), _text(image.digest), tuple(map(plain, image.diff_ids[:_MOST])), _text(image.platform)
        ),
        git=_plain_git(capsule.git),
        source_sha256=_text(capsule.source_sha256),
        packages_sha256=_text(capsule.packages_sha256),
        data=tuple(
            DataIdentity(
                plain(one.target), plain(one.source), one.files, one.size_bytes, _text(one.sha256), one.sampled
            )
            for one in capsule.data[:_MOST]
        ),
        params={plain(key): plain(value) for key, value in [*capsule.params.items()][:_MOST]},
        driver=_text(capsule.driver),
        versions={plain(key): plain(value) for key, value in [*capsule.versions.items()][:_MOST]},
        gpus=tuple(map(plain, capsule.gpus[:_MOST])),
        gpu_models=tuple(map(plain, capsule.gpu_models[:_MOST])),
        topology={plain(key): plain(value) for key, value in [*capsule.topology.items()][:_MOST]},
    )


def _plain_git(git: GitIdentity) -> GitIdentity:
    return GitIdentity(
        commit=_text(git.commit),
        dirty=git.dirty,
        branch=_text(git.branch),
        remote=_text(git.remote),
        diff_sha256=_text(git.diff_sha256),
        untracked=tuple(map(plain, git.untracked[:_MOST])),
    )
