"""Which files of a version are no longer what they were. Pure."""

from collections.abc import Iterable

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
