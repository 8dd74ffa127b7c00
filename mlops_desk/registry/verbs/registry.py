"""Verbs about registries as such: which ones a person keeps, and how they are."""

from typing import TYPE_CHECKING, Annotated, Protocol

from mlops_desk.kit.verbs.declaration import AbsolutePath, Length, Option, Who, changes, reads
from mlops_desk.registry.verbs.models import Uri

if TYPE_CHECKING:
    from builtins import list as list_of

    from mlops_desk.registry.records.clean_up import CleanUpDone, CleanUpPreview
    from mlops_desk.registry.records.doctor import StoreFixed, StoreReport
    from mlops_desk.registry.records.page import PageVisit
    from mlops_desk.registry.records.tracker import Tracker
    from mlops_desk.registry.records.transfer import ImportedRuns, MigratedFolder, Transferred, Verified

LOGIN = Option("SECRET", "the secret that logs in: USER:PASSWORD or a token; of a database its password")
NEW_LOGIN = Option("SECRET", "the secret that logs in, as of registry add; without it nothing logs in any more")
_MEND_SECONDS = 960.0
"""A minute more than a copy of a large store may take."""
_TEAMS = "a registry is its team's, and what goes was shown before; the audit trail has who cleared it away"
_CLEAN_SECONDS = 1800.0
"""Some ten thousand runs, one after the other."""
_FILES_SECONDS = 1860.0
"""A minute more than the files of a large model may take."""
NAME = Option("NAME", "register it under this name instead of its own")
EXPERIMENT = Option("NAME", "runs of this experiment")
BEST = Option("N", "keep so many runs, the best by --metric, and take the others that have it")
METRIC = Option("KEY", "by which runs are compared; whether less is better is told by its name")
MODEL = Option("NAME", "versions of this model that no alias means (the word all: of every model)")
KIND = Option("KIND", "what lies there, where it can't be told: tensorboard, trackio, wandb, folder, sqlite, http, …")
TO = Option("URI", "the MLflow registry that they go to; without it the desk's own")
INTO = Option("NAME", "the experiment that they go to; without it what their tracker has")
STORE_FILE = AbsolutePath("FILE")
"""The new store; without it mlflow.db beside the folder."""
RUN = Option("ID", "the run that the page is to show")
_NOTHING_LOST = "the list is this desk's: what is taken off it stays as it is, and can be named again at any time"


class RegistryKeeping(Protocol):
    """The registries that you keep in a list, by names that every --uri takes, and what can be done with them."""

    @reads
    def list(self) -> "list_of[Tracker]":
        """List the registries that are kept, the desk's own first; those that can't be reached say why."""
        ...

    @reads
    def show(self, name: str) -> "Tracker":
        """Look at one registry: how it is read, its schema, and how many runs and models it has."""
        ...

    @changes(before="show", why=_NOTHING_LOST)
    def add(
        self,
        name: str,
        uri: str,
        login: Annotated[str | None, LOGIN] = None,
        kind: Annotated[str | None, KIND] = None,
    ) -> "Tracker":
        """Keep a registry, or a folder of runs, under a name. A password in its URI goes to your secrets."""
        ...

    @changes(before="show", why=_NOTHING_LOST)
    def log_in(self, name: str, login: Annotated[str | None, NEW_LOGIN] = None) -> "Tracker":
        """Log in at a kept registry with another secret of yours from now on, or with none."""
        ...

    @changes(before="show", why=_NOTHING_LOST)
    def remove(self, name: str) -> "Tracker":
        """Take a registry off the list; nothing is changed at the registry."""
        ...

    @changes(who=Who.ADMINISTRATOR, timeout_seconds=180.0)
    def page(self, run_id: Annotated[str, RUN] = "") -> "PageVisit":
        """Open MLflow's own page for a browser of yours on this machine, by an address that is good once."""
        ...

    @reads
    def doctor(self, uri: Uri = None) -> "StoreReport":
        """Look a registry's store over: statistics, locks, indexes, soundness, orphans, what a purge would take.

        Nothing is changed; each finding that can be mended names the fix.
        """
        ...

    @changes(who=Who.ADMINISTRATOR, timeout_seconds=_MEND_SECONDS)
    def fix(self, fix: str, uri: Uri = None) -> "StoreFixed":
        """Mend what registry doctor found, by the word that it names; the store is copied before, and the copy checked.

        No training that logs to the store is made to fail: what would keep its writers waiting is refused.
        """
        ...

    @reads
    def clean_up(
        self,
        experiment: Annotated[str | None, EXPERIMENT] = None,
        keep_best: Annotated[int | None, BEST] = None,
        metric: Annotated[str | None, METRIC] = None,
        older_than_seconds: Annotated[float | None, Length("older-than")] = None,
        model: Annotated[str | None, MODEL] = None,
        uri: Uri = None,
        *,
        failed: bool = False,
        lower: bool = False,
        higher: bool = False,
    ) -> "CleanUpPreview":
        """Show which runs and versions would go, how much space they take, and what keeps others; nothing is changed.

        A run goes if all that was asked for is true of it. What a version was made of, what is served, what an alias
        means and what still runs never goes.
        """
        ...

    @changes(why=_TEAMS, timeout_seconds=_CLEAN_SECONDS)
    def clean(self, token: str, uri: Uri = None) -> "CleanUpDone":
        """Delete what clean-up has shown, by its token; refused if it would be anything else by now.

        Runs can be brought back (runs restore) until they are purged; versions can't.
        """
        ...

    @changes(
        timeout_seconds=1900.0,
        why="it writes new runs into a registry that its team shares, and changes none that is there",
    )
    def import_runs(
        self,
        uri: str,
        run: "list_of[str] | None" = None,
        to: Annotated[str | None, TO] = None,
        experiment: Annotated[str | None, INTO] = None,
    ) -> "ImportedRuns":
        """Write runs of TensorBoard, Trackio or W&B into an MLflow registry; what is lost on the way is told.

        All of them, or those that are named; what was imported before is left as it is.
        """
        ...

    @changes(who=Who.ADMINISTRATOR, timeout_seconds=_FILES_SECONDS)
    def migrate(self, uri: str, file: Annotated[str | None, STORE_FILE] = None) -> "MigratedFolder":
        """Copy a folder of runs (mlruns) into a new SQLite store, which the names of the list mean from then on.

        MLflow does it, and develops such folders no further. The folder stays as it is, with the files of its runs.
        """
        ...

    @changes(why="only what the files are is written down, for the next time", timeout_seconds=_FILES_SECONDS)
    def verify(self, model: str, version: str, uri: Uri = None) -> "Verified":
        """Compare the files of a version with what they were at its registration, or when they were verified first."""
        ...

    @changes(who=Who.ADMINISTRATOR, timeout_seconds=_FILES_SECONDS)
    def export(
        self, model: str, version: str, file: Annotated[str, AbsolutePath("FILE")], uri: Uri = None
    ) -> "Transferred":
        """Write a version to a new file: its files with their hashes, description, tags, and the run that it is of."""
        ...

    @changes(who=Who.ADMINISTRATOR, timeout_seconds=_FILES_SECONDS)
    def import_(
        self, file: Annotated[str, AbsolutePath("FILE")], name: Annotated[str | None, NAME] = None, uri: Uri = None
    ) -> "Transferred":
        """Register what registry export wrote as a new version, with a run that says where it comes from.

        The file is checked first, and nothing in it is loaded; what can't come along is told.
        """
        ...
