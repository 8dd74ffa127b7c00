"""Verbs about the models of a registry: the desk's own tracking server, or any other by its URI."""

from typing import TYPE_CHECKING, Annotated, Protocol

from mlops_desk.verbs.declaration import Option, changes, reads

if TYPE_CHECKING:
    from builtins import list as list_of

    from mlops_desk.records.model import Model, ModelVersion, Registry
    from mlops_desk.records.registry.version_hit import ModelCard, VersionHit

URI = Option(
    "URI", "tracking URI, or a name of registry list; without it the setting registry.uri, else the desk's own"
)
VERSION = Option("VERSION", "number of the version that the alias is to mean")
EXPECTED = Option("VERSION", "refuse if the alias points elsewhere by now (the word none: if it exists by now)")
Uri = Annotated[str | None, URI]


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
    def cards(self, uri: Uri = None) -> "list_of[ModelCard]":
        """List registered models with their newest version's first metric, endpoints and drift."""
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

    @changes(timeout_seconds=180.0, before="server", why="it starts by itself at the first use of it too")
    def start(self) -> "Registry":
        """Start the desk's own tracking server if it does not run, and wait until it answers."""
        ...

    @reads
    def server(self) -> "Registry":
        """Tell whether the desk's own tracking server runs, and where it answers."""
        ...
