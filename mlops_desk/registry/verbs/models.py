"""Verbs about the models of a registry: the desk's own tracking server, or any other by its URI."""

from typing import TYPE_CHECKING, Annotated, Protocol

from mlops_desk.kit.verbs.declaration import AbsolutePath, Moment, Option, Who, Word, changes, reads

if TYPE_CHECKING:
    from builtins import list as list_of

    from mlops_desk.registry.records.alias_move import AliasMove, AliasPreview
    from mlops_desk.registry.records.artifact_view import ArtifactView, Downloaded
    from mlops_desk.registry.records.comparison import ComparedValue
    from mlops_desk.registry.records.labels import Labels
    from mlops_desk.registry.records.lineage import Lineage, OpenLineage
    from mlops_desk.registry.records.model import Artifact, Model, ModelVersion, Registry
    from mlops_desk.registry.records.model_files import ModelFileFacts
    from mlops_desk.registry.records.version_hit import ModelCard, VersionHit, VersionsFound

URI = Option(
    "URI", "tracking URI, or a name of registry list; without it the setting registry.uri, else the desk's own"
)
VERSION = Option("VERSION", "number of the version that the alias is to mean")
EXPECTED = Option("VERSION", "refuse if the alias points elsewhere by now (the word none: if it exists by now)")
ALIAS = Option("ALIAS", "name of the alias, such as champion")
PUT_BACK = Option("VERSION", "put it back to this version instead of the one before")
OF_VERSION = Option("VERSION", "of this version, not of the model")
TAG_VALUE = Option("TEXT", "its new value; without it the tag is taken away")
TAG_EXPECTED = Option("TEXT", "refuse if it reads otherwise by now ('': if it is there)")
CONFIRM = Option("NAME", "the name of what is to go once more: NAME, or NAME/VERSION")
FOLDER = Word("FOLDER", "what lies in this folder of them")
FILES_WAIT = Option("SECONDS", "wait at most so long for files that are looked into, 0 to 4")
DOWNLOAD_SECONDS = 1860.0  # a minute more than the registry is given
ONE_VERSION = Word("VERSION", "number of a version, or @ALIAS; without it all of the model")
OTHER = Option("NAME", "the model that B is a version of, where it is another one")
MORE = Option("VERSION", "a third version, and so on: a number or alias, or NAME/VERSION of another model")
Uri = Annotated[str | None, URI]
_TEAMS = "MLflow knows no owner of a model: a registry is its team's, and the audit trail has who changed what"


class Models(Protocol):
    """Registered models, versions and aliases of any MLflow registry."""

    @reads
    def list(self, uri: Uri = None) -> "list_of[Model]":
        """List registered models with their aliases."""
        ...

    @reads
    def versions(self, model: str, uri: Uri = None) -> "list_of[ModelVersion]":
        """List a model's versions, newest first."""
        ...

    @reads
    def show(self, model: str, uri: Uri = None) -> "Model":
        """Show one model and its aliases."""
        ...

    @reads
    def search(self, query: str, uri: Uri = None, limit: int = 200) -> "list_of[VersionHit]":
        """Find versions: "auc>0.9 alias:champion created:<30d flavor:sklearn", and words; the newest first."""
        ...

    @reads
    def find(
        self, query: str, uri: Uri = None, limit: int = 200, wait: Annotated[float, FILES_WAIT] = 4.0
    ) -> "VersionsFound":
        """Find versions as search does, and tell how many match in all, and of how many that is not known yet.

        What nobody has looked for before (flavours, formats, columns) is read off files meanwhile: ask again.
        """
        ...

    @reads
    def cards(self, uri: Uri = None) -> "list_of[ModelCard]":
        """List registered models with their newest version's first metric, endpoints and drift."""
        ...

    @reads
    def facts(self, model: str, version: str, uri: Uri = None) -> "ModelFileFacts":
        """Tell what a version's files say of it: flavours, format, signature, requirements, size. Nothing is loaded."""
        ...

    @reads
    def files(
        self, model: str, version: str, path: Annotated[str, FOLDER] = "", uri: Uri = None
    ) -> "list_of[Artifact]":
        """List the files of a version, folder by folder."""
        ...

    @reads
    def view(self, model: str, version: str, path: str, uri: Uri = None) -> "ArtifactView":
        """Look at a file of a version. Nothing in it is run, and of a large one the beginning is shown."""
        ...

    @changes(who=Who.ADMINISTRATOR, timeout_seconds=DOWNLOAD_SECONDS)
    def download(
        self, model: str, version: str, path: str, folder: Annotated[str, AbsolutePath("FOLDER")], uri: Uri = None
    ) -> "Downloaded":
        """Fetch a file or folder of a version ('' is all of it) into a folder here; nothing there is written over."""
        ...

    @reads
    def lineage(self, model: str, version: Annotated[str | None, ONE_VERSION] = None, uri: Uri = None) -> "Lineage":
        """Tell where a model comes from (data, jobs, runs) and what stands on it (aliases, endpoints, drift, rules).

        MODEL may name the version, too: MODEL/VERSION or MODEL@ALIAS.
        """
        ...

    @reads
    def open_lineage(
        self, model: str, version: Annotated[str | None, ONE_VERSION] = None, uri: Uri = None
    ) -> "OpenLineage":
        """Tell the same as events of OpenLineage, one JSON document a line, for catalogues of data."""
        ...

    @changes(
        before="show",
        why="MLflow knows no owner of a model: a registry is its team's, and the audit trail has who moved what",
    )
    def alias(
        self,
        model: str,
        alias: str,
        version: Annotated[str, VERSION],
        uri: Uri = None,
        expected: Annotated[str | None, EXPECTED] = None,
    ) -> "Model":
        """Point ALIAS of MODEL at a version. With ``expected``, only if it still points where it was seen."""
        ...

    @reads
    def history(
        self,
        model: str,
        uri: Uri = None,
        alias: Annotated[str, ALIAS] = "",
        at: Annotated[float | None, Moment()] = None,
    ) -> "list_of[AliasMove]":
        """List where the aliases of a model went, newest first; with a time, where they stood then.

        Moves that were made elsewhere are seen while somebody looks at the registry, or an endpoint serves from it:
        they happened between two looks. A model that is gone keeps its history.
        """
        ...

    @reads
    def preview(
        self, model: str, alias: Annotated[str, ALIAS], version: Annotated[str, VERSION], uri: Uri = None
    ) -> "AliasPreview":
        """Show what a move of an alias would bring: what differs, and which endpoints would follow."""
        ...

    @reads
    def compare(
        self,
        model: str,
        a: str,
        b: str,
        uri: Uri = None,
        other: Annotated[str | None, OTHER] = None,
        more: Annotated["list_of[str] | None", MORE] = None,
    ) -> "list_of[ComparedValue]":
        """Show in what versions differ: metrics, parameters, tags, data, environment, signature and code."""
        ...

    @changes(before="show", why=_TEAMS)
    def promote(
        self,
        model: str,
        alias: Annotated[str, ALIAS],
        version: Annotated[str, VERSION],
        uri: Uri = None,
        expected: Annotated[str | None, EXPECTED] = None,
    ) -> "Model":
        """Point an alias of a model at a version, and say how it is put back."""
        ...

    @changes(before="show", why=_TEAMS)
    def rollback(
        self,
        model: str,
        alias: Annotated[str, ALIAS],
        uri: Uri = None,
        expected: Annotated[str | None, EXPECTED] = None,
        version: Annotated[str | None, PUT_BACK] = None,
    ) -> "Model":
        """Put an alias back to the version that it pointed at before; deleted ones are skipped."""
        ...

    @changes(before="show", why=_TEAMS)
    def remove_alias(
        self,
        model: str,
        alias: Annotated[str, ALIAS],
        uri: Uri = None,
        expected: Annotated[str | None, EXPECTED] = None,
    ) -> "Model":
        """Take an alias away from a model, and say how it is put back."""
        ...

    @reads
    def labels(self, model: str, version: Annotated[str | None, OF_VERSION] = None, uri: Uri = None) -> "Labels":
        """Show the tags and the description of a model, or of one of its versions."""
        ...

    @changes(before="labels", why=_TEAMS)
    def tag(
        self,
        model: str,
        key: str,
        value: Annotated[str | None, TAG_VALUE] = None,
        version: Annotated[str | None, OF_VERSION] = None,
        uri: Uri = None,
        expected: Annotated[str | None, TAG_EXPECTED] = None,
    ) -> "Labels":
        """Write a tag of a model or of a version, or take it away; and say how it is put back."""
        ...

    @changes(before="labels", why=_TEAMS)
    def describe(
        self,
        model: str,
        text: str,
        version: Annotated[str | None, OF_VERSION] = None,
        uri: Uri = None,
        expected: Annotated[str | None, TAG_EXPECTED] = None,
    ) -> "Labels":
        """Write the description of a model or of a version; and say how it is put back."""
        ...

    @changes(before="show", why=_TEAMS)
    def delete(
        self,
        model: str,
        confirm: Annotated[str, CONFIRM],
        version: Annotated[str | None, OF_VERSION] = None,
        uri: Uri = None,
    ) -> "Model":
        """Delete a model with its versions, or one version, for good: MLflow can't bring it back.

        The files stay where they are, and so does the run. What an alias points at is not deleted.
        """
        ...

    @changes(why="the version is of a run that everybody sees", timeout_seconds=90.0)
    def register(self, name: str, run_id: str, path: str = "model", uri: Uri = None) -> "ModelVersion":
        """Register what a run has logged as a new version of a model, which is made where there is none."""
        ...

    @changes(timeout_seconds=180.0, before="server", why="it starts by itself at the first use of it too")
    def start(self) -> "Registry":
        """Start the desk's own tracking server if it does not run, and wait until it answers."""
        ...

    @reads
    def server(self) -> "Registry":
        """Tell whether the desk's own tracking server runs, and where it answers."""
        ...
