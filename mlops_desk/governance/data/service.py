"""The verbs about data: the catalogue here; retention and redaction come from beside."""

import math
import time
from builtins import list as list_of
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from shlex import quote

from mlops_desk.governance.data.catalogue import GROWING, KnownData, joined
from mlops_desk.governance.data.desk_files import LISTS
from mlops_desk.governance.data.inspection import LookBook, Looking
from mlops_desk.governance.data.redaction import RedactionHouse, RedactionVerbs
from mlops_desk.governance.data.retention import RetentionHouse, RetentionVerbs
from mlops_desk.governance.records.data.catalogue import (
    CatalogueEntry,
    DataKind,
    DataLook,
    DataPlace,
    DataSet,
    DataSetBrief,
    DataUse,
    DataUser,
    DataVersion,
    PersonalData,
    SetState,
    SetTraits,
)
from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, NotFound, Refused
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.state import DataTables

# What a person says of a data set, read: where it lies, and what is to be known of it. Pure.
NAME_LIMIT = 200  # chosen: as long as the names of models
_WORDS = 400  # chosen: of an owner or a licence, a paragraph
_NOTES = 10_000  # chosen: two pages
_LONGEST_DAYS = 36_525.0  # chosen: a hundred years
_OURS = ("/requests", "/labels", LISTS)
_DVC = ".dvc"
_HINT = Hint(
    "mlops-desk data register NAME --path FOLDER", after=", or --run with --dataset, or --database with --query."
)


def name_of(text: str) -> str:
    """Return a name that a set may have. Raises Invalid."""
    if not text.strip() or len(text) > NAME_LIMIT or not text.isprintable() or text != text.strip():
        text = f"{plain(text, 80)!r} can't be the name of a data set."
        raise Invalid(text, f"A name has 1 to {NAME_LIMIT} characters, all of which are seen.")
    if text.endswith(_OURS):
        raise Invalid(f"{plain(text, 80)!r} is what data of the desk's own are called.", "Name the data set otherwise.")
    return text


def place_of(
    path: str | None, run: str | None, dataset: str | None, database: str | None, query: str | None, login: str | None
) -> DataPlace:
    """Return where a set lies; it is said by one of three ways. Raises Invalid."""
    ways = [path is not None, run is not None or dataset is not None, database is not None or query is not None]
    if sum(ways) != 1:
        raise Invalid("A data set lies in one place: a path, what a run has logged, or a database's answer.", _HINT)
    if path is not None:
        if "\0" in path or not path.startswith("/"):
            raise Invalid(f"{plain(path, 300)!r} is no absolute path.", _HINT)
        # Whether it is a file or a folder is seen by the look, which a disk that hangs holds up and nobody else.
        return DataPlace(DataKind.DVC if path.endswith(_DVC) else DataKind.FOLDER, path=path)
    if run is not None or dataset is not None:
        if not run or not dataset:
            raise Invalid("What a run has logged is named by both, --run and --dataset.", _HINT)
        return DataPlace(DataKind.MLFLOW, run=run, dataset=dataset)
    if not database or not query:
        raise Invalid("A database's answer needs both, --database and --query.", _HINT)
    return DataPlace(DataKind.QUERY, database=database, query=query, login=login or None)


def traits_of(
    known: SetTraits,
    data_owner: str | None,
    licence: str | None,
    retention_days: float | None,
    personal: str | None,
    notes: str | None,
) -> SetTraits:
    """Return what is said of a set: None leaves a trait, an empty word or 0 days take it back. Raises Invalid."""
    made = known
    if data_owner is not None:
        made = replace(made, data_owner=_words(data_owner, "An owner", _WORDS))
    if licence is not None:
        made = replace(made, licence=_words(licence, "A licence", _WORDS))
    if notes is not None:
        made = replace(made, notes=_words(notes, "Notes", _NOTES))
    if retention_days is not None:
        if not math.isfinite(retention_days) or not 0 <= retention_days <= _LONGEST_DAYS:
            raise Invalid(f"Data can't be kept for {retention_days:g} days.", "Days are 1 to 36,525; 0 says nothing.")
        made = replace(made, retention_days=retention_days or None)
    if personal is not None:
        made = replace(made, personal=_personal(personal))
    return made


def _words(text: str, what: str, most: int) -> str | None:
    if len(text) > most:
        raise Invalid(f"{what} of a data set may have {most:,} characters, not {len(text):,}.")
    return text.strip() or None


def _personal(text: str) -> PersonalData:
    try:
        return PersonalData(text.strip().lower() or "unknown")
    except ValueError as error:
        raise Invalid(
            f"{plain(text, 40)!r} does not say whether there are data of persons.", "Say yes, no or unknown."
        ) from error


_LOGGED = frozenset({DataKind.LOG, DataKind.LABELS})
_AGE_SECONDS = 2.0  # chosen: a verb shows a set before and after, and asks the house once


@dataclass(frozen=True, slots=True)
class DataHouse:
    """What the rest of the house does: ``known`` tells what was seen of data, ``look`` looks at a set.

    ``exact`` returns MODEL/VERSION for a model's alias; it raises DeskError. ``least_days`` is the setting how long
    logs are kept.
    """

    known: Callable[[], KnownData]
    look: Looking
    exact: Callable[[str], str]
    least_days: Callable[[], float]


class DataService(RetentionVerbs, RedactionVerbs):
    """Implements ``verbs.DataCatalogue``."""

    def __init__(
        self, house: DataHouse, retention: RetentionHouse, redaction: RedactionHouse, tables: DataTables, loop: Loop
    ) -> None:
        self._house = house
        self._retention = retention
        self._redaction = redaction
        self._tables = tables
        self._loop = loop
        self._looks = LookBook(loop, house.look, self._keep)
        self._known: tuple[float, KnownData] | None = None

    def list(self, text: str = "", kind: str | None = None) -> list_of[DataSetBrief]:
        wanted = None if kind is None else _kind(kind)
        words = text.casefold().split()
        return [
            one.brief
            for one in self._sets()
            if (wanted is None or one.brief.kind is wanted)
            and all(word in f"{one.brief.name} {one.brief.place}".casefold() for word in words)
        ]

    def show(self, name: str) -> DataSet:
        for one in self._sets():
            if one.brief.name == name:
                return one
        hint = Hint("mlops-desk data list", after=" shows those that there are.")
        raise NotFound(f"There is no data set {plain(name)}.", hint)

    def uses(self, thing: str) -> list_of[DataUse]:
        name = self._house.exact(thing) if "@" in thing else thing
        return [
            DataUse(
                one.brief.name, one.brief.kind, user.how, one.brief.state, user.version, *_hashes(one, user),
                one.brief.traits,
            )
            for one in self._sets()
            for user in one.users
            if user.name == name
        ]  # fmt: skip

    def register(
        self,
        name: str,
        path: str | None = None,
        run: str | None = None,
        dataset: str | None = None,
        database: str | None = None,
        query: str | None = None,
        login: str | None = None,
        data_owner: str | None = None,
        licence: str | None = None,
        retention_days: float | None = None,
        personal: str | None = None,
        notes: str | None = None,
    ) -> DataSet:
        name = name_of(name)
        if self._tables.sets.get(name) is not None:
            hint = Hint(
                f"mlops-desk data check {quote(name)}",
                after=" looks at it again, data update says something else of it.",
            )
            raise Refused(f"There is a data set {plain(name)} already.", hint)
        place = place_of(path, run, dataset, database, query, login)
        traits = traits_of(SetTraits(), data_owner, licence, retention_days, personal, notes)
        entry = CatalogueEntry(name, place, time.time(), traits, None, current_caller().uid, time.time())
        self._tables.sets.put(entry)
        self._looks.begin(entry)
        return self._again(name)

    def update(
        self,
        name: str,
        data_owner: str | None = None,
        licence: str | None = None,
        retention_days: float | None = None,
        personal: str | None = None,
        notes: str | None = None,
    ) -> DataSet:
        entry = self._entry(name)
        traits = traits_of(entry.traits, data_owner, licence, retention_days, personal, notes)
        self._tables.sets.put(replace(entry, traits=traits, updated_at=time.time()))
        if entry.place.kind in GROWING and traits.retention_days != entry.traits.retention_days:
            self._redaction.apply()  # the gateway goes by the retention too
        return self._again(name)

    def said(self) -> Mapping[str, float | None]:
        """Return how many days sets are to be kept, by name, as people say of them."""
        return {one.name: one.traits.retention_days for one in self._tables.sets.list()}

    def forget(self, name: str) -> DataSet:
        shown = self.show(name)
        if self._tables.sets.get(name) is None:
            raise Refused(f"Nobody has registered the data set {plain(name)}: the desk knows of it by what uses it.")
        if name in self._looks.names():
            self._looks.cancel(name)
        self._tables.forget(name)
        self._known = None
        return shown

    def check(self, name: str) -> DataSet:
        entry = self._entry(name)
        if entry.place.kind in GROWING:
            raise Refused(f"{plain(name)} grows, so it is no two times the same.")
        if self._tables.sets.get(name) is None:
            self._tables.sets.put(entry)
        self._looks.begin(entry)
        return self._again(name)

    def cancel(self, name: str) -> DataSet:
        self._looks.cancel(name)
        return self._again(name)

    # -- the sets ----------------------------------------------------------------------------

    def _sets(self) -> list_of[DataSet]:
        known = self._sightings()
        entries = self._tables.sets.list()
        versions: Mapping[str, Sequence[DataVersion]] = {
            one.name: self._tables.versions.list(parent=one.name, newest_first=False) for one in entries
        }
        return [self._as_it_stands(one) for one in joined(entries, versions, known)]

    def _sightings(self) -> KnownData:
        """Return what the house knows. What was kept of it may be taken back by another thread at any moment."""
        kept, now = self._known, time.monotonic()
        if kept is None or now - kept[0] > _AGE_SECONDS:
            kept = self._known = now, self._house.known()
        return kept[1]

    def _as_it_stands(self, found: DataSet) -> DataSet:
        if found.brief.kind in _LOGGED:
            kept = max(self._house.least_days(), found.brief.traits.retention_days or 0.0)
            found = replace(found, brief=replace(found.brief, kept_days=kept))
        progress = self._looks.progress(found.brief.name)
        if progress is None:
            return found
        text = "It is being stopped." if progress.is_stopping else "It is looked at now."
        brief = replace(found.brief, state=SetState.LOOKING, text=text)
        return replace(found, brief=brief, progress=progress)

    def _again(self, name: str) -> DataSet:
        self._known = None
        return self.show(name)

    def _entry(self, name: str) -> CatalogueEntry:
        """Return what is kept of a set, or what is to be kept of one that the desk knows by itself. Raises NotFound."""
        kept = self._tables.sets.get(name)
        if kept is not None:
            return kept
        found, now = self.show(name), time.time()
        owner = found.created_by if found.created_by is not None else current_caller().uid
        # What is said of data that runs have logged is said of them whichever run logs them next.
        is_logged = found.place.kind is DataKind.MLFLOW and found.place.path is None
        place = replace(found.place, run=None) if is_logged else found.place
        return CatalogueEntry(name, place, now, created_by=owner, updated_at=now)

    def _keep(self, name: str, version: DataVersion | None, place: DataPlace | None, trouble: DeskError | None) -> None:
        """Keep what a look found: the same as before, another version, that it is gone, or why nobody could tell."""
        entry = self._tables.sets.get(name)
        if entry is None:
            return  # it was forgotten meanwhile
        now = time.time()
        if version is None or place is None:
            state = SetState.GONE if isinstance(trouble, NotFound) else SetState.UNKNOWN
            text, hint = ("", None) if trouble is None else (trouble.message, trouble.hint)
            self._tables.sets.put(replace(entry, look=DataLook(state, now, text, hint), updated_at=now))
            return
        kept = self._tables.versions.list(parent=name, limit=1)
        look, made = judged(kept[0] if kept else None, replace(version, dataset=name, seen_at=now, last_at=now), now)
        self._tables.keep(replace(entry, place=place, look=look, updated_at=now), (made,))


def judged(before: DataVersion | None, now: DataVersion, at: float) -> tuple[DataLook, DataVersion]:
    """Return what a look says, and the version that it makes or has seen again. Pure."""
    if now.sha256 is None and now.digest is None:
        number = before.number if before is not None else 1
        text = "Its rows have no hash, so whether they are the same can't be told."
        return DataLook(SetState.UNKNOWN, at, text), replace(now, number=number)
    if before is None or (before.sha256 is None and before.digest is None):
        return DataLook(SetState.SAME, at, "It was looked at for the first time."), replace(now, number=1)
    if (before.sha256, before.digest) == (now.sha256, now.digest):
        same = replace(now, number=before.number, seen_at=before.seen_at, columns=now.columns or before.columns)
        return DataLook(SetState.SAME, at, "It is what it was at the look before."), same
    text = f"It is not what it was: {_difference(before, now)}."
    return DataLook(SetState.CHANGED, at, text), replace(now, number=before.number + 1)


def _difference(before: DataVersion, now: DataVersion) -> str:
    told = []
    if before.files is not None and now.files is not None and before.files != now.files:
        told.append(f"{now.files:,} files instead of {before.files:,}")
    if before.size_bytes is not None and now.size_bytes is not None and before.size_bytes != now.size_bytes:
        told.append(f"{now.size_bytes:,} bytes instead of {before.size_bytes:,}")
    return ", ".join(told) or "as many bytes, and other content"


def _hashes(found: DataSet, user: DataUser) -> tuple[str | None, str | None]:
    version = next((one for one in found.versions if one.number == user.version), None)
    return (None, None) if version is None else (version.sha256, version.digest)


def _kind(text: str) -> DataKind:
    try:
        return DataKind(text)
    except ValueError as error:
        raise Invalid(f"{plain(text, 40)!r} is no kind of data.", f"Kinds: {', '.join(DataKind)}.") from error
