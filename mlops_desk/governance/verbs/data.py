"""Verbs about data: the catalogue of sets, how long rows are kept, and what is taken out of request logs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Protocol

from mlops_desk.kit.verbs.declaration import AbsolutePath, Option, Pairs, Who, Word, changes, reads, reads_own

if TYPE_CHECKING:
    from builtins import list as list_of

    from mlops_desk.governance.records.data.catalogue import DataSet, DataSetBrief, DataUse
    from mlops_desk.governance.records.data.redaction import Redaction, RedactionPreview, RewriteDone, RewritePlan
    from mlops_desk.governance.records.data.retention import RetentionDone, RetentionPlan

_OF = ("data set", "name")
_LOG = ("endpoint", "endpoint")
_WAYS = Pairs("COLUMN=WAY", word="column")


class DataCatalogue(Protocol):
    """Which data there are, what stands on them, how long they are kept, and what of them is logged."""

    @reads
    def list(
        self,
        text: Annotated[str, Word("TEXT", "in the name or the place")] = "",
        kind: Annotated[str | None, Option("KIND", "file, folder, dvc, mlflow, query, log, labels or lists")] = None,
    ) -> "list_of[DataSetBrief]":
        """List data sets: those that somebody registered, and those that runs, pipelines, monitors and logs tell of."""
        ...

    @reads
    def show(self, name: str) -> "DataSet":
        """Show one data set: its versions and columns, and what stands on it."""
        ...

    @reads
    def uses(
        self, thing: Annotated[str, Word("THING", "MODEL/VERSION, or the name or id of what uses data")]
    ) -> "list_of[DataUse]":
        """List what a model version, a run, an endpoint, a monitor or a pipeline stands on."""
        ...

    @changes(why="whoever registers a data set owns its entry, and is named with it")
    def register(
        self,
        name: str,
        path: Annotated[str | None, AbsolutePath("PATH")] = None,
        run: Annotated[str | None, Option("RUN", "a data set that a run has logged")] = None,
        dataset: Annotated[str | None, Option("NAME", "which of them")] = None,
        database: Annotated[str | None, Option("ADDRESS", "a database, without the password")] = None,
        query: Annotated[str | None, Option("SQL", "what is asked of it")] = None,
        login: Annotated[str | None, Option("SECRET", "the secret that has its password")] = None,
        data_owner: Annotated[str | None, Option("NAME", "who answers for the data")] = None,
        licence: Annotated[str | None, Option("TEXT")] = None,
        retention_days: Annotated[float | None, Option("DAYS")] = None,
        personal: Annotated[str | None, Option("WORD", "data of persons: yes, no or unknown")] = None,
        notes: Annotated[str | None, Option("TEXT")] = None,
    ) -> "DataSet":
        """Take a data set into the catalogue: a file, a folder, a .dvc file, a run's data set or a query.

        It is read and hashed by itself, as you; data show tells how far it is. Nothing of it is copied or ever deleted.
        """
        ...

    @changes(who=Who.OWNER, before="show", of=_OF)
    def update(
        self,
        name: str,
        data_owner: Annotated[str | None, Option("NAME", "who answers for the data")] = None,
        licence: Annotated[str | None, Option("TEXT")] = None,
        retention_days: Annotated[float | None, Option("DAYS", "0: nobody says how long")] = None,
        personal: Annotated[str | None, Option("WORD", "data of persons: yes, no or unknown")] = None,
        notes: Annotated[str | None, Option("TEXT")] = None,
    ) -> "DataSet":
        """Say something else of a data set; what is not given stays, an empty word takes back what was said."""
        ...

    @changes(who=Who.OWNER, before="show", of=_OF)
    def forget(self, name: str) -> "DataSet":
        """Take a data set and its versions out of the catalogue; the data stay where they are."""
        ...

    @changes(who=Who.OWNER, before="show", of=_OF)
    def check(self, name: str) -> "DataSet":
        """Look at a data set again: is it there, is it what it was? What differs becomes its newest version."""
        ...

    @changes(who=Who.OWNER, before="show", of=_OF)
    def cancel(self, name: str) -> "DataSet":
        """Stop the look at a data set that is under way; what is known of it stays."""
        ...

    @reads
    def retention(
        self,
        days: Annotated[float | None, Option("DAYS", "instead of what each data set says")] = None,
        name: Annotated[str | None, Option("NAME", "of one data set alone")] = None,
    ) -> "RetentionPlan":
        """Show what is older than it is to be kept, what keeps it all the same, and how much room it takes.

        Only files that the desk has made are meant: logged requests and their labels.
        """
        ...

    @changes(who=Who.ADMINISTRATOR, timeout_seconds=600.0)
    def retain(
        self,
        token: str,
        days: Annotated[float | None, Option("DAYS", "as it was shown")] = None,
        name: Annotated[str | None, Option("NAME", "as it was shown")] = None,
    ) -> "RetentionDone":
        """Delete exactly what data retention showed, by its token; anything else is refused."""
        ...

    @reads
    def redaction(self, endpoint: str) -> "Redaction":
        """Show what is taken out of an endpoint's requests before they are logged."""
        ...

    @reads_own(before="redaction", of=_LOG)
    def preview(
        self, endpoint: str, columns: Annotated[Mapping[str, str] | None, _WAYS] = None, rows: int = 5
    ) -> "RedactionPreview":
        """Show what rules would make of the newest logged rows, to the endpoint's owner, and which may be wanted."""
        ...

    @changes(who=Who.OWNER, before="redaction", of=_LOG)
    def redact(self, endpoint: str, columns: Annotated[Mapping[str, str], _WAYS]) -> "Redaction":
        """Have columns dropped, masked or hashed before they are logged: --column ssn=drop; keep takes a rule back.

        Rows that are logged already stay as they are, until data rewrite.
        """
        ...

    @reads_own(before="redaction", of=_LOG)
    def rewriting(self, endpoint: str) -> "RewritePlan":
        """Show which logged rows and labels were written before the rules, to the endpoint's owner."""
        ...

    @changes(who=Who.OWNER, timeout_seconds=3600.0, before="redaction", of=_LOG)
    def rewrite(self, endpoint: str, token: str) -> "RewriteDone":
        """Apply the rules to what is logged already: exactly what data rewriting showed, by its token. No way back."""
        ...
