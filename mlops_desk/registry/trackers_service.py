"""The verbs about registries as such: the list of them, and what can be done with one as a whole."""

import time
from builtins import list as list_of

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.registry.changes import RegistryAccess
from mlops_desk.registry.cleanup.plan import CleanUpRule
from mlops_desk.registry.cleanup.service import CleanedPlace, CleanUp
from mlops_desk.registry.doctor.service import StoreDoctor
from mlops_desk.registry.foreign.imports import RunImports
from mlops_desk.registry.mlflow_page import PageOpener
from mlops_desk.registry.records.clean_up import CleanUpDone, CleanUpPreview
from mlops_desk.registry.records.doctor import StoreFixed, StoreReport
from mlops_desk.registry.records.page import PageVisit
from mlops_desk.registry.records.tracker import Tracker
from mlops_desk.registry.records.transfer import ImportedRuns, MigratedFolder, Transferred, Verified
from mlops_desk.registry.trackers.migration import FolderMigration
from mlops_desk.registry.trackers.trackers import Trackers
from mlops_desk.registry.transfer.service import VersionTransfer

EVERY_MODEL = "all"
"""The word for the versions of every model."""


class RegistryService:
    """The verbs of verbs.RegistryKeeping."""

    def __init__(
        self,
        trackers: Trackers,
        pages: PageOpener,
        core: RegistryAccess,
        doctor: StoreDoctor,
        cleaning: CleanUp,
        imports: RunImports,
        transfer: VersionTransfer,
        migration: FolderMigration,
    ) -> None:
        self._migration = migration
        self._trackers = trackers
        self._pages = pages
        self._core = core
        self._doctor = doctor
        self._cleaning = cleaning
        self._imports = imports
        self._transfer = transfer

    def list(self) -> list_of[Tracker]:
        return self._trackers.list()

    def show(self, name: str) -> Tracker:
        return self._trackers.show(name)

    def add(self, name: str, uri: str, login: str | None = None, kind: str | None = None) -> Tracker:
        return self._trackers.add(name, uri, login, kind)

    def log_in(self, name: str, login: str | None = None) -> Tracker:
        return self._trackers.log_in(name, login)

    def remove(self, name: str) -> Tracker:
        return self._trackers.remove(name)

    def page(self, run_id: str = "") -> PageVisit:
        return self._pages.open(run_id)

    def doctor(self, uri: str | None = None) -> StoreReport:
        return self._doctor.report(self._trackers.source(uri))

    def fix(self, fix: str, uri: str | None = None) -> StoreFixed:
        return self._doctor.fix(self._trackers.source(uri), fix)

    def clean_up(
        self,
        experiment: str | None = None,
        keep_best: int | None = None,
        metric: str | None = None,
        older_than_seconds: float | None = None,
        model: str | None = None,
        uri: str | None = None,
        *,
        failed: bool = False,
        lower: bool = False,
        higher: bool = False,
    ) -> CleanUpPreview:
        if lower and higher:
            raise Invalid("Of a metric either less or more is better.", "Leave out --lower or --higher.")
        direction = lower if lower or higher else None
        rule = CleanUpRule(
            time.time(), experiment, keep_best, metric, direction, older_than_seconds, failed, _versions_of(model)
        )
        rule.check()
        with self._core.default.chosen(uri) as chosen:
            client = self._core.registries.read(chosen)
            return self._cleaning.preview(rule, CleanedPlace(chosen, client, self._trackers.source(uri)))

    def clean(self, token: str, uri: str | None = None) -> CleanUpDone:
        with self._core.default.chosen(uri) as chosen:
            # Planned anew from what is in memory, as the preview was: MLflow's client lists 10,000 runs in 15 s.
            self._core.registries.look_again(chosen)
            client = self._core.registries.read(chosen)
            try:
                return self._cleaning.carry_out(token, CleanedPlace(chosen, client, self._trackers.source(uri)))
            finally:
                self._core.changed(chosen)

    def import_runs(
        self, uri: str, run: list_of[str] | None = None, to: str | None = None, experiment: str | None = None
    ) -> ImportedRuns:
        return self._imports.take_over(uri, to, experiment, run or ())

    def migrate(self, uri: str, file: str | None = None) -> MigratedFolder:
        return self._migration.migrate(uri, file)

    def verify(self, model: str, version: str, uri: str | None = None) -> Verified:
        with self._core.default.chosen(uri) as chosen:
            return self._transfer.verify(model, version, chosen)

    def export(self, model: str, version: str, file: str, uri: str | None = None) -> Transferred:
        with self._core.default.chosen(uri) as chosen:
            return self._transfer.export(model, version, file, chosen)

    def import_(self, file: str, name: str | None = None, uri: str | None = None) -> Transferred:
        with self._core.default.chosen(uri) as chosen:
            return self._transfer.import_(file, name, chosen)


def _versions_of(model: str | None) -> str | None:
    return "" if model == EVERY_MODEL else model
