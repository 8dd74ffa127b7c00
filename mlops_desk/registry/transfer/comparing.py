"""Which files of a version are no longer what they were. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mlops_desk.records.registry.transfer import CheckedFile, HashedFile


def compared(recorded: Iterable[HashedFile] | None, found: Iterable[HashedFile]) -> tuple[CheckedFile, ...]:
    """Say of each file whether it is the same, changed, missing or added; those that are not the same come first.

    Without a record nothing can be told, and neither of a file that could not be read (it has no hash).
    """
    now = {file.path: file for file in found}
    if recorded is None:
        return tuple(CheckedFile(path, "unknown", None, _hash(one), one.size_bytes) for path, one in now.items())
    then = {file.path: file for file in recorded}
    checked = [_checked(path, then.get(path), now.get(path)) for path in {**then, **now}]
    return tuple(sorted(checked, key=lambda one: (one.state == "same", one.path)))


def unread(found: Sequence[HashedFile]) -> str | None:
    """Say how many files could not be read and why the first of them could not; None where all were."""
    failed = [one for one in found if not one.sha256]
    if not failed:
        return None
    what = "1 file" if len(found) == 1 else f"{len(failed):,} of {len(found):,} files"
    return f"{what} could not be read: {failed[0].problem or 'nobody noted why'}"


def written_down(recorded: Sequence[HashedFile] | None, found: Sequence[HashedFile]) -> tuple[HashedFile, ...]:
    """Return what is to be kept: what was recorded, with the hashes that it lacks where the files were read now."""
    now = {one.path: replace(one, problem="") for one in found}
    if recorded is None:
        return tuple(now.values())
    return tuple(one if one.sha256 else now.get(one.path, one) for one in recorded)


def is_whole(recorded: Iterable[HashedFile]) -> bool:
    """Tell whether the hash of each file is known."""
    return all(one.sha256 for one in recorded)


def _checked(path: str, then: HashedFile | None, now: HashedFile | None) -> CheckedFile:
    recorded = None if then is None else _hash(then)
    if now is None:
        return CheckedFile(path, "missing", recorded)
    if then is None:
        return CheckedFile(path, "added", None, _hash(now), now.size_bytes)
    if not then.sha256 or not now.sha256:
        return CheckedFile(path, "unknown", recorded, _hash(now), now.size_bytes)
    state = "same" if then.sha256 == now.sha256 else "changed"
    return CheckedFile(path, state, recorded, now.sha256, now.size_bytes)


def _hash(file: HashedFile) -> str | None:
    return file.sha256 or None
