"""The registries that the scripted agent keeps in a list, what ails their stores, and what could be cleared away."""

from __future__ import annotations

import time
from builtins import list as list_of
from dataclasses import replace

from service_double import Service

from mlops_desk.kit.base.errors import Invalid, NotFound, Refused
from mlops_desk.registry.records.clean_up import CleanUpDone, CleanUpItem, CleanUpPreview
from mlops_desk.registry.records.doctor import ExperimentSize, FindingState, StoreFinding, StoreFixed, StoreReport
from mlops_desk.registry.records.page import PageVisit
from mlops_desk.registry.records.tracker import Tracker, TrackerKind
from mlops_desk.registry.records.transfer import CheckedFile, Loss, MigratedFolder, Transferred, Verified

NOW = time.time()


class RegistryVerbs(Service):
    def list(self) -> list[Tracker]:
        return self._double.trackers

    def show(self, name: str) -> Tracker:
        for one in self._double.trackers:
            if one.name == name:
                return (
                    one if one.problem else replace(one, schema="1b5f0d9ad7c1", via="sql", n_runs=20_000, n_models=12)
                )
        raise NotFound(f"No registry is kept as {name!r}.")

    def add(self, name: str, uri: str, login: str | None = None, kind: str | None = None) -> Tracker:
        if not name.strip():
            raise Invalid("A registry needs a name.", "Type one.")
        kept = Tracker(name, uri, TrackerKind(kind) if kind else TrackerKind.HTTP, login)
        self._double.trackers = [*self._double.trackers, kept]
        return kept

    def log_in(self, name: str, login: str | None = None) -> Tracker:
        now = replace(self.show(name), login=login, problem=self._double.refused_logins.get(name))
        self._double.trackers = [now if one.name == name else one for one in self._double.trackers]
        return now

    def import_(self, file: str, name: str | None = None, uri: str | None = None) -> Transferred:
        if not file.endswith(".mldversion"):
            raise Invalid(f"{file} is no version that was exported.", "Choose another file.")
        self._double.imported.append((file, name, uri))
        return Transferred(f"{name or 'digits'}/5", None, 6, 50_000, self._double.losses)

    def remove(self, name: str) -> Tracker:
        gone = self.show(name)
        self._double.trackers = [one for one in self._double.trackers if one.name != name]
        return gone

    def doctor(self, uri: str | None = None) -> StoreReport:
        self._double.examined.append(uri)
        return self._double.store_report

    def fix(self, fix: str, uri: str | None = None) -> StoreFixed:
        self._double.fixed.append((fix, uri))
        report = self._double.store_report
        self._double.store_report = replace(
            report,
            findings=tuple(
                replace(one, state=FindingState.OK, fix=None) if one.fix == fix else one for one in report.findings
            ),
        )
        return StoreFixed(fix, "Statistics were gathered.", "/data/backups/mlflow-20261128.db", 2.6)

    def migrate(self, uri: str, file: str | None = None) -> MigratedFolder:
        old = self.show(uri)
        store = file or old.uri.replace("mlruns", "mlflow.db")
        now = Tracker(uri, f"sqlite:///{store}", TrackerKind.SQLITE)
        self._double.trackers = [now if one.name == uri else one for one in self._double.trackers]
        return MigratedFolder(old.uri, store, 1200, 3, (uri,), (Loss("the run r7", "It is broken."),))

    def verify(self, model: str, version: str, uri: str | None = None) -> Verified:
        return self._double.verified or Verified(
            model, version, NOW - 90_000,
            (CheckedFile("MLmodel", "same", "ab" * 32, "ab" * 32, 912),
             CheckedFile("model.pkl", "changed", "cd" * 32, "ef" * 32, 48_213)),
        )  # fmt: skip

    def page(self, run_id: str = "") -> PageVisit:
        self._double.visits.append(run_id)
        return PageVisit("http://127.0.0.1:5000/visit/once", NOW + 60, NOW + 3600, True)

    def export(self, model: str, version: str, file: str, uri: str | None = None) -> Transferred:
        self._double.exported.append((model, version, file))
        return Transferred(None, file, 6, 50_000)

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
        self._double.cleanups.append((experiment, model, keep_best, metric, older_than_seconds, failed, uri))
        return self._double.cleanup

    def clean(self, token: str, uri: str | None = None) -> CleanUpDone:
        if token != self._double.cleanup.token:
            raise Refused("What would go has changed since.", "Look again.")
        self._double.cleaned.append(token)
        return CleanUpDone(len(self._double.cleanup.going), 0, self._double.way_back)


def some_trackers() -> list_of[Tracker]:
    return [
        Tracker("own", "sqlite:////data/mlflow.db", TrackerKind.OWN, via="sql", schema="1b5f0d9ad7c1", is_default=True),
        Tracker("team", "https://mlflow.lab:5000", TrackerKind.HTTP, "mlflow-team"),
        Tracker("old-runs", "/home/ana/mlruns", TrackerKind.FOLDER, problem="The folder is gone.",
                hint="Take it off the list, or mount the disk."),
        Tracker("sweeps", "/data/tb", TrackerKind.TENSORBOARD),
    ]  # fmt: skip


def some_report() -> StoreReport:
    findings = (
        StoreFinding("statistics", FindingState.TROUBLE, "The store has no statistics",
                     "Sorting by a metric reads every metric again for each run.", "analyze",
                     "Gathers statistics (ANALYZE). Takes about 3 s; writers wait 50 ms at most.", 5_000_000),
        StoreFinding("journal", FindingState.ADVICE, "A reader can hold up a training",
                     "The store is in rollback-journal mode.", "wal",
                     "Switches to write-ahead logging. Two files stand beside the store then."),
        StoreFinding("index", FindingState.OK, "Metrics are indexed by run", "The index is there."),
        StoreFinding("deleted", FindingState.ADVICE, "Deleted runs take room",
                     "300 deleted runs keep 1.2 GB of files. A dataset that is used elsewhere keeps 2 of them.", "gc",
                     "Removes them for good, after a copy of the store.", 300, 1_200_000_000),
        StoreFinding("orphans", FindingState.UNKNOWN, "Files without a run", "They lie on another machine."),
    )  # fmt: skip
    sizes = (
        ExperimentSize("1", "churn", 15_000, 300, 4_400_000, 18 << 30),
        ExperimentSize("2", "digits", 4_800, 0, 600_000, None),
        ExperimentSize("3", "demo", 200, 12, 2_000, 12 << 20),
    )
    return StoreReport("sqlite:////data/mlflow.db", "sqlite", "1b5f0d9ad7c1", True, 1_500_000_000, findings, sizes)


def some_cleanup() -> CleanUpPreview:
    going = tuple(
        CleanUpItem("run", f"run{n}", f"calm-owl-{n}", "not among the best 3 by auc", (n + 1) << 20) for n in range(8)
    )
    kept = (CleanUpItem("run", "run99", "bold-elk-7", "not among the best 3 by auc", 4 << 20, "digits/3, champion"),)
    return CleanUpPreview("t1", going, kept, 36 << 20, 1)
