"""In what a job is made of something else than the one it repeats, with the reason as fields. Pure.

What one of the two does not tell is not compared but said to be unknown: no two things are the same because nobody
looked. That GPUs are others of the same model is no drift.
"""

from collections.abc import Iterator, Mapping

from mlops_desk.jobs.records.provenance import Capsule, CapsuleDrift, DataIdentity, ImageIdentity, Verdict

_OF_GPUS = frozenset({"cuda", "toolkit", "cdi", "gpu_route"})
"""Versions of what only hands GPUs over or drives them: without GPUs a job is made of none of it."""
_MOST_PACKAGES = 50  # chosen: more of them nobody reads; how many more is said


def drifts(
    first: Capsule | None, now: Capsule, first_packages: str | None, now_packages: str | None
) -> tuple[CapsuleDrift, ...]:
    """Return what differs, and what can't be compared; the lists are as pip freeze writes them."""
    if first is None:
        return (CapsuleDrift("job", known=False),)
    has_gpus = bool(first.gpus or now.gpus)
    return (
        *image_drift(first.image, now.image),
        *_word("code", "", first.source_sha256, now.source_sha256, needed=_has_code(first, now)),
        *_packages(first.packages_sha256, now.packages_sha256, first_packages, now_packages),
        *_data(first, now),
        *(_word("driver", "", first.driver, now.driver, needed=True) if has_gpus else ()),
        *_versions(first.versions, now.versions, has_gpus=has_gpus),
        *_word("gpus", "", ", ".join(first.gpu_models) or None, ", ".join(now.gpu_models) or None, needed=False),
    )


def verdict(found: tuple[CapsuleDrift, ...]) -> Verdict:
    """Return what drifts come to in a word."""
    if any(one.known for one in found):
        return Verdict.DRIFTED
    return Verdict.UNKNOWN if found else Verdict.SAME


def _word(what: str, name: str, a: str | None, b: str | None, *, needed: bool) -> Iterator[CapsuleDrift]:
    """Compare two words; one that is missing is unknown where there should be one, or where the other is there."""
    if a is not None and b is not None:
        if a != b:
            yield CapsuleDrift(what, name, a, b)
    elif needed or a != b:
        yield CapsuleDrift(what, name, a, b, known=False)


def _has_code(first: Capsule, now: Capsule) -> bool:
    return first.git.commit is not None or now.git.commit is not None


def image_drift(a: ImageIdentity, b: ImageIdentity) -> Iterator[CapsuleDrift]:
    """Compare two images by what is in them; by their names where an engine does not tell that."""
    if a.diff_ids and b.diff_ids:
        if a.diff_ids != b.diff_ids:
            yield CapsuleDrift("image", "", a.digest or a.id, b.digest or b.id)
    elif a.id is not None and a.id == b.id:
        return
    else:
        yield from _word("image", "", a.digest or a.id, b.digest or b.id, needed=True)


def _packages(a_sha: str | None, b_sha: str | None, a: str | None, b: str | None) -> Iterator[CapsuleDrift]:
    if a_sha == b_sha:
        return  # also where neither has any: there is no Python inside
    if a_sha is None or b_sha is None:
        yield CapsuleDrift("packages", "", a_sha, b_sha, known=False)
        return
    if a is None or b is None:
        yield CapsuleDrift("packages", "", a_sha, b_sha)
        return
    mine, theirs = parse_packages(a), parse_packages(b)
    odd = sorted(name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name))
    for name in odd[:_MOST_PACKAGES]:
        yield CapsuleDrift("package", name, mine.get(name), theirs.get(name))
    if len(odd) > _MOST_PACKAGES or not odd:
        yield CapsuleDrift("packages", "" if not odd else f"{len(odd) - _MOST_PACKAGES} more", a_sha, b_sha)


def parse_packages(text: str) -> dict[str, str]:
    """Return the version of each package of a list; the Python that told it is one too."""
    found = {}
    for line in text.splitlines():
        if line.startswith("# python "):
            found["python"] = line.removeprefix("# python ").strip()
        elif not line.startswith("#"):
            name, equals, version = line.partition("==")
            if equals:
                found[name.strip().lower()] = version.strip()
    return found


def _data(first: Capsule, now: Capsule) -> Iterator[CapsuleDrift]:
    before = {one.target: one for one in first.data}
    after = {one.target: one for one in now.data}
    for target in dict.fromkeys([*before, *after]):
        found = data_drift(before.get(target), after.get(target), target)
        if found is not None:
            yield found


def data_drift(a: DataIdentity | None, b: DataIdentity | None, target: str) -> CapsuleDrift | None:
    """Compare what lies at one target; hashes that were made in two ways tell nothing of one another."""
    told = (_told(a), _told(b))
    if a is None or b is None:
        return CapsuleDrift("data", target, *told, known=a is not None or b is not None)
    counted = None not in {a.files, b.files, a.size_bytes, b.size_bytes}
    more_files = (b.files or 0) - (a.files or 0) if counted else None
    more_bytes = (b.size_bytes or 0) - (a.size_bytes or 0) if counted else None
    if a.sha256 is None or b.sha256 is None or (a.sampled != b.sampled and not more_files and not more_bytes):
        return CapsuleDrift("data", target, *told, known=False)
    if a.sha256 == b.sha256:
        return None
    return CapsuleDrift("data", target, *told, more_files=more_files, more_bytes=more_bytes)


def _told(one: DataIdentity | None) -> str | None:
    return None if one is None else one.sha256 or "?"


def _versions(a: Mapping[str, str], b: Mapping[str, str], *, has_gpus: bool) -> Iterator[CapsuleDrift]:
    for name in dict.fromkeys([*a, *b]):
        if name in _OF_GPUS and not has_gpus:
            continue
        yield from _word("version", name, a.get(name), b.get(name), needed=True)
