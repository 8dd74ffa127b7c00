"""What differs between a job and the one it repeats, in words; for terminal and window alike."""

from collections.abc import Sequence

from mlops_desk.jobs.records.provenance import CapsuleDrift, Verdict
from mlops_desk.kit.base.text import plain, size_text

_SHORT_HASH = 12  # as git and docker cut theirs
_NAMES = {
    "image": "the image's digest",
    "code": "the code",
    "packages": "the packages inside",
    "driver": "the driver",
    "gpus": "the GPUs",
    "job": "the first job",
}
_HASHES = frozenset({"image", "code", "packages"})
_MOST_TOLD = 12  # chosen: as many as stand in a paragraph; the record has all


def verdict_text(verdict: Verdict, found: Sequence[CapsuleDrift]) -> str:
    """Return the verdict with its reasons: what drifted first, then what nobody knows."""
    if verdict is Verdict.UNKNOWN and not found:
        return "not known yet"
    drifted = [sentence(one) for one in found if one.known]
    unknown = [sentence(one) for one in found if not one.known]
    told = [*drifted[:_MOST_TOLD], *([f"and {len(drifted) - _MOST_TOLD} more"] if len(drifted) > _MOST_TOLD else [])]
    rest = f"not known: {', '.join(unknown)}" if unknown else ""
    return f"{verdict.value}{': ' if told or rest else ''}{'; '.join([*told, *filter(None, [rest])])}"


def sentence(one: CapsuleDrift) -> str:
    """Return one thing that differs, or the name of one that can't be compared."""
    if not one.known:
        return _unknown(one)
    if one.what == "data":
        return _data(one)
    if one.what in {"package", "version"}:
        return _named(one)
    if one.what == "packages" and one.name:
        return f"{plain(one.name)} packages"
    changed = "changed" if one.what in _HASHES else ""
    shown = f"{_shown(one, one.a)} → {_shown(one, one.b)}"
    name = _NAMES.get(one.what, plain(one.what))
    return f"{name} {changed} ({shown})" if changed else f"{name} {shown}"


def _unknown(one: CapsuleDrift) -> str:
    named = {"data": f"data {plain(one.name)}", "version": plain(one.name), "package": f"package {plain(one.name)}"}
    return named.get(one.what) or _NAMES.get(one.what, plain(one.what))


def _named(one: CapsuleDrift) -> str:
    kind = "package " if one.what == "package" else ""
    name = f"{kind}{plain(one.name)}"
    if one.a is None:
        return f"{name} {plain(one.b or '')} is new"
    return f"{name} {plain(one.a)} is gone" if one.b is None else f"{name} {plain(one.a)} → {plain(one.b)}"


def _data(one: CapsuleDrift) -> str:
    name = f"data {plain(one.name)}"
    if one.a is None:
        return f"{name} is mounted now and was not"
    if one.b is None:
        return f"{name} was mounted and is not now"
    if one.more_files:
        count = abs(one.more_files)
        return f"{name} has {count:,} {'more' if one.more_files > 0 else 'fewer'} file{'' if count == 1 else 's'}"
    if one.more_bytes:
        grown = "larger" if one.more_bytes > 0 else "smaller"
        return f"{name} has as many files and is {grown} by {size_words(one.more_bytes)}"
    return f"{name} has other contents"


def size_words(size_bytes: int) -> str:
    """Return a size, and a small one to the byte: two data sets may differ in one."""
    size = abs(size_bytes)
    return size_text(size) if size >= 1 << 20 else f"{size:,} bytes"


def _shown(one: CapsuleDrift, text: str | None) -> str:
    if text is None:
        return "–"
    if one.what not in _HASHES:
        return plain(text)
    return plain(text.rpartition("@")[2].removeprefix("sha256:"))[:_SHORT_HASH]
