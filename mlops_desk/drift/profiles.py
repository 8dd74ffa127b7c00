"""What a model version's reference is: its profiles in the registry, and those that this desk alone has."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from shlex import quote

from mlops_desk.drift.profile.categories import CategorySketch
from mlops_desk.drift.profile.file_format import to_bytes
from mlops_desk.drift.profile.numbers import NumericSketch
from mlops_desk.drift.profile.profile import ColumnProfile, DataProfile
from mlops_desk.drift.profile.profile_comparison import quantiles
from mlops_desk.drift.profile.texts import TextSketch
from mlops_desk.drift.records.monitors import Monitor
from mlops_desk.drift.records.profiles import ProfiledColumn, ReferenceProfile
from mlops_desk.drift.registry_profiles import FoundProfile, ProfilePlace, PublishedProfiles, made_of
from mlops_desk.kit.base.errors import DeskError, Hint, NotFound
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.records.model import DatasetInput, ModelVersion

_LABELS = 5  # chosen: as many as one reads in a row
_LABEL = 60  # characters; chosen: labels come from files


@dataclass(frozen=True, slots=True)
class ProfileParts:
    """What is needed of registry and monitors. All of them may raise DeskError.

    ``version`` finds NAME/VERSION in a registry, ``kept`` gives the profile that a monitor is held against here.
    """

    version: Callable[[str, str | None], ModelVersion]
    datasets: Callable[[str, str | None], Sequence[DatasetInput]]
    monitors: Callable[[], Iterable[Monitor]]
    place: Callable[[Monitor], ProfilePlace | None]
    kept: Callable[[str], tuple[str, DataProfile] | None]


class VersionProfiles:
    """Tells of them."""

    def __init__(self, parts: ProfileParts, published: PublishedProfiles) -> None:
        self._parts = parts
        self._published = published

    def of_version(self, name: str, uri: str | None) -> list[ReferenceProfile]:
        """Tell of a version's profiles, those in its registry first. Raises NotFound without any, DeskError."""
        version = self._parts.version(name, uri)
        if version.run_id is None:
            raise NotFound(f"Version {plain(version.version)} of {plain(version.name)} names no run.")
        told = ReferenceProfile(f"{version.name}/{version.version}", version.run_id, version.registry)
        here = self._here(told)
        found: list[ReferenceProfile] = []
        trouble = None
        try:
            datasets = self._parts.datasets(version.run_id, version.registry)
            published = self._published.of_run(version.run_id, version.registry)
        except DeskError as error:
            trouble, published, datasets = error.message, [], []
        for one in published:
            same = next((other for other in here if other.digest == _digest(one)), None)
            if same is not None:
                here.remove(same)
            found.append(_told(told, one, datasets, () if same is None else same.monitors))
        found += [one if trouble is None else replace(one, problem=trouble) for one in here]
        if not found:
            text = f"No profile of the data of {plain(told.model)} is kept{f': {trouble}' if trouble else '.'}"
            again = Hint(
                f"mlops-desk endpoints deploy {quote(told.model)} --name NAME",
                before="A monitor makes it, of its endpoint: ",
            )
            raise NotFound(text, again)
        return found

    def _here(self, told: ReferenceProfile) -> list[ReferenceProfile]:
        """Return what this desk's monitors of the version are held against, each profile once."""
        found: dict[str, ReferenceProfile] = {}
        for monitor in self._parts.monitors():
            if monitor.model != told.model:
                continue
            place, kept = self._place(monitor), self._parts.kept(monitor.id)
            if place is None or kept is None or (place.run_id, place.registry) != (told.run_id, told.registry):
                continue
            content = to_bytes(kept[1])
            digest = hashlib.sha256(content).hexdigest()
            before = found.get(digest)
            why = self._published.why_not(place) or "It has not been put into the registry, or is no longer there."
            one = before or replace(_described(told, kept[1]), size_bytes=len(content), digest=digest, problem=why)
            found[digest] = replace(one, monitors=(*one.monitors, monitor.name))
        return list(found.values())

    def _place(self, monitor: Monitor) -> ProfilePlace | None:
        try:
            return self._parts.place(monitor)
        except DeskError:  # its endpoint is gone: then it is none of the version's
            return None


def _digest(found: FoundProfile) -> str | None:
    return None if found.content is None else hashlib.sha256(found.content).hexdigest()


def _told(
    told: ReferenceProfile, found: FoundProfile, datasets: Sequence[DatasetInput], monitors: tuple[str, ...]
) -> ReferenceProfile:
    dataset = made_of(found.path, datasets)
    told = replace(
        told,
        path=found.path,
        dataset=None if dataset is None else dataset.name,
        size_bytes=None if found.content is None else len(found.content),
        digest=_digest(found),
        monitors=monitors,
        problem=found.problem,
    )
    return told if found.profile is None else _described(told, found.profile)


def _described(told: ReferenceProfile, profile: DataProfile) -> ReferenceProfile:
    return replace(
        told,
        n_rows=profile.n_rows,
        columns=tuple(_column(one, profile.n_rows) for one in profile.columns if one.sketch is not None),
        left_out={one.column.name: one.column.why_not or "" for one in profile.columns if one.sketch is None},
    )


def _column(one: ColumnProfile, n_rows: int) -> ProfiledColumn:
    sketch = one.sketch.lengths if isinstance(one.sketch, TextSketch) else one.sketch
    missing = None if sketch is None or not n_rows else sketch.n_missing / n_rows
    told = ProfiledColumn(one.column.name, str(one.column.kind), str(one.column.role), missing)
    if isinstance(sketch, CategorySketch):
        most = Counter(dict(zip(sketch.labels, sketch.counts, strict=True))).most_common(_LABELS)
        return replace(told, labels={plain(label, _LABEL): n / n_rows for label, n in most})
    if isinstance(sketch, NumericSketch) and one.frame is not None:
        least, median, most_of_all = quantiles(one.frame, sketch, (0.0, 0.5, 1.0)) or (None, None, None)
        return replace(told, least=_finite(least), median=_finite(median), most=_finite(most_of_all))
    return told


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None
