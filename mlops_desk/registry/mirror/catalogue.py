"""Models and versions of a source, joined with the runs that they came from, and ready to be searched."""

from collections.abc import Sequence
from dataclasses import replace

from mlops_desk.kit.base.errors import NotFound
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.mirror.search import (
    OF_FILES,
    Entry,
    QueryField,
    card_of,
    entry,
    find,
    hit_of,
    look_up,
    parse_query,
    signature_columns,
    with_files,
)
from mlops_desk.registry.mirror.table.rows import runs_by_id
from mlops_desk.registry.mirror.table.runs import RunTable
from mlops_desk.registry.name_suggestions import nearest
from mlops_desk.registry.readers.batch import VersionRow
from mlops_desk.registry.readers.reader import Reader
from mlops_desk.registry.records.file_glance import FileGlance
from mlops_desk.registry.records.model import Model, ModelVersion, Run
from mlops_desk.registry.records.version_hit import ModelCard, VersionHit, VersionsFound

Key = tuple[str, str, str | None]


class Catalogue:
    """Read when it is first asked for, and anew once it has changed."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._models: list[Model] | None = None
        self._versions: list[VersionRow] = []
        self._sources: frozenset[str] = frozenset()
        self._entries: list[Entry] | None = None
        self._files: dict[Key, FileGlance] = {}

    def changed(self) -> None:
        """Forget what was read: models or versions have changed."""
        self._models, self._entries = None, None

    def runs_touched(self, run_ids: set[str]) -> None:
        """Note that runs have changed, which versions may have come from."""
        if self._entries is not None and not self._sources.isdisjoint(run_ids):
            self._entries = None

    def models(self) -> list[Model]:
        if self._models is None:
            models, versions = self._reader.models(), self._reader.versions()
            self._models, self._versions, self._entries = models, versions, None
            self._sources = frozenset(row.version.run_id for row in versions if row.version.run_id)
        return self._models

    def model(self, name: str) -> Model:
        models = self.models()
        found = next((model for model in models if model.name == name), None)
        if found is None:
            names = [model.name for model in models]
            raise NotFound(f"There is no registered model {plain(name)!r}.", nearest(name, names, "models"))
        return found

    def versions(self, name: str) -> list[ModelVersion]:
        self.model(name)
        return [row.version for row in self._versions if row.version.name == name]

    def versions_of_run(self, run_id: str) -> list[ModelVersion]:
        """List the versions that a run registered, oldest first."""
        self.models()
        found = [row.version for row in self._versions if row.version.run_id == run_id]
        return sorted(found, key=lambda version: (version.created_at or 0.0, version.name, int(version.version)))

    def search(self, query: str, limit: int, table: RunTable) -> VersionsFound:
        terms = parse_query(query)
        return look_up(self.entries(table), terms, limit, lambda one: _key(one.hit) in self._files)

    def entries(self, table: RunTable) -> list[Entry]:
        """Return all versions as they are searched, the newest first."""
        self.models()
        if self._entries is None:
            runs = runs_by_id(table, self._sources)
            models = {model.name: model for model in self.models()}
            made = [self._entry(row, runs, models.get(row.version.name)) for row in self._versions]
            made.sort(key=lambda one: (-(one.hit.created or 0.0), one.hit.name))
            self._entries = made
        return self._entries

    def without_files(self, query: str, most: int, table: RunTable) -> list[ModelVersion]:
        """List versions that a query may be about and of which nobody has told what their files say, newest first.

        What it asks of files is left out, for that is not known yet; the rest tells which are not worth a look.
        """
        terms = [term for term in parse_query(query) if term.field not in OF_FILES]
        entries = [one for one in self.entries(table) if _key(one.hit) not in self._files]
        wanted = {(hit.name, hit.version): place for place, hit in enumerate(find(entries, terms, max(most, 1)))}
        found = [row.version for row in self._versions if (row.version.name, row.version.version) in wanted]
        return sorted(found, key=lambda version: wanted[version.name, version.version])[:most]

    def take_files(self, glances: Sequence[FileGlance]) -> bool:
        """Take what files say; tell whether that is news of a version that is here."""
        news = {_key(one): one for one in glances}
        self._files |= news
        is_news = any(_key(row.version) in news for row in self._versions)
        if is_news and self._entries is not None:
            self._entries = [_with(one, news.get(_key(one.hit))) for one in self._entries]
        return is_news

    def _entry(self, row: VersionRow, runs: dict[str, Run], model: Model | None) -> Entry:
        made = entry(_hit(row, runs), signature_columns(runs.get(row.version.run_id or "")), model)
        return _with(made, self._files.get(_key(row.version)))

    def cards(self, table: RunTable) -> list[ModelCard]:
        models = self.models()
        by_name: dict[str, list[VersionRow]] = {}
        for row in self._versions:
            by_name.setdefault(row.version.name, []).append(row)
        newest = {rows[0].version.run_id for rows in by_name.values() if rows[0].version.run_id}
        runs = runs_by_id(table, newest)
        cards = []
        for model in models:
            rows = by_name.get(model.name, [])
            hits = [_hit(row, runs) for row in rows[:1]]
            cards.append(replace(card_of(model, hits), n_versions=len(rows)))
        return cards


def _hit(row: VersionRow, runs: dict[str, Run]) -> VersionHit:
    return hit_of(row.version, runs.get(row.version.run_id or ""), row.author)


def _with(one: Entry, files: FileGlance | None) -> Entry:
    if files is None:
        return one
    columns = dict.fromkeys([*filter(None, one.texts[QueryField.SIGNATURE].split("\n")), *files.signature])
    return entry(with_files(one.hit, files), tuple(columns), one.model)


def _key(one: ModelVersion | VersionHit | FileGlance) -> Key:
    """Return what a version's files are known by: one that was made anew under its number lies elsewhere."""
    return one.name, one.version, one.source
