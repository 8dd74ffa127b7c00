"""What is kept of data sets and what was seen of data, as one catalogue. Pure.

Data are of a registered set when they lie in its place: its path or below it, its run's data set, its endpoint's log.
Else they make a set of their own, whose versions are told apart by hash, or by what MLflow calls them by. A registered
set has the versions that its own looks found; what was seen is one of them only where the hashes are the same.

What the house knows of data by itself: each place where it was seen, by whom, and what it was then.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from mlops_desk.governance.records.data.catalogue import (
    CatalogueEntry,
    DataColumn,
    DataKind,
    DataPlace,
    DataSet,
    DataSetBrief,
    DataUser,
    DataVersion,
    SetState,
    SetTraits,
)


@dataclass(frozen=True, slots=True)
class DataSighting:
    """Data that were seen once. ``name`` is what the set is called where nobody has registered it.

    ``sha256`` is of the manifest as the catalogue makes it, ``digest`` what MLflow calls it by, ``at`` Unix seconds.
    ``users`` stand on what was seen; ``owned_by`` is the uid whose they are, where somebody's.
    """

    name: str
    place: DataPlace
    users: tuple[DataUser, ...] = ()
    sha256: str | None = None
    digest: str | None = None
    at: float | None = None
    size_bytes: int | None = None
    files: int | None = None
    columns: tuple[DataColumn, ...] = ()
    seen_by: str | None = None
    owned_by: int | None = None


@dataclass(frozen=True, slots=True)
class KnownData:
    """All that was seen; ``missing`` says in sentences what could not be asked, so that it is not taken for nothing."""

    sightings: tuple[DataSighting, ...] = ()
    missing: tuple[str, ...] = ()


GROWING = frozenset({DataKind.LOG, DataKind.LABELS, DataKind.LISTS})
_ON_DISK = frozenset({DataKind.FILE, DataKind.FOLDER, DataKind.DVC})
_NOBODY_LOOKED = "Nobody has looked at it yet."
_GROWS = "It grows with each request."
_LISTED = "It grows with each retraining."
_SOURCE = 200  # chosen: a line; a run's own word of its data may be any text


@dataclass
class _Found:
    """A set while it is put together."""

    name: str
    place: DataPlace
    entry: CatalogueEntry | None = None
    versions: list[DataVersion] = field(default_factory=list)
    seen: list[DataSighting] = field(default_factory=list)


def joined(
    entries: Iterable[CatalogueEntry], versions: Mapping[str, Sequence[DataVersion]], known: KnownData
) -> list[DataSet]:
    """Return all sets, by name. ``versions`` are those of registered sets, oldest first."""
    found = {one.name: _Found(one.name, one.place, one, list(versions.get(one.name, ()))) for one in entries}
    registered = list(found.values())
    # Names of logs are the desk's own: what a run calls its data takes none of them.
    for sighting in sorted(known.sightings, key=lambda one: one.place.kind not in GROWING):
        home = _home_of(sighting.place, registered) or _found_by_name(sighting, found)
        home.seen.append(sighting)
    return [_told(one, known.missing) for _name, one in sorted(found.items())]


def _found_by_name(sighting: DataSighting, found: dict[str, _Found]) -> _Found:
    """Return the set that nobody registered and that is called so, made where there is none.

    Where another has the name already, it is called after its kind, too.
    """
    name = sighting.name
    while name in found and (found[name].entry is not None or _sort(found[name].place) != _sort(sighting.place)):
        name = f"{name} ({sighting.place.kind})"
    return found.setdefault(name, _Found(name, sighting.place))


def _sort(place: DataPlace) -> object:
    return "disk" if place.kind in _ON_DISK else (place.kind, place.endpoint)


def _home_of(place: DataPlace, registered: Sequence[_Found]) -> _Found | None:
    """Return the registered set that a place belongs to: of several folders in one another the innermost."""
    at = [one for one in registered if is_in(place, one.place)]
    return max(at, key=lambda one: len(one.place.path or ""), default=None)


def is_in(place: DataPlace, outer: DataPlace) -> bool:
    """Tell whether a place is another one, or lies in it."""
    if outer.kind in GROWING or place.kind in GROWING:
        return place.kind is outer.kind and place.endpoint == outer.endpoint
    if outer.kind in _ON_DISK:
        return bool(outer.path and place.path) and _is_below(place.path or "", outer.path or "")
    if outer.kind is DataKind.QUERY:
        return (place.kind, place.database, place.query) == (outer.kind, outer.database, outer.query)
    return place.kind is DataKind.MLFLOW and place.dataset == outer.dataset and outer.run in {None, place.run}


def _is_below(path: str, top: str) -> bool:
    """Tell whether a path is ``top`` or below it, by its words alone: nothing is asked of a disk that may hang."""
    return ".." not in PurePosixPath(path).parts and PurePosixPath(path).is_relative_to(PurePosixPath(top))


def _told(found: _Found, missing: tuple[str, ...]) -> DataSet:
    versions = _all_versions(found)
    newest = versions[-1] if versions else None
    with_columns = next((one for one in reversed(versions) if one.columns), newest)
    users = _users_of(found, versions)
    entry = found.entry
    state, text, at, hint = _standing(found)
    # Who only reads a log does not tell how large it is.
    grown = next((one for one in found.seen if one.place.kind in GROWING and one.size_bytes is not None), None)
    brief = DataSetBrief(
        name=found.name,
        kind=found.place.kind,
        place=shown(found.place),
        state=state,
        text=text,
        looked_at=at,
        is_registered=entry is not None,
        sha256=newest.sha256 if newest else None,
        digest=newest.digest if newest else None,
        size_bytes=grown.size_bytes if grown else newest.size_bytes if newest else None,
        files=grown.files if grown else newest.files if newest else None,
        versions=len(versions),
        users=len(users),
        traits=entry.traits if entry else SetTraits(),
    )
    owners = {one.owned_by for one in found.seen} - {None}
    return DataSet(
        brief,
        found.place,
        with_columns.columns if with_columns else (),
        with_columns.columns_why if with_columns else None,
        tuple(reversed(versions)),
        users,
        hint=hint,
        missing=missing,
        created_by=entry.created_by if entry else next(iter(owners)) if len(owners) == 1 else None,
    )


def _all_versions(found: _Found) -> list[DataVersion]:
    """Return the versions of a set, oldest first.

    MLflow's digests are what runs say of their data, one as good as the other; what lies on a disk is what looks saw.
    """
    seen = _versions_of(found)
    if found.place.kind is not DataKind.MLFLOW:
        return found.versions or seen
    known = {one.sha256 or one.digest for one in seen}
    more = (one for one in found.versions if (one.sha256 or one.digest) not in known)
    return [*seen, *(replace(one, number=number) for number, one in enumerate(more, len(seen) + 1))]


def _versions_of(found: _Found) -> list[DataVersion]:
    """Return what was seen as versions, the oldest first; what names neither hash nor digest makes none."""
    made: dict[str, DataVersion] = {}
    for one in sorted(found.seen, key=lambda one: one.at or 0.0):
        key = one.sha256 or one.digest
        if key is None:
            continue
        before = made.get(key)
        if before is None:
            made[key] = DataVersion(
                found.name, len(made) + 1, one.at, one.at, one.sha256, one.digest, one.size_bytes, one.files,
                columns=one.columns, seen_by=one.seen_by,
            )  # fmt: skip
        else:
            made[key] = replace(before, last_at=one.at, columns=before.columns or one.columns)
    return list(made.values())


def _users_of(found: _Found, versions: Sequence[DataVersion]) -> tuple[DataUser, ...]:
    """Return who stands on a set, each once for what it is to it, with the version where its hash tells."""
    numbers = {key: one.number for one in versions for key in (one.sha256, one.digest) if key is not None}
    told: dict[DataUser, None] = {}
    for one in found.seen:
        number = numbers.get(one.sha256 or "") or numbers.get(one.digest or "")
        told |= dict.fromkeys(replace(user, version=number) for user in one.users)
    return tuple(sorted(told, key=lambda one: (one.kind, one.name, one.how, one.version or 0)))


def _standing(found: _Found) -> tuple[SetState, str, float | None, str | None]:
    look = found.entry.look if found.entry else None
    if found.place.kind in GROWING:
        return SetState.GROWS, _LISTED if found.place.kind is DataKind.LISTS else _GROWS, None, None
    if look is None:
        return SetState.UNKNOWN, _NOBODY_LOOKED, None, None
    return look.state, look.text, look.at, look.hint


def shown(place: DataPlace) -> str:
    """Return a place as a person reads it."""
    if place.kind is DataKind.LOG:
        return f"requests of endpoint {place.endpoint}"
    if place.kind is DataKind.LABELS:
        return f"labels of endpoint {place.endpoint}"
    if place.kind is DataKind.LISTS:
        return "which files retrainings have frozen"
    if place.kind is DataKind.QUERY:
        return f"{place.database} {place.query or ''}"[:_SOURCE]
    if place.path is not None:
        return place.path
    told = (place.source or "")[:_SOURCE]
    return f"data set {place.dataset} of runs" + (f": {told}" if told else "")
